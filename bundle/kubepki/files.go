package kubepki

import (
	"cmp"
	"fmt"
	"io/fs"
	"slices"
)

const (
	pkiDir           = "pki/"
	caFile           = pkiDir + "ca.crt"
	serverCAFile     = pkiDir + "server-ca.crt"
	etcdCAFile       = pkiDir + "etcd/ca.crt"
	etcdListFile     = pkiDir + "etcd/ca.crl"
	frontProxyCAFile = pkiDir + "front-proxy-ca.crt"

	kubeletServingCAFile = pkiDir + "kubelet-serving-ca.crt"
	kubeletClientCAFile  = pkiDir + "kubelet-client-ca.crt"
	clientCAFile         = pkiDir + "client-ca.crt"

	saKeyFile = pkiDir + "sa.key"
	saPubFile = pkiDir + "sa.pub"
)

// clientCAFlag says whose clients a component lets in.
const clientCAFlag = "--client-ca-file"

// clientFamilies are the families whose clients the API server of a cluster with an
// online signer lets in.
var clientFamilies = []Authority{KubernetesAuthority, KubeletClientAuthority}

// kubeadm's modes: whatever its key writer writes is private, sa.pub included.
const (
	privateMode fs.FileMode = 0o600
	publicMode  fs.FileMode = 0o644
)

// fileRow is a file that is not about one leaf.
type fileRow struct {
	path      string
	kind      FileKind
	mode      fs.FileMode
	authority Authority
	readers   []reader // a node has the file when one of its roles reads it
}

// reader is a consumer on nodes of a role, from a release on.
type reader struct {
	role  Role
	since cutover
	Consumer
}

var fileRows = []fileRow{
	{caFile, TrustFile, publicMode, KubernetesAuthority, []reader{
		{ControlPlane, always, Consumer{"kube-apiserver", clientCAFlag, Live}},
		{ControlPlane, always, Consumer{"kube-controller-manager", clientCAFlag, Live}},
		// kubeadm's default; better is serverCAFile, through extraArgs.
		{ControlPlane, always, Consumer{"kube-controller-manager", "--root-ca-file", Restart}},
		{ControlPlane, always, Consumer{"kubelet", "authentication.x509.clientCAFile", Restart}},
		{Worker, always, Consumer{"kubelet", "authentication.x509.clientCAFile", Restart}},
	}},
	{serverCAFile, ServerTrustFile, publicMode, KubernetesAuthority, []reader{
		{ControlPlane, always, Consumer{"kube-controller-manager", "--root-ca-file", Restart}},
	}},
	{frontProxyCAFile, TrustFile, publicMode, FrontProxyAuthority, []reader{
		{ControlPlane, always, Consumer{"kube-apiserver", "--requestheader-client-ca-file", Live}},
		{ControlPlane, always, Consumer{"kube-controller-manager", "--requestheader-client-ca-file", Live}},
	}},
	{etcdCAFile, TrustFile, publicMode, EtcdAuthority, []reader{
		{ControlPlane, always, Consumer{"kube-apiserver", "--etcd-cafile", Restart}},
		{Etcd, always, Consumer{"etcd", "--trusted-ca-file", Restart}},
		{Etcd, always, Consumer{"etcd", "--peer-trusted-ca-file", Restart}},
		{Etcd, always, Consumer{"etcdctl", "--cacert", PerUse}},
	}},
	{kubeletServingCAFile, TrustFile, publicMode, KubeletServingAuthority, []reader{
		{ControlPlane, always, Consumer{"kube-apiserver", "--kubelet-certificate-authority", Restart}},
	}},
	// The API server reads it as a part of the next file.
	{kubeletClientCAFile, TrustFile, publicMode, KubeletClientAuthority, []reader{
		{ControlPlane, always, Consumer{"kube-apiserver", "", Live}},
	}},
	{clientCAFile, ClientTrustFile, publicMode, KubeletClientAuthority, []reader{
		{ControlPlane, always, Consumer{"kube-apiserver", clientCAFlag, Live}},
	}},
	// etcd reads it again at each connection.
	{etcdListFile, RevocationListFile, publicMode, EtcdAuthority, []reader{
		{Etcd, always, Consumer{"etcd", "--client-crl-file", Live}},
		{Etcd, always, Consumer{"etcd", "--peer-crl-file", Live}},
	}},
	{saKeyFile, ServiceAccountKey, privateMode, "", []reader{
		{ControlPlane, always, Consumer{"kube-controller-manager", "--service-account-private-key-file", Restart}},
		{ControlPlane, tokenSigning, Consumer{"kube-apiserver", "--service-account-signing-key-file", Restart}},
	}},
	{saPubFile, ServiceAccountPublic, privateMode, "", []reader{
		{ControlPlane, always, Consumer{"kube-apiserver", "--service-account-key-file", Restart}},
	}},
}

// Files returns everything the node's /etc/kubernetes holds after an install,
// sorted by Path. No authority's private key is among them. It fails where
// Leaves does.
func Files(c Cluster, n Node) ([]File, error) {
	leaves, err := Leaves(c, n)
	if err != nil {
		return nil, err
	}
	var files []File
	for _, r := range fileRows {
		if r.kind == RevocationListFile && !c.RevocationLists || !c.Has(r.authority) {
			continue
		}
		consumers := r.consumers(c, n)
		// Whoever uses an extra certificate needs the other side's anchor, too.
		beside := r.kind == TrustFile && slices.ContainsFunc(n.Extra, func(e Extra) bool { return e.Authority == r.authority })
		if len(consumers) > 0 || beside {
			f := File{Path: r.path, Kind: r.kind, Mode: r.mode, Authority: r.authority, Consumers: consumers}
			if r.kind == ClientTrustFile {
				f.Authority, f.Families = "", slices.Clone(clientFamilies)
			}
			files = append(files, f)
		}
	}
	for _, l := range leaves {
		if l.Kubeconfig != nil {
			files = append(files, File{
				Path: l.File, Kind: KubeconfigFile, Mode: privateMode, Leaf: l.Name, Consumers: l.Consumers,
			})
			continue
		}
		files = append(files,
			File{Path: l.File, Kind: CertificateFile, Mode: publicMode, Leaf: l.Name, Consumers: l.Consumers},
			File{Path: l.KeyFile, Kind: KeyFile, Mode: privateMode, Leaf: l.Name, Consumers: keyConsumers(l)})
	}
	slices.SortFunc(files, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	at := map[string]string{}
	for i, f := range files {
		files[i].Place = c.Place(n, f.Path)
		if other, ok := at[files[i].Place]; ok {
			return nil, fmt.Errorf("node %s: %s and %s would both be %s", n.Name, other, f.Path, files[i].Place)
		}
		at[files[i].Place] = f.Path
	}
	return files, nil
}

// keyConsumers are those of a leaf's key; an extra's may be unknown.
func keyConsumers(l Leaf) []Consumer {
	if l.Extra != nil {
		return slices.Clone(known[l.Name].key)
	}
	return slices.Clone(findRow(l.ID).key)
}

func (r *fileRow) consumers(c Cluster, n Node) []Consumer {
	var consumers []Consumer
	for _, reader := range r.readers {
		if c.KubeletClient && r.path == caFile && reader.Consumer == (Consumer{"kube-apiserver", clientCAFlag, Live}) {
			continue // it is given clientCAFile
		}
		if n.Has(reader.role) && reader.since.reached(c.KubernetesVersion) &&
			!slices.Contains(consumers, reader.Consumer) {
			consumers = append(consumers, reader.Consumer)
		}
	}
	return consumers
}
