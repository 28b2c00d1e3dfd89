package main

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/phrase"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
	"officiant/cmd/internal/terminal"
)

// writeCeremony shows a ceremony as a tree and a table. Nodes that are alike are
// shown as one, unless all is set.
func writeCeremony(w io.Writer, c *schedule.Ceremony, all bool, width int) error {
	if _, err := fmt.Fprintf(w, "Plan %s: ceremony %d of cluster %s, Kubernetes %s\n\n", c.Plan.Name, c.Sequence, c.Cluster.Name, c.Cluster.KubernetesVersion); err != nil {
		return err
	}
	if err := treeOf(c).Write(w, width); err != nil {
		return err
	}
	fmt.Fprintln(w)
	groups, of := nodeGroups(c)
	if all {
		groups, of = nil, nil
	}
	for _, g := range groups {
		fmt.Fprintln(w, strings.Join(terminal.Fold(g.String(), width), "\n"))
	}
	if len(groups) > 0 {
		fmt.Fprintln(w)
	}
	return tableOf(c, of).Write(w, width)
}

// treeOf shows who certifies whom: the root, the intermediates with what they
// issue, and the release key beside them.
func treeOf(c *schedule.Ceremony) *terminal.Table {
	t := &terminal.Table{}
	var below, adopted []plan.Authority
	for _, a := range c.Plan.Authorities {
		switch {
		case a.Family == kubepki.Root:
			t.Add(a.Name, authority(c, a), certifies(c, a))
		case a.Adopted:
			adopted = append(adopted, a)
		default:
			below = append(below, a)
		}
	}
	for i, a := range below {
		branch := "├─ "
		if i == len(below)-1 {
			branch = "└─ "
		}
		t.Add(branch+a.Name, authority(c, a), certifies(c, a))
	}
	for _, a := range adopted { // below nothing
		t.Add(a.Name, authority(c, a), certifies(c, a))
	}
	origin := "existing key"
	if c.Plan.Release.Key.Create != "" {
		origin = "new key"
	}
	t.Add(c.ReleaseKey(), fmt.Sprintf("%s, %s", origin, c.Algorithm(c.ReleaseKey())),
		fmt.Sprintf("signs %s and the transcript", phrase.Count(len(c.Nodes), "bundle")))
	if s := c.Plan.Release.Successor; s.Name != "" {
		origin := "announced before"
		if s.Key.Create != "" {
			origin = "new key"
		}
		t.Add("└─ "+s.Name, fmt.Sprintf("%s, %s", origin, c.Algorithm(s.Name)),
			fmt.Sprintf("announced in %s, signs nothing yet", phrase.Count(len(c.Nodes), "bundle")))
	}
	addAccounts(t, c.Plan.ServiceAccount)
	return t
}

// addAccounts shows the service-account pairs while there is more than one.
func addAccounts(t *terminal.Table, sa plan.ServiceAccount) {
	if (sa.Next == plan.NextAccount{}) && len(sa.Former) == 0 {
		return
	}
	t.Add("service account", "carried over", "signs tokens")
	if sa.Next.Create != "" {
		t.Add("└─ next", "new pair, "+string(sa.Next.Create), "verifies tokens, signs none yet")
	} else if sa.Next.Sealed != "" {
		t.Add("└─ next", "carried over", "verifies tokens, signs none yet")
	}
	if n := len(sa.Former); n > 0 {
		t.Add("└─ former", phrase.Count(n, "public key"), "verifies tokens, signs none any more")
	}
}

func authority(c *schedule.Ceremony, a plan.Authority) string {
	if certificate := c.Certificates[a.Name]; certificate != nil && a.Adopted {
		return fmt.Sprintf("adopted, %s, until %s", c.Algorithm(a.Name), certificate.NotAfter.UTC().Format(time.DateOnly))
	} else if certificate != nil && a.External {
		return fmt.Sprintf("external, %s, until %s", c.Algorithm(a.Name),
			certificate.NotAfter.UTC().Format(time.DateOnly))
	} else if certificate != nil {
		return fmt.Sprintf("existing, %s, until %s", c.Algorithm(a.Name), certificate.NotAfter.UTC().Format(time.DateOnly))
	}
	if c.Renewed[a.Name] != nil {
		return fmt.Sprintf("existing key, %s, new certificate, %s", c.Algorithm(a.Name), a.Validity)
	}
	return fmt.Sprintf("new key, %s, %s", c.Algorithm(a.Name), a.Validity)
}

func certifies(c *schedule.Ceremony, a plan.Authority) string {
	if n := len(c.Awaited()); a.External && n > 0 {
		return "certifies " + phrase.Count(n, "intermediate") + " there"
	}
	switch makes, list := certificatesBy(c, a), lists(c, a.Name); {
	case list == "":
		return makes
	case makes == signsNothing:
		return list
	default:
		return makes + ", " + list
	}
}

const signsNothing = "signs nothing"

