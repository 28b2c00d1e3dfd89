package bundle

import (
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
	if f.Cluster.RevocationLists && !f.Cluster.ExternalEtcd {
		texts[KubeadmFile] = append(texts[KubeadmFile], etcdArguments(f)...)
	}
	if format >= ownKubelets && f.Node.First {
		texts[KubeadmFile] = append(texts[KubeadmFile], initConfiguration(f.Cluster.KubernetesVersion)...)
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
	file := f.place("pki/server-ca.crt")
	if kubepki.KubeadmAPI(v) == "v1beta4" {
		return head + "  - name: root-ca-file\n    value: " + file + "\n"
	}
	return head + "    root-ca-file: " + file + "\n"
}
