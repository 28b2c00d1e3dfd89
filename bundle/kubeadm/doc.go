// Package kubeadm reads what a kubeadm configuration says about names,
// addresses and validity.
//
// A file is one or several YAML documents. ClusterConfiguration,
// InitConfiguration and JoinConfiguration of kubeadm.k8s.io/v1beta3, v1beta4
// and v1 are read, each at most once. Documents of other groups
// (KubeletConfiguration, KubeProxyConfiguration) and kubeadm's other kinds
// (ResetConfiguration, UpgradeConfiguration) are skipped. Older versions
// are refused: `kubeadm config migrate` rewrites them.
//
// A document may also be the ConfigMap kubeadm-config, in which a running
// cluster keeps its ClusterConfiguration, as kubectl prints it with -o yaml or
// -o json: a node that joins has no other. Other ConfigMaps are skipped.
//
// # Strictness
//
// Every field must be one that kubeadm 1.37 or older knows in that version,
// spelled as kubeadm spells it, and appear once. Fields about
// certificates must be of the right type and well-formed. What kubeadm
// would drop with a warning, a bad SAN for example, is an error. For other
// fields only the names are checked, and none inside lists and free maps.
// Anchors, aliases, merge keys and tags are refused where fields are expected.
// An Error has the file, line and column. It never repeats a token or key,
// which such files may hold.
//
// # Meaning
//
// Nothing is filled in: an empty field of Config was not set, and bundle/kubepki
// knows kubeadm's defaults. Three values are changed as kubeadm
// changes them: API server SANs and node names become lower-case, an advertise
// address of 0.0.0.0 or :: ("choose one") counts as not set, and the feature
// gate PublicKeysECDSA means the algorithm ECDSA-P256. A file may have an
// Init- and a JoinConfiguration, as kind writes them; they must then agree.
package kubeadm
