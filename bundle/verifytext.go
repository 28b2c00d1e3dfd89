package bundle

import (
	"bytes"
	"fmt"
	"strings"

	"officiant/bundle/kubepki"
)

// verifyText writes VERIFY.txt: what this is, and how to check it by hand.
func verifyText(h Header, f *Facts, files []kubepki.File) []byte {
	b := bytes.NewBuffer(make([]byte, 0, textSize))
	line := func(format string, args ...any) {
		fmt.Fprintf(b, format, args...)
		b.WriteByte('\n')
	}
	title := fmt.Sprintf("Bundle of node %s, cluster %s, sequence %d", h.Node, h.Cluster, h.Sequence)
	line("%s\n%s\n", title, strings.Repeat("=", len(title)))
	if h.Rehearsal {
		line("THIS WAS MADE IN A REHEARSAL, ON THROW-AWAY KEYS. IT IS NOT FOR USE, AND NO NODE\nACCEPTS IT.\n")
	}
	line("These are the certificates and kubeconfig files of node %s, made for", h.Node)
	line("Kubernetes %s. The node is: %s.", f.Cluster.KubernetesVersion, describe(f.Node))
	if f.Node.Address.IsValid() {
		line("Its address is %s.", f.Node.Address)
	}
	if f.KeysMade {
		line("THE CEREMONY MADE THIS NODE'S KEYS. They are in %s, sealed to the recipient", KeysFile)
		line("the plan names; officiant-node unseal puts them into place before the install.%s", sealedNote(files))
	} else {
		line("The bundle holds no private key: the node made its own and kept them.%s", sealedNote(files))
	}
	line("")
	line("valid until  %s, when the first certificate expires", formatTime(h.NotAfter))
	line("ceremony     %s", h.Ceremony)
	line("transcript   %s", h.Transcript)
	if !f.KeysMade {
		line("request      %s", f.Request)
	}
	line("")
	line("How to check it")
	line("---------------\n")
	line("release.pub is the ceremony's release key. Take it from where you trust it, never from")
	line("beside this file, and write its path. Do not put it into this folder: officiant-node refuses")
	line("a bundle to which a file was added. Then, in this folder:\n")
	line("    openssl dgst -sha256 -verify release.pub -signature SHA256SUMS.sig SHA256SUMS && sha256sum --strict -c SHA256SUMS\n")
	line("The first says \"Verified OK\", the second \"OK\" after each name. The first lines of SHA256SUMS")
	line("must name this node and this cluster. Neither command sees files that are not listed,")
	line("links, or an older bundle played back. These see them, and what the certificates say:\n")
	line("    officiant-node verify %s --release-key release.pub", h.Node)
	line("    officiant-node install %s --release-key release.pub\n", h.Node)
	line("run from the folder above, on the node itself; or %s.tar in place of %s, which is the same.", h.Node, h.Node)
	if h.Format == 1 {
		usage(line, f, files)
	} else {
		line("\nREADME.txt says what to do with it, and what Kubernetes has to be told.")
	}
	return b.Bytes()
}

func sealedNote(files []kubepki.File) string {
	for _, f := range files {
		if f.Kind == kubepki.ServiceAccountKey {
			return "\n" + f.Path + SealedSuffix + " is sealed to the control-plane nodes' own identities."
		}
	}
	return ""
}

// usage says what Kubernetes has to be told about these files; since format 2,
// README.txt does.
func usage(line func(string, ...any), f *Facts, files []kubepki.File) {
	if !f.Node.Has(kubepki.ControlPlane) && !f.Node.Has(kubepki.Worker) {
		return
	}
	line("\nHow Kubernetes takes it")
	line("-----------------------\n")
	if !f.Node.Has(kubepki.ControlPlane) || !f.Node.First {
		line("kubeadm join has to be told that these files are there already:\n")
		line("    --ignore-preflight-errors=FileAvailable--etc-kubernetes-kubelet.conf,FileAvailable--etc-kubernetes-pki-ca.crt\n")
	}
	if !f.Node.Has(kubepki.ControlPlane) {
		return
	}
	line("kubeadm finds no CA key and works in external CA mode.")
	for _, file := range files {
		if file.Kind == kubepki.ServerTrustFile {
			line("Give kube-controller-manager --root-ca-file=/etc/kubernetes/%s (kubeadm:", file.Path)
			line("controllerManager.extraArgs), so that pods whose TLS is not Go's can verify the API server.")
		}
	}
	bindings := kubepki.RBAC(f.Cluster.KubernetesVersion)
	if len(bindings) == 0 || f.Cluster.Naming == kubepki.NamingDocs {
		return
	}
	line("Some of the certificates are of use only with these bindings. kubeadm init makes them;")
	line("without kubeadm, make them with super-admin.conf:\n")
	for _, r := range bindings {
		line("    kubectl create clusterrolebinding %s --clusterrole=%s --%s=%s",
			r.Name, r.ClusterRole, strings.ToLower(r.SubjectKind), r.Subject)
	}
}

// describe names a node's roles for people.
func describe(n kubepki.Node) string {
	roles := make([]string, len(n.Roles))
	for i, r := range n.Roles {
		roles[i] = string(r)
	}
	s := strings.Join(roles, ", ")
	if n.First {
		s += "; the first control-plane node"
	}
	return s
}
