package plan

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/approval"
	"officiant/signer"
)

// NewOptions is what New writes a plan from.
type NewOptions struct {
	Name     string
	Cluster  Cluster
	Previous []Predecessor // empty: none
	Lost     *Lost         // the records are gone; then there are no previous
	// Existing authorities; those of the families that every cluster has and that are
	// not among them are made, unless there are to be OnlyThese. The same for the
	// release key and the service-account pair.
	Authorities []Authority
	OnlyThese   bool
	// OnlineSigner has the two authorities of an online signer made, where they are not
	// among Authorities.
	OnlineSigner bool
	// AuthorityLife is how long the kubeadm file says that authorities are valid, which
	// the plan then does not say again; zero: it does not say.
	AuthorityLife  Duration
	Release        Release
	ServiceAccount ServiceAccount
	KnownHosts     string // input file
	Grant          Grant  // zero: none is made
	Leaves         Leaves // zero: the default
	People         approval.People
	Nodes          []Node
	Journals       []Journal
	Left           []string
	Revocations    []Revocation
	CRLs           []CRL
	Evidence       signer.Grade // least grade of the keys that are made; empty: consistent
}

// New writes a commented plan. It does not check it: Open does, once the
// inputs are in place.
func New(o NewOptions) ([]byte, error) {
	if o.Name == "" {
		return nil, errors.New("a plan needs a name")
	}
	if o.Evidence == "" {
		o.Evidence = signer.Consistent
	}
	w := &writer{}
	w.comment(0,
		"yaml-language-server: $schema=plan.schema.json",
		"All a ceremony signs, and no secret. See:  officiant ceremony check plan.yaml")
	w.line(0, "apiVersion", apiVersion)
	w.line(0, "kind", kind)
	w.comment(0, "", "The name is typed in the room to confirm the run.")
	w.line(0, "name", o.Name)
	w.cluster(o.Cluster)
	if o.Lost != nil {
		w.lost(o.Lost)
	} else {
		w.previous(o.Previous)
	}
	w.authorities(o)
	w.release(o)
	w.serviceAccount(o)
	w.comment(0, "", "How long node certificates are valid, never longer than their authority. The",
		"default is the kubeadm file's certificateValidityPeriod, or 1y.")
	if v := o.Leaves.Validity; v != 0 {
		w.open(0, "leaves")
		w.line(2, "validity", v.String())
	} else {
		w.comment(0, "leaves:", "  validity: 1y")
	}
	if o.KnownHosts != "" {
		w.comment(0, "", "Which SSH host key is whose. Nodes whose request it signed need no fingerprint.",
			"A node's name there is its own, or what it has under host.")
		w.line(0, "knownHosts", o.KnownHosts)
	}
	w.grant(&o.Grant)
	w.revocations(o)
	w.journals(o.Journals)
	w.left(o.Left)
	w.nodes(o.Nodes)
	w.people(o.People)
	return w.Bytes(), nil
}

// writer writes YAML that reads well; values are quoted where they need it.
type writer struct{ bytes.Buffer }

