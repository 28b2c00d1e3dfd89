package bundle

import (
	"bytes"
	"cmp"
	"fmt"
	"net"
	"strconv"
	"strings"

	"officiant/bundle/kubepki"
)

// readme writes README.txt: what the person at this node does with the bundle.
// It follows from the node's facts alone, never from which component reads what:
// those facts change, and the text of a format must not. install says them.
func readme(h Header, f *Facts, leaves []kubepki.Leaf, announces bool) []byte {
	p := &page{format: h.Format}
	p.Grow(textSize)
	title := fmt.Sprintf("Node %s of cluster %s", h.Node, h.Cluster)
	p.line("%s\n%s\n", title, strings.Repeat("=", len(title)))
	if h.Rehearsal {
		p.line("THIS WAS MADE IN A REHEARSAL. IT IS NOT FOR USE, AND NO NODE ACCEPTS IT.\n")
	}
	p.line("These files let one machine, and no other, take part in a Kubernetes cluster:")
	p.line("node %s (%s), for Kubernetes %s.", h.Node, describe(f.Node), f.Cluster.KubernetesVersion)
	p.line("They are good until %s; a new bundle has to be installed before.", formatTime(h.NotAfter))
	p.line("\nThe folder can travel any way: whoever reads it learns nothing secret, and whoever")
	p.line("changes it is found out in step 1. Do this as root on %s, from the folder above this", h.Node)
	p.line("one. release.pub is the ceremony's release key; take it from where you trust it, never")
	p.line("from beside this folder.")
	p.step("Check it")
	p.command("officiant-node verify %s --release-key release.pub", h.Node)
	if f.KeysMade {
		p.step("Open its keys")
		p.line("The ceremony made this node's keys and sealed them. Whoever holds the identity the plan")
		p.line("names, a file as age-keygen writes it, puts them where the next step finds them:\n")
		p.command("officiant-node unseal %s --identity key.txt --release-key release.pub", h.Node)
	}
	p.step("Look at what would change, then install it")
	p.command("officiant-node install %s --release-key release.pub --dry-run", h.Node)
	p.command("officiant-node install %s --release-key release.pub", h.Node)
	p.line("\nAll files go into place below /etc/kubernetes, or none does. The last lines say which")
	p.line("components have to be restarted. What was there before comes back with")
	p.line("officiant-node rollback.")
	p.places(f)
	switch {
	case len(f.Adopted) > 0:
		p.adopted(f)
	case f.Node.Has(kubepki.ControlPlane) && f.Node.First:
		p.firstControlPlane(f, leaves)
	case f.Node.Has(kubepki.ControlPlane):
		p.controlPlane(f, leaves)
	case f.Node.Has(kubepki.Worker):
		p.worker(f)
	}
	if f.Node.Has(kubepki.Etcd) && !f.Node.Has(kubepki.ControlPlane) && len(f.Adopted) == 0 {
		p.etcd(f)
	}
	if p.format >= places && (f.Cluster.Naming == kubepki.NamingDocs || f.Cluster.ByHand) {
		p.flags(f)
	}
	p.line("\nLater")
	p.line("-----\n")
	p.line("This bundle stays on the node, as /var/lib/officiant-node/installed.tar. To look at what")
	p.line("is in place, and how long it is good for:\n")
	p.command("officiant-node verify --root / --release-key release.pub")
	p.command("officiant-node status")
	if announces {
		p.line("\nThis bundle announces the release key that comes after its own, %s. Once", NextReleaseFile)
		p.line("it is in place, this node takes bundles by that key, given as --release-key; with the")
		p.line("first of them it leaves the present key for good.")
	}
	return p.Bytes()
}

// page is a text with numbered steps.
type page struct {
	bytes.Buffer
	format int
	steps  int
}

// textSize is above what most texts have.
const textSize = 4 << 10

func (p *page) line(format string, args ...any) {
	fmt.Fprintf(p, format, args...)
	p.WriteByte('\n')
}

func (p *page) step(what string) {
	p.steps++
	title := fmt.Sprintf("%d. %s", p.steps, what)
	p.line("\n%s\n%s\n", title, strings.Repeat("-", len(title)))
}

func (p *page) command(format string, args ...any) {
	p.WriteString("    ")
	p.line(format, args...)
}