func certificatesBy(c *schedule.Ceremony, a plan.Authority) string {
	authorities, leaves := 0, 0
	nodes := map[string]bool{}
	for e := range c.All() {
		switch {
		case e.Signer != a.Name || e.Name == a.Name:
		case e.Kind == schedule.AuthorityCertificate:
			authorities++
		case e.Kind == schedule.LeafCertificate:
			leaves++
			nodes[e.Node] = true
		}
	}
	switch {
	case authorities == 1:
		return "certifies 1 authority"
	case authorities > 1:
		return fmt.Sprintf("certifies %d authorities", authorities)
	case a.Adopted && a.Use == plan.Issue:
		return "made by kubeadm; nodes keep what it issued"
	case a.Use == plan.Trust:
		return "trusted beside the one that issues"
	case a.Family == kubepki.KubeletClientAuthority:
		return "the online signer's: kubelet client certificates"
	case a.Family == kubepki.KubeletServingAuthority:
		return "the online signer's: kubelet serving certificates"
	case leaves > 0:
		return fmt.Sprintf("issues %s for %s", phrase.Count(leaves, "certificate"), phrase.Count(len(nodes), "node"))
	}
	return signsNothing
}

// tableOf lists every signature, those of one signer below each other, and a
// group's as one.
func tableOf(c *schedule.Ceremony, of map[string]*nodeGroup) *terminal.Table {
	addresses := map[string]netip.Addr{}
	for _, n := range c.Nodes {
		addresses[n.Name] = n.Address
	}
	t := &terminal.Table{Header: []string{"N", "NAME", "SUBJECT; USE; NAMES AND ADDRESSES"}}
	last := ""
	for e := range c.All() {
		g := of[e.Node]
		if g != nil && e.Node != g.nodes[0] {
			continue
		}
		by := bywhom(e)
		if by != last {
			t.Add(by)
			last = by
		}
		if g == nil {
			t.Add(fmt.Sprintf("%d", e.N), e.Name, content(c, e, standIn{}))
			continue
		}
		name := fmt.Sprintf("%s ×%d", strings.Replace(e.Name, e.Node, g.sign, 1), len(g.nodes))
		t.Add(fmt.Sprintf("%d…", e.N), name, content(c, e, standIn{e.Node, addresses[e.Node], g.sign}))
	}
	return t
}

// bywhom says who signs an entry, and for how long.
func bywhom(e schedule.Entry) string {
	switch {
	case e.Kind == schedule.ExternalCertificate:
		return fmt.Sprintf("── signed externally, for at most %s, with at least %s left",
			plan.Duration(e.Duration), plan.Duration(e.Least))
	case e.Duration != 0:
		return fmt.Sprintf("── signed by %s, %s, for %s", e.Signer, e.SignatureAlgorithm, plan.Duration(e.Duration))
	}
	return fmt.Sprintf("── signed by %s, %s", e.Signer, e.SignatureAlgorithm)
}

// vouchers says who vouches for a request whose words nobody compared.
var vouchers = map[schedule.Vouch]string{
	schedule.ByPrevious: "request signed by the node's present key",
	schedule.ByRecord:   "same keys, as previous records have them",
	schedule.ByHostKey:  "request signed by the node's SSH host key",
}

// content is what a certificate would say, on one line; of a bundle, why the
// request it answers is taken for its node's, when not for its fingerprint.
func content(c *schedule.Ceremony, e schedule.Entry, as standIn) string {
	switch e.Kind {
	case schedule.CRLSignature:
		return listContent(e)
	case schedule.GrantSignature:
		return c.GrantSummary()
	}
	if e.Kind == schedule.BundleSignature && c.Requests[e.Node] == nil {
		return "keys made in the ceremony, sealed to " + fingerprint.Recipient(c.Recipient(e.Node))
	}
	if kept := c.CarriedNames(e.Node); e.Kind == schedule.BundleSignature && len(kept) > 0 {
		return vouchers[c.Vouched[e.Node]] + "; carried over: " + strings.Join(kept, ", ")
	}
	if e.Kind == schedule.BundleSignature {
		return vouchers[c.Vouched[e.Node]]
	}
	if e.CommonName == "" {
		return ""
	}
	subject := "CN=" + as.commonName(e.CommonName)
	for _, o := range e.Organization {
		subject += ", O=" + o
	}
	parts := []string{subject, use(e)}
	var names []string
	for _, name := range e.DNSNames {
		names = append(names, as.dnsName(name))
	}
	for _, ip := range e.IPAddresses {
		names = append(names, as.ip(ip))
	}
	if len(names) > 0 {
		parts = append(parts, strings.Join(names, ", "))
	}
	return strings.Join(parts, "; ")
}

// use is what a certificate is for.
func use(e schedule.Entry) string {
	if e.Kind == schedule.RequestSignature {
		return "request for its certificate"
	}
	if e.IsCA {
		return "CA"
	}
	var words []string
	for _, u := range schedule.Usages(e) {
		switch u {
		case "serverAuth":
			words = append(words, "server")
		case "clientAuth":
			words = append(words, "client")
		}
	}
	return strings.Join(words, ", ")
}