// plain values mean the same with and without quotes: names, durations, IPv4 addresses.
var plain = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9._/+@-]*|[0-9]+[dhy]|[0-9]+(\.[0-9]+){3})$`)

func scalar(s string) string {
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n":
		return strconv.Quote(s)
	}
	if plain.MatchString(s) {
		return s
	}
	return strconv.Quote(s)
}

// comment writes comment lines; an empty one is an empty line.
func (w *writer) comment(indent int, lines ...string) {
	for _, l := range lines {
		if l == "" {
			w.WriteByte('\n')
			continue
		}
		fmt.Fprintf(w, "%s# %s\n", strings.Repeat(" ", indent), l)
	}
}

// line writes "key: value"; nothing for an empty value.
func (w *writer) line(indent int, key, value string) {
	if value != "" {
		fmt.Fprintf(w, "%s%s: %s\n", strings.Repeat(" ", indent), key, scalar(value))
	}
}

func (w *writer) hash(indent int, key string, f fingerprint.SHA256) {
	fmt.Fprintf(w, "%s%s: %q\n", strings.Repeat(" ", indent), key, f)
}

func (w *writer) open(indent int, key string) {
	fmt.Fprintf(w, "%s%s:\n", strings.Repeat(" ", indent), key)
}

func (w *writer) flow(indent int, key string, values []string) {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = scalar(v)
	}
	fmt.Fprintf(w, "%s%s: [%s]\n", strings.Repeat(" ", indent), key, strings.Join(quoted, ", "))
}

func (w *writer) cluster(c Cluster) {
	w.comment(0, "", "Facts of the cluster. What is said here wins over the kubeadm file: name,",
		"kubernetesVersion, controlPlaneEndpoint, serviceSubnet, dnsDomain, certSANs,",
		"etcdServerCertSANs, etcdPeerCertSANs, externalEtcd. Changes for one kind of",
		"certificate go under overrides (see docs/formats/plan.md).")
	w.open(0, "cluster")
	w.line(2, "kubeadm", c.Kubeadm)
	w.line(2, "name", c.Name)
	w.line(2, "kubernetesVersion", c.KubernetesVersion)
	w.line(2, "controlPlaneEndpoint", c.ControlPlaneEndpoint)
	w.line(2, "serviceSubnet", c.ServiceSubnet)
	w.line(2, "dnsDomain", c.DNSDomain)
	if c.Naming == "" {
		w.comment(2, `"naming: docs" takes names, organizations and SANs from the Kubernetes documentation.`, "naming: kubeadm")
	} else {
		w.line(2, "naming", string(c.Naming))
	}
	w.clusterFacts(c)
}

func (w *writer) previous(list []Predecessor) {
	w.comment(0, "", "The ceremonies this one continues: this cluster's last, and the root's last.")
	if len(list) == 0 {
		w.WriteString("previous: none\n")
		return
	}
	w.open(0, "previous")
	for _, p := range list {
		fmt.Fprintf(w, "  - cluster: %s\n    sequence: %d\n", scalar(p.Cluster), p.Sequence)
		w.comment(4, "SHA-256 of the transcript's last line, as it was read out at the end:")
		w.words(4, p.Head)
		w.hash(4, "head", p.Head)
		w.line(4, "transcript", p.Transcript)
		if len(p.Earlier) > 0 {
			w.comment(4, "Those before it, newest first: nodes have certificates of theirs.")
			w.flow(4, "earlier", p.Earlier)
		}
		if len(p.Abandoned) > 0 {
			w.comment(4, "Ceremonies that were given up: what they issued counts as issued.")
			w.flow(4, "abandoned", p.Abandoned)
		}
	}
}

// lost writes that the chain begins anew.
func (w *writer) lost(l *Lost) {
	w.comment(0, "", "The records of this cluster's ceremonies are gone: its chain begins anew, above the",
		"highest sequence that any node has seen, and says so for good. The reason goes on record.")
	w.open(0, "previous")
	w.open(2, "lost")
	fmt.Fprintf(w, "    sequence: %d\n    reason: %s\n", l.Sequence, strconv.Quote(l.Reason))
}

// words writes a fingerprint's words as terminals show them.
func (w *writer) words(indent int, f fingerprint.SHA256) {
	for _, l := range f.Lines() {
		if !strings.ContainsAny(l, "0123456789") {
			w.comment(indent, "  "+l)
		}
	}
}

func (w *writer) authorities(o NewOptions) {
	w.comment(0, "", "One root, and below it one authority for each kind of trust. A key is made in",
		"the ceremony (create: ECDSA-P256, ECDSA-P384, ECDSA-P521, RSA-2048, RSA-3072 or",
		"RSA-4096) or exists. evidence is the least that must show that it never left its",
		`token: attested, consistent, or software (SoftHSM and its like).`)
	w.open(0, "authorities")
	given := map[kubepki.Authority]bool{}
	for _, a := range o.Authorities {
		given[a.Family] = true
	}
	for _, f := range Families {
		for _, a := range o.Authorities {
			if a.Family == f {
				w.authority(a)
			}
		}
		switch {
		case given[f] || f.Online() && !o.OnlineSigner || !f.Online() && o.OnlyThese:
			continue
		}
		a := Authority{Name: string(f), Family: f, Evidence: o.Evidence, Key: Key{Create: signer.ECDSAP256},
			Validity: Duration(10 * Year)}
		switch {
		case f.Online():
			a.Validity = Duration(OnlineLife)
		case f == kubepki.Root:
			a.Key.Create, a.Validity = signer.ECDSAP384, max(Duration(20*Year), o.AuthorityLife)
		case o.AuthorityLife != 0:
			a.Validity = 0
		}
		w.authority(a)
		switch {
		case f.Online():
			w.comment(4, "An online signer's, whose host has to reach the key: docs/signer.md.")
		case f != kubepki.Root && o.AuthorityLife != 0:
			w.comment(4, "Valid as long as the kubeadm file says: caCertificateValidityPeriod.")
		}
	}
}

func (w *writer) authority(a Authority) {
	fmt.Fprintf(w, "  - name: %s\n", scalar(a.Name))
	if string(a.Family) != a.Name {
		w.line(4, "family", string(a.Family))
	}
	if a.Adopted {
		w.comment(4, "No ceremony made it: its key was on disks, and is never used here.")
		w.WriteString("    adopted: true\n")
	}
	if a.Use == Trust {
		w.comment(4, "Nodes trust it beside the one that issues; it signs nothing.")
		w.line(4, "use", string(a.Use))
	}
	w.key(4, a.Key)
	w.line(4, "certificate", a.Certificate)
	w.line(4, "renews", a.Renews)
	w.line(4, "root", a.Root)
	if a.External {
		w.WriteString("    external: true\n")
		w.line(4, "issuers", a.Issuers)
	}
	if a.Subject.Organization != nil {
		w.open(4, "subject")
		w.flow(6, "organization", *a.Subject.Organization)
	}
	if a.Validity != 0 {
		w.line(4, "validity", a.Validity.String())
	}
	w.line(4, "evidence", string(a.Evidence))
}

func (w *writer) key(indent int, k Key) {
	if k.Create != "" {
		fmt.Fprintf(w, "%skey: {create: %s}\n", strings.Repeat(" ", indent), k.Create)
	}
	if k.Existing != (fingerprint.SHA256{}) {
		w.open(indent, "key")
		w.hash(indent+2, "existing", k.Existing)
	}
}

func (w *writer) release(o NewOptions) {
	r := o.Release
	if (r.Key == Key{}) {
		r.Key, r.Evidence = Key{Create: signer.ECDSAP256}, o.Evidence
	}
	w.comment(0, "", "Signs bundles and the transcript; never a CA's key. ECDSA-P256 or RSA.")
	w.open(0, "release")
	if r.Name != ReleaseName {
		w.line(2, "name", r.Name)
	}
	w.key(2, r.Key)
	w.line(2, "public", r.Public)
	w.line(2, "evidence", string(r.Evidence))
	if r.Lost != (fingerprint.SHA256{}) {
		w.comment(2, "Nodes pinned this key, which is lost. They refuse the new one until its words",
			"are compared on each: officiant-node install --new-release-key")
		w.hash(2, "lost", r.Lost)
	}
	if s := r.Successor; s.Name != "" {
		w.comment(2, "Every bundle announces it. A node that installed one takes its signature next.")
		w.open(2, "successor")
		w.line(4, "name", s.Name)
		w.key(4, s.Key)
		w.line(4, "public", s.Public)
		w.line(4, "evidence", string(s.Evidence))
	}
}

func (w *writer) serviceAccount(o NewOptions) {
	sa := o.ServiceAccount
	needed := false
	for _, n := range o.Nodes {
		for _, r := range n.Roles {
			needed = needed || r == kubepki.ControlPlane
		}
	}
	if !needed {
		return
	}
	w.comment(0, "", "The pair that signs service-account tokens. It is made in memory and leaves it",
		"only sealed to the control-plane nodes. ECDSA-P256, RSA-2048, RSA-3072, RSA-4096.")
	w.open(0, "serviceAccount")
	if sa.Sealed != "" {
		w.line(2, "sealed", sa.Sealed)
		w.line(2, "public", sa.Public)
		w.successors(sa)
		return
	}
	if sa.Create == "" {
		sa.Create = signer.ECDSAP256
	}
	w.line(2, "create", string(sa.Create))
}

// successors writes the pairs beside the one in use: sa.pub has all of them.
func (w *writer) successors(sa ServiceAccount) {
	if sa.Next != (NextAccount{}) {
		w.comment(2, "The pair that will sign after a later ceremony. API servers learn to trust it now.")
		w.open(2, "next")
		w.line(4, "create", string(sa.Next.Create))
		w.line(4, "sealed", sa.Next.Sealed)
		w.line(4, "public", sa.Next.Public)
	}
	if len(sa.Former) > 0 {
		w.comment(2, "Signed until now. API servers trust them while tokens of theirs live.")
		w.flow(2, "former", sa.Former)
	}
}

func (w *writer) nodes(nodes []Node) {
	w.comment(0, "", "COMPARE each fingerprint with what the node itself printed, on a screen of its",
		"own or read out by its operator. Whoever can swap a request unseen gets the",
		"certificates and secrets of that node.")
	if len(nodes) == 0 {
		w.WriteString("nodes: []\n")
		return
	}
	w.open(0, "nodes")
	for _, n := range nodes {
		fmt.Fprintf(w, "  - name: %s\n", scalar(n.Name))
		w.flow(4, "roles", plainTexts(n.Roles))
		w.line(4, "address", n.Address)
		if n.BindPort != 0 {
			fmt.Fprintf(w, "    bindPort: %d\n", n.BindPort)
		}
		if n.First {
			w.WriteString("    first: true\n")
		}
		w.extras(n)
		w.line(4, "request", n.Request)
		w.line(4, "sealed", n.Sealed)
		switch {
		case n.Renews():
			w.comment(4, "Made anew, each for the key it has. What is not named here is carried over.")
			w.flow(4, "renew", n.Renew)
			continue
		case n.Keys != NodeKeys{}:
			fmt.Fprintf(w, "    keys: {create: %s, recipient: %q}\n", n.Keys.Create, n.Keys.Recipient)
			continue
		case n.Fingerprint == fingerprint.SHA256{}:
			w.line(4, "host", n.Host)
			w.comment(4, "No words to compare: a key that is known already signed this request.")
			continue
		}
		w.words(4, n.Fingerprint)
		w.hash(4, "fingerprint", n.Fingerprint)
	}
}
