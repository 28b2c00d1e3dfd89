package bundle

import (
	"fmt"
	"strings"

	"officiant/bundle/kubepki"
)

// kubernetesTexts are the files of a node that kubectl and kubeadm are given, by
// path: the bindings its certificates rely on, what its ClusterConfiguration needs,
// how it joins. They follow from format and facts alone.
func kubernetesTexts(format int, f *Facts, leaves []kubepki.Leaf) map[string][]byte {
	texts := map[string][]byte{}
	if format >= ownKubelets && joins(f) {
		texts[JoinFile] = joinConfiguration(f)
	}
	if !f.Node.Has(kubepki.ControlPlane) {
		return texts
	}
	texts[KubeadmFile] = []byte(clusterConfiguration(f))
	if online(f.Cluster) {
		texts[KubeadmFile] = append(texts[KubeadmFile], apiServerArguments(f)...)
	}
	if f.Cluster.RevocationLists && !f.Cluster.ExternalEtcd {
		texts[KubeadmFile] = append(texts[KubeadmFile], etcdArguments(f)...)
	}
	if format >= ownKubelets && f.Node.First && !f.Cluster.KubeletClient {
		texts[KubeadmFile] = append(texts[KubeadmFile], initConfiguration(f.Cluster.KubernetesVersion)...)
	}
	if online(f.Cluster) && f.Node.First {
		texts[KubeadmFile] = append(texts[KubeadmFile], kubeletConfiguration(f.Cluster)...)
	}
	var documents []string
	for _, b := range kubepki.Bindings(leaves) {
		documents = append(documents, b.Manifest())
	}
	if len(documents) > 0 {
		texts[BindingsFile] = []byte(strings.Join(documents, "---\n"))
	}
	return texts
}

// clusterConfiguration is the part of a kubeadm configuration that gives
// kube-controller-manager its --root-ca-file. ca.crt alone must not hold the
// root: it says who may log in.
func clusterConfiguration(f *Facts) string {
	v := f.Cluster.KubernetesVersion
	head := `# To be taken over into the ClusterConfiguration kubeadm init is given. What pods
# get as kube-root-ca.crt is then the kubernetes authority and the root above it;
# with kubeadm's default, programs not written in Go cannot verify the API server.
apiVersion: kubeadm.k8s.io/` + kubepki.KubeadmAPI(v) + `
kind: ClusterConfiguration
controllerManager:
  extraArgs:
`
	list := []argument{{"root-ca-file", f.place("pki/server-ca.crt")}}
	if online(f.Cluster) {
		list = append(list, controllers(v))
	}
	return head + arguments(v, 2, list...)
}

// argument is one of a component's flags, without dashes, and its value as YAML has it.
type argument struct{ name, value string }

// arguments are what stands below extraArgs, which is indented by some spaces: a list
// since v1beta4 of kubeadm's configuration, a map before.
func arguments(v kubepki.Version, indent int, list ...argument) string {
	var b strings.Builder
	space := strings.Repeat(" ", indent)
	for _, a := range list {
		if kubepki.KubeadmAPI(v) == "v1beta4" {
			fmt.Fprintf(&b, "%s- name: %s\n%s  value: %s\n", space, a.name, space, a.value)
		} else {
			fmt.Fprintf(&b, "%s  %s: %s\n", space, a.name, a.value)
		}
	}
	return b.String()
}
