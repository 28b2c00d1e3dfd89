package bundle

import (
	"cmp"
	"fmt"
	"strings"

	"officiant/bundle/kubepki"
)

// joins says whether a node comes into its cluster by kubeadm join.
func joins(f *Facts) bool {
	if len(f.Adopted) > 0 || f.Node.First {
		return false // it is in it, or the first
	}
	return f.Node.Has(kubepki.ControlPlane) || f.Node.Has(kubepki.Worker)
}

// kubeletArguments has the kubelet keep to kubelet.conf. A KubeletConfiguration would
// not do: kubeadm writes rotateCertificates: true over it (v1.37.2,
// componentconfigs/kubelet.go), at init, join and upgrade. What is in
// nodeRegistration goes into kubeadm-flags.env, which only init and join write, and a
// flag comes before the file.
func kubeletArguments(v kubepki.Version) string {
	return "  kubeletExtraArgs:\n" + arguments(v, 2, argument{"rotate-certificates", `"false"`})
}

// initConfiguration is the part of a kubeadm configuration that concerns the first
// node's kubelet.
func initConfiguration(v kubepki.Version) string {
	return `---
# To be taken over into the InitConfiguration. The kubelet's certificate comes with
# bundles, and nobody in the cluster signs another: with this it uses kubelet.conf,
# and not a copy of what that held when it was first started.
apiVersion: kubeadm.k8s.io/` + kubepki.KubeadmAPI(v) + `
kind: InitConfiguration
nodeRegistration:
` + kubeletArguments(v)
}

// caCertPath tells kubeadm join where the trust file is, which is not where
// certificatesDir says unless it is told.
func caCertPath(f *Facts) string {
	if f.Cluster.Places.CertificatesDir == "" {
		return ""
	}
	return "caCertPath: " + f.place("pki/ca.crt") + "\n"
}

// joinConfiguration is what kubeadm join is given on a node.
func joinConfiguration(f *Facts) []byte {
	v := f.Cluster.KubernetesVersion
	config := "kubelet.conf"
	if f.Node.Has(kubepki.ControlPlane) {
		config = "admin.conf"
	}
	var b strings.Builder
	rotation, flags := `With rotate-certificates=false the kubelet uses kubelet.conf, and
# not a copy of what that held when it was first started; kubeadm upgrade leaves it so.
`, kubeletArguments(v)
	if f.Cluster.KubeletClient {
		rotation, flags = `With kubelet.conf the kubelet asks for its next certificate itself.
`, ""
	}
	fmt.Fprintf(&b, `# For kubeadm join --config. The files that were installed are this node's identity:
# there is no token. %sapiVersion: kubeadm.k8s.io/%s
kind: JoinConfiguration
%sdiscovery:
  file:
    kubeConfigPath: /etc/kubernetes/%s
nodeRegistration:
  name: %s
%s`, rotation, kubepki.KubeadmAPI(v), caCertPath(f), config, f.Node.Name, flags)
	if f.Node.Has(kubepki.ControlPlane) {
		fmt.Fprintf(&b, "controlPlane:\n  localAPIEndpoint:\n    advertiseAddress: %q\n    bindPort: %d\n",
			f.Node.Address, cmp.Or(f.Node.BindPort, 6443))
	}
	return []byte(b.String())
}