func (p *page) firstControlPlane(f *Facts, leaves []kubepki.Leaf) {
	p.step("Complete your kubeadm configuration")
	p.line("Take %s over into its ClusterConfiguration: with it, the", KubeadmFile)
	p.line("kube-controller-manager gives pods a trust file (--root-ca-file) that programs not written")
	p.line("in Go can use, too. kubeadm keeps it for the nodes that join later.")
	if f.Cluster.RevocationLists && !f.Cluster.ExternalEtcd {
		p.line("\nIt also gives etcd the list of revoked certificates (%s). etcd reads that file",
			f.place("pki/etcd/ca.crl"))
		p.line("again at each connection, and turns everybody away when it is not there.")
	}
	if online(f.Cluster) {
		p.onlineSigner(f)
	}
	if p.format >= ownKubelets && !f.Cluster.KubeletClient {
		p.line("\nTake its kubeletExtraArgs over into the InitConfiguration, too. kubeadm has kubelets rotate")
		p.line("their certificates, whatever a KubeletConfiguration says, and nobody in this cluster signs")
		p.line("them: such a kubelet would use for ever what kubelet.conf held at its first start.")
	}
	if f.Cluster.ExternalEtcd {
		p.externalEtcd(f)
	}
	p.step("Start the cluster")
	p.command("kubeadm init --config kubeadm.yaml")
	p.line("\nkubeadm finds the authorities' certificates without their keys and works in external CA")
	p.line("mode: it uses these files as they are. No preflight error has to be ignored for them.")
	p.line("Leave out --upload-certs: there is no authority's key to upload. Each further node gets a")
	p.line("bundle of its own.")
	p.bindings(f, leaves, "kubeadm init makes them. If it was told to skip phases, or the cluster was not made\nby it, make them:", "super-admin.conf")
}

func (p *page) controlPlane(f *Facts, leaves []kubepki.Leaf) {
	if f.Cluster.ExternalEtcd {
		p.line("\nThe cluster's ClusterConfiguration already names the external etcd and its certificates.")
	}
	p.step("Join the cluster")
	if p.format >= ownKubelets {
		p.command("kubeadm join --config %s/%s \\", f.Node.Name, JoinFile)
	} else {
		p.command("kubeadm join --control-plane --node-name %s \\", f.Node.Name)
		p.command("  --apiserver-advertise-address %s --apiserver-bind-port %d \\",
			f.Node.Address, cmp.Or(f.Node.BindPort, 6443))
		p.command("  --discovery-file /etc/kubernetes/admin.conf \\")
	}
	p.command("  --ignore-preflight-errors=FileAvailable--etc-kubernetes-kubelet.conf")
	p.keptCertificate()
	p.line("\nNo token and no --certificate-key: the files just installed are the node's identity.")
	p.line("The preflight error to ignore says that kubelet.conf is there already, and so it should be.")
	if f.Cluster.ControlPlaneEndpoint == "" {
		p.line("\nThis cluster has no controlPlaneEndpoint. kubeadm refuses to join a control-plane node")
		p.line("without one: the cluster needs one first, and then new certificates.")
	}
	p.bindings(f, leaves, "They are there since the cluster's kubeadm init or kubeadm upgrade apply. After an\nupgrade by replacing machines they may be missing; make them before this node's API server\nneeds them:", "admin.conf")
}

// bindings says which ClusterRoleBindings the certificates rely on.
func (p *page) bindings(f *Facts, leaves []kubepki.Leaf, when, config string) {
	list := kubepki.Bindings(leaves)
	if len(list) == 0 {
		return
	}
	if config == "super-admin.conf" && !hasLeaf(leaves, config) {
		config = "admin.conf"
	}
	p.step("See that the bindings are there")
	p.line("Some of these certificates may do something only through a ClusterRoleBinding:\n")
	for _, b := range list {
		p.command("%s (%s %s)", b.Name, strings.ToLower(b.SubjectKind), b.Subject)
	}
	p.line("\n%s\n", when)
	p.command("kubectl --kubeconfig /etc/kubernetes/%s apply -f %s/%s", config, f.Node.Name, BindingsFile)
}

func hasLeaf(leaves []kubepki.Leaf, name string) bool {
	for _, l := range leaves {
		if l.Name == name {
			return true
		}
	}
	return false
}

func (p *page) externalEtcd(f *Facts) {
	p.line("\netcd runs elsewhere. The same ClusterConfiguration names its addresses, and these files:\n")
	p.command("etcd:")
	p.command("  external:")
	p.command("    caFile: %s", f.place("pki/etcd/ca.crt"))
	p.command("    certFile: %s", f.place("pki/apiserver-etcd-client.crt"))
	p.command("    keyFile: %s", f.place("pki/apiserver-etcd-client.key"))
}

