package bundle

import (
	"slices"
	"strings"

	"officiant/bundle/kubepki"
)

// place is where a file of the bundle lies on the node.
func (f *Facts) place(file string) string { return f.Cluster.Place(f.Node, file) }

// places says where files go that lie elsewhere than kubeadm has them by default.
func (p *page) places(f *Facts) {
	if f.Cluster.Places == (kubepki.Places{}) {
		return
	}
	p.line("\nThe cluster's kubeadm configuration has some of them elsewhere:\n")
	if dir := f.Cluster.Places.CertificatesDir; dir != "" {
		p.command("%-30s %s", "pki", dir)
	}
	for _, file := range []string{"pki/etcd/ca.crt", "pki/apiserver-etcd-client.crt", "pki/apiserver-etcd-client.key"} {
		byFolder := f.Cluster
		byFolder.Places = kubepki.Places{CertificatesDir: f.Cluster.Places.CertificatesDir}
		if at := f.place(file); at != byFolder.Place(f.Node, file) {
			p.command("%-30s %s", file, at)
		}
	}
}

// flags is the part of docs/flags.md that concerns the node. A README is rebuilt byte
// for byte: another component, flag or file for an existing release is another format.
// When a file is read again is not told here, since that is learned late.
func (p *page) flags(f *Facts) {
	files, err := kubepki.Files(f.Cluster, f.Node)
	if err != nil {
		return // Build has said so
	}
	by := map[string][]string{}
	var components []string
	for _, file := range files {
		for _, c := range file.Consumers {
			if !slices.Contains(components, c.Component) {
				components = append(components, c.Component)
			}
			byDefault := c.Flag == "--root-ca-file" && file.Kind == kubepki.TrustFile // server-ca.crt is better
			if c.Flag != "" && !byDefault {
				by[c.Component] = append(by[c.Component], flagLine(c.Flag, file.Place))
			}
		}
	}
	slices.Sort(components)
	p.line("\nWho reads which file")
	p.line("--------------------\n")
	p.line("kubeadm tells components so. Where they are started by hand or by systemd, they are told")
	p.line("by these flags; of the kubelet's, those without dashes are fields of its configuration.")
	for _, component := range components {
		lines := append(by[component], unfiled[component]...)
		if len(by[component]) > 0 && component != "kubeadm" {
			slices.Sort(lines)
			p.line("\n%s\n", component)
			for _, line := range slices.Compact(lines) {
				p.command("%s", line)
			}
		}
	}
	if !f.Node.Has(kubepki.ControlPlane) {
		return
	}
	p.line("\nLeave --cluster-signing-cert-file and --cluster-signing-key-file of the controller manager")
	p.line("unset: no CA's private key is on any node.")
}

// unfiled are flags without which files are not what they are for: etcd takes clients
// without any certificate, an API server takes every one of its front-proxy authority.
var unfiled = map[string][]string{
	"etcd":           {"--client-cert-auth=true", "--peer-client-cert-auth=true"},
	"kube-apiserver": {"--requestheader-allowed-names=front-proxy-client"},
}

// flagLine is a flag as it is given, or a field as it is written.
func flagLine(flag, file string) string {
	if strings.HasPrefix(flag, "--") {
		return flag + "=" + file
	}
	return flag + ": " + file
}
