package bundle

import (
	"fmt"

	"officiant/bundle/kubepki"
)

// These texts are of clusters whose kubelets ask an online signer for certificates:
// docs/signer.md. `officiant-signer-relay manifests` says the same for clusters that
// have no bundles.

// apiServerArguments give kube-apiserver the authorities of an online signer.
func apiServerArguments(f *Facts) string {
	text := "# controllers: without the one that signs, only the signer's relay does.\n"
	var list []argument
	if f.Cluster.KubeletClient {
		text += "# client-ca-file: nothing but the API server is given client-ca.crt.\n"
		list = append(list, argument{"client-ca-file", f.place("pki/client-ca.crt")})
	}
	if f.Cluster.KubeletServing {
		text += `# kubelet-certificate-authority: kubectl logs and exec reach no kubelet that has no
# certificate of it yet. In a cluster that runs, leave it out until each has one.
`
		list = append(list, argument{"kubelet-certificate-authority", f.place("pki/kubelet-serving-ca.crt")})
	}
	return text + "apiServer:\n  extraArgs:\n" + arguments(f.Cluster.KubernetesVersion, 2, list...)
}

// controllers are kubeadm's, without the one that would sign in the place of an online
// signer: who approves a request, and who removes an old one, stay.
func controllers(v kubepki.Version) argument {
	return argument{"controllers", fmt.Sprintf(`"*,bootstrapsigner,tokencleaner,-%s"`, kubepki.SigningController(v))}
}

// kubeletConfiguration is the part of a kubeadm configuration that has every kubelet of
// the cluster ask for its certificates: kubeadm hands it on to nodes that join.
func kubeletConfiguration(c kubepki.Cluster) string {
	text := `---
# For every kubelet: kubeadm init is given it, and kubeadm join finds it in the cluster.
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
`
	if c.KubeletClient {
		text += "rotateCertificates: true\n"
	}
	if c.KubeletServing {
		text += "serverTLSBootstrap: true\n"
	}
	return text
}

// onlineSigner says what the kubeadm configuration has of it.
func (p *page) onlineSigner(f *Facts) {
	p.line("\nAn online signer serves this cluster. Take these over, too: the API server's arguments, the")
	p.line("controllers without the one that signs, and the KubeletConfiguration. Kubelets then ask for")
	if f.Cluster.KubeletClient {
		p.line("certificates themselves; kubelet.conf is what they ask with the first time.")
	} else {
		p.line("the certificates they serve with.")
	}
	if f.Cluster.KubeletServing {
		p.line("Until the signer and its relay run, requests wait, and kubectl logs and exec reach no kubelet.")
	} else {
		p.line("Until the signer and its relay run, requests wait, and nothing else does.")
	}
}