func (p *page) worker(f *Facts) {
	p.step("Join the cluster")
	if p.format >= ownKubelets {
		p.command("kubeadm join --config %s/%s \\", f.Node.Name, JoinFile)
	} else {
		p.command("kubeadm join --node-name %s \\", f.Node.Name)
		p.command("  --discovery-file /etc/kubernetes/kubelet.conf \\")
	}
	p.command("  --ignore-preflight-errors=FileAvailable--etc-kubernetes-kubelet.conf,"+
		"FileAvailable-%s", strings.ReplaceAll(f.place("pki/ca.crt"), "/", "-"))
	p.keptCertificate()
	p.line("\nNo token: the files just installed are the node's identity. The preflight errors to")
	p.line("ignore say that they are there already, and so they should be.")
}

// adopted is for a node of a cluster that is being brought in: nothing is started
// or joined; the next stage waits for the last node.
func (p *page) adopted(f *Facts) {
	p.step("Restart what the install named")
	p.line("This node is part of a running cluster, which is being brought in stage by stage. For now")
	p.line("it trusts the authority that kubeadm made beside the one of the ceremony. Restart on one")
	p.line("node after another, and see the cluster well before the next.")
	if f.Node.Has(kubepki.ControlPlane) {
		p.line("\nkube-controller-manager does not start with --cluster-signing-cert-file naming a file of")
		p.line("two certificates. In /etc/kubernetes/manifests/kube-controller-manager.yaml, write:\n")
		p.command("- --cluster-signing-cert-file=")
		p.command("- --cluster-signing-key-file=")
	}
	p.adoptedKubelet()
	if f.Node.Has(kubepki.ControlPlane) {
		p.line("\nMove the keys of kubeadm's authorities (ca.key, etcd/ca.key, front-proxy-ca.key) off the")
		p.line("node, into a safe: they serve for nothing now but a way back. While they are here, kubeadm")
		p.line("believes that it signs: do not run kubeadm certs renew or kubeadm upgrade. The bundle of")
		p.line("the last stage is refused while one is here. Then they are to be destroyed.")
	}
}

// adoptedKubelet has a kubelet that rotated its certificate keep to kubelet.conf.
func (p *page) adoptedKubelet() {
	if p.format < ownKubelets {
		p.line("\nNo one signs certificates for kubelets any more. In /var/lib/kubelet/config.yaml, write:\n")
		p.command("rotateCertificates: false")
		p.line("\nand take /var/lib/kubelet/pki/kubelet-client-* away before the kubelet is restarted: it")
		p.line("would use those in place of kubelet.conf.")
		return
	}
	p.line("\nNo one signs certificates for kubelets any more. In /var/lib/kubelet/kubeadm-flags.env, add")
	p.line("to KUBELET_KUBEADM_ARGS, before the kubelet is restarted:\n")
	p.command("--rotate-certificates=false")
	p.line("\nkubeadm upgrade leaves that file alone; rotateCertificates in config.yaml it writes over.")
	p.line("What the kubelet would use in place of kubelet.conf, the install has moved aside.")
}

// keptCertificate says what the file for kubeadm join has the kubelet do.
func (p *page) keptCertificate() {
	if p.format < ownKubelets {
		return
	}
	p.line("\n%s has the kubelet use kubelet.conf as bundles bring it, and not rotate its", JoinFile)
	p.line("certificate: nobody in this cluster signs another. It stays so in a kubeadm upgrade.")
}

func (p *page) etcd(f *Facts) {
	p.step("Start etcd with them")
	p.line("etcd is told:\n")
	dir := strings.TrimSuffix(f.place("pki/etcd/ca.crt"), "ca.crt")
	p.command("--cert-file=%sserver.crt --key-file=%sserver.key --client-cert-auth=true", dir, dir)
	p.command("--trusted-ca-file=%sca.crt", dir)
	p.command("--peer-cert-file=%speer.crt --peer-key-file=%speer.key --peer-client-cert-auth=true", dir, dir)
	p.command("--peer-trusted-ca-file=%sca.crt", dir)
	if f.Cluster.RevocationLists {
		p.command("--client-crl-file=%sca.crl --peer-crl-file=%sca.crl", dir, dir)
	}
	p.line("\nThis asks etcd whether it is well:\n")
	p.command("etcdctl --endpoints https://%s --cacert %sca.crt \\", net.JoinHostPort(f.Node.Address.String(), strconv.Itoa(2379)), dir)
	p.command("  --cert %shealthcheck-client.crt --key %shealthcheck-client.key endpoint health", dir, dir)
}
