package schedule

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
)

// withAuthorities puts other authorities into a plan.
func withAuthorities(text, authorities string) string {
	before, rest, _ := strings.Cut(text, "\nauthorities:\n")
	_, after, _ := strings.Cut(rest, "\nrelease:")
	return before + "\nauthorities:\n" + authorities + "\nrelease:" + after
}

// entry is an authority that exists, as a plan has it.
func (p *past) entry(t *testing.T, name, rest string) string {
	t.Helper()
	return fmt.Sprintf("  - {name: %s, certificate: previous/demo-1/%s.crt, evidence: software%s}\n", name, name, rest)
}

func (p *past) spki(t *testing.T, name string) fingerprint.SHA256 {
	t.Helper()
	f, err := fingerprint.SPKI(p.certs[name].PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (p *past) key(t *testing.T, name string) string {
	return fmt.Sprintf(", key: {existing: %q}", p.spki(t, name))
}

const withNewKey = ", key: {create: ECDSA-P256}, evidence: software}\n"

// signs is what a plan has signed, and the keys it opens.
func signs(c *Ceremony) (names []string, keys string) {
	for _, e := range c.Entries {
		names = append(names, e.Signer+" signs "+e.Name)
	}
	return names, strings.Join(c.KeysNeeded(), " ")
}

// TestGenerations goes through the stages of a rollover of one intermediate, and
// of the root: which keys sign what, and what is only trusted.
func TestGenerations(t *testing.T) {
	p := makePast(t, append(slices.Clone(defaultCAs),
		ca{"kubernetes-2", 0, now.AddDate(9, 0, 0), "root", true},
		ca{"root-2", 1, now.AddDate(19, 0, 0), "root-2", true},
		ca{"etcd-2", 0, now.AddDate(9, 0, 0), "root-2", true}), genesisOpen, "closed", recipients["cp-1"])
	p.recorded(p.certified(t, cp1, honest(t)["cp-1"], nil)...)
	nothing, some := p.renewing(t, cp1, ""), p.renewing(t, cp1, "apiserver")
	others := p.entry(t, "etcd", "") + p.entry(t, "front-proxy", "")
	family := func(name, family, rest string) string {
		return p.entry(t, name, ", family: "+family+rest)
	}
	for name, c := range map[string]struct {
		text, authorities string
		signs             []string
		keys, trusts      string
	}{
		"trust": {nothing, p.entry(t, "root", p.key(t, "root")) + p.entry(t, "kubernetes", "") + "  - {name: kubernetes-3, family: kubernetes, use: trust" + withNewKey + others,
			[]string{"root signs kubernetes-3"}, "root kubernetes-3 release", "kubernetes-3"},
		"issue": {some, p.entry(t, "root", "") + family("kubernetes", "kubernetes", "") + family("kubernetes-2", "kubernetes", ", use: trust") + others,
			nil, "", ""}, // kubernetes has no key named: refused below
		"drop": {nothing, p.entry(t, "root", "") + p.entry(t, "kubernetes", "") + others, []string{}, "release", ""},
		"a root, trust": {nothing, p.entry(t, "root", "") + "  - {name: root-3, family: root, use: trust, key: {create: ECDSA-P384}, evidence: software}\n" + p.entry(t, "kubernetes", "") +
			"  - {name: kubernetes-3, family: kubernetes, use: trust, root: root-3" + withNewKey + others,
			[]string{"root-3 signs root-3", "root-3 signs kubernetes-3"}, "root-3 kubernetes-3 release", "root-3,kubernetes-3"},
		"below a root that is trusted": {nothing, p.entry(t, "root", "") + family("root-2", "root", ", use: trust") + p.entry(t, "kubernetes", "") + others + family("etcd-2", "etcd", ", use: trust"),
			[]string{}, "release", "root-2,etcd-2"},
		"renewed": {nothing, p.entry(t, "root", p.key(t, "root")) + fmt.Sprintf("  - {name: kubernetes, renews: previous/demo-1/kubernetes.crt%s, evidence: software}\n", p.key(t, "kubernetes")) + others,
			[]string{"root signs kubernetes"}, "root release", ""},
		"a root renewed": {nothing, fmt.Sprintf("  - {name: root, renews: previous/demo-1/root.crt%s, evidence: software}\n", p.key(t, "root")) + p.entry(t, "kubernetes", "") + others,
			[]string{"root signs root"}, "root release", ""},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := opens(withAuthorities(c.text, c.authorities), p.files)
			if c.signs == nil {
				if err == nil || !strings.Contains(err.Error(), "authority kubernetes is to sign 1 certificates, but the plan does not name its key") {
					t.Errorf("refused with %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			names, keys := signs(o)
			if want := append(c.signs, "release signs bundle cp-1", "release signs transcript"); !slices.Equal(names, want) || keys != c.keys {
				t.Errorf("%q with the keys %q; want %q with %q", names, keys, want, c.keys)
			}
			said := strings.Contains(written(o), " trusts="+c.trusts+" ")
			if got := strings.Join(o.Plan.Trusted(), ","); got != c.trusts || (c.trusts != "") != said {
				t.Errorf("trusts %q:\n%s", got, written(o))
			}
			if again, err := opens(withAuthorities(c.text, c.authorities), p.files); err != nil || again.Digest != o.Digest {
				t.Errorf("a second time: %v", err)
			}
		})
	}
}

// TestRenewedAuthority: subject and key are those it had, the time is new.
func TestRenewedAuthority(t *testing.T) {
	p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
	p.recorded(p.certified(t, cp1, honest(t)["cp-1"], nil)...)
	text := withAuthorities(p.renewing(t, cp1, ""), p.entry(t, "root", p.key(t, "root"))+
		fmt.Sprintf("  - {name: kubernetes, renews: previous/demo-1/kubernetes.crt%s, validity: 12y, evidence: software}\n", p.key(t, "kubernetes"))+
		p.entry(t, "etcd", "")+p.entry(t, "front-proxy", ""))
	c, err := opens(text, p.files)
	if err != nil {
		t.Fatal(err)
	}
	e := c.Entries[0]
	if e.CommonName != "kubernetes" || !slices.Equal(e.Organization, []string{"demo"}) || e.SPKI != p.spki(t, "kubernetes") || e.SubjectKey != "" || e.Duration != 12*365*24*time.Hour {
		t.Errorf("entry %+v", e)
	}
	if !c.Renewed["kubernetes"].Equal(p.certs["kubernetes"]) || c.Certificates["kubernetes"] != nil || len(c.Carried["cp-1"]) == 0 {
		t.Error("the certificate so far is not known as that")
	}
	if f := c.Plan.AuthorityFile(c.Plan.Authorities[1]); f != "authorities/kubernetes.crt" {
		t.Errorf("lies in %s", f)
	}
}

func TestGenerationsRefused(t *testing.T) {
	p := makePast(t, append(slices.Clone(defaultCAs),
		ca{"kubernetes-2", 0, now.AddDate(9, 0, 0), "root", true},
		ca{"root-2", 1, now.AddDate(19, 0, 0), "root-2", true},
		ca{"kubernetes-3", 0, now.AddDate(9, 0, 0), "root-2", true}), genesisOpen, "closed", recipients["cp-1"])
	p.recorded(p.certified(t, cp1, honest(t)["cp-1"], nil)...)
	text := p.renewing(t, cp1, "")
	others := p.entry(t, "etcd", "") + p.entry(t, "front-proxy", "")
	root, kube := p.entry(t, "root", p.key(t, "root")), p.entry(t, "kubernetes", "")
	family := func(name, family, rest string) string { return p.entry(t, name, ", family: "+family+rest) }
	renews := func(rest string) string {
		return "  - {name: kubernetes, renews: previous/demo-1/kubernetes.crt, evidence: software" + rest + "}\n"
	}
	for name, c := range map[string]struct{ authorities, want string }{
		"two that issue":    {root + kube + family("kubernetes-2", "kubernetes", "") + others, "a ceremony issues from one, and can trust others (use: trust)"},
		"none that issues":  {root + family("kubernetes-2", "kubernetes", ", use: trust") + others, "authority kubernetes-2 is only trusted, and none of family kubernetes issues"},
		"no root that does": {p.entry(t, "root", ", use: trust") + kube + others, "no authority of family root"},
		"another use":       {root + p.entry(t, "kubernetes", ", use: verify") + others, `authority kubernetes: use "verify" is not issue or trust`},
		"no trust before":   {root + p.entry(t, "kubernetes", ", use: trust") + "  - {name: kubernetes-4, family: kubernetes" + withNewKey + others, "authority kubernetes-4 is made here, so no node trusts it yet"},
		"not issued first":  {root + family("kubernetes-2", "kubernetes", "") + others, "the present authority kubernetes-2 did not sign it; name it under renew"},
		"another root's":    {root + kube + family("kubernetes-3", "kubernetes", ", use: trust") + others, "previous/demo-1/kubernetes-3.crt: is not signed by the key of previous/demo-1/root.crt"},
		"below one that is only trusted": {root + family("root-2", "root", ", use: trust") + family("kubernetes-3", "kubernetes", "") + p.entry(t, "kubernetes", ", use: trust") + others,
			"previous/demo-1/kubernetes-3.crt: is not signed by the key of previous/demo-1/root.crt"},
		"the key of one":        {root + kube + "  - {name: kubernetes-4, family: kubernetes, use: trust, certificate: previous/demo-1/kubernetes.crt}\n" + others, "authorities kubernetes and kubernetes-4 have the same key"},
		"another family's name": {root + kube + "  - {name: etcd, family: kubernetes, use: trust" + withNewKey + p.entry(t, "etcd-1", ""), "it cannot have another family's name"},
		"a root with a root":    {p.entry(t, "root", "") + "  - {name: root-4, family: root, use: trust, root: root" + withNewKey + kube + others, "authority root-4 is a root, which certifies itself"},
		"no such root":          {root + kube + "  - {name: kubernetes-4, family: kubernetes, use: trust, root: root-9" + withNewKey + others, `"root-9" is no root of this plan`},
		"a root without a key":  {root + family("root-2", "root", ", use: trust") + kube + "  - {name: kubernetes-4, family: kubernetes, use: trust, root: root-2" + withNewKey + others, "to be certified by root-2, whose key the plan does not name"},
		"issues below a trusted": {root + family("root-2", "root", ", use: trust") + "  - {name: kubernetes-4, family: kubernetes, root: root-2" + withNewKey + others,
			"is to issue below root-2, which is only trusted"},
		"renewed and there":       {root + renews(p.key(t, "kubernetes")+", certificate: previous/demo-1/kubernetes.crt") + others, "it has a certificate, or gets another; not both"},
		"renewed for which key":   {root + renews("") + others, "a certificate is renewed for the key it has"},
		"renewed for another key": {root + renews(p.key(t, "etcd")) + others, "the key of previous/demo-1/kubernetes.crt is"},
		"renewed for less":        {root + renews(p.key(t, "kubernetes")+", validity: 1y") + others, "sooner than now"},
		"renewed, named":          {root + renews(p.key(t, "kubernetes")+", subject: {commonName: k}") + others, "cannot be set"},
		"renewed by another":      {root + family("root-2", "root", ", use: trust"+p.key(t, "root-2")) + kube + "  - {name: kubernetes-2, family: kubernetes, use: trust, root: root-2, renews: previous/demo-1/kubernetes-2.crt" + p.key(t, "kubernetes-2") + "}\n" + others, "is not signed by the key of root-2, which is to renew it"},
		"renewed beyond its root": {root + renews(p.key(t, "kubernetes")+", validity: 25y") + others, "after its issuer root ends on"},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := opens(withAuthorities(text, c.authorities), p.files)
			if err == nil {
				t.Fatalf("accepted:\n%s", written(o))
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("refused with %v", err)
			}
		})
	}
}

// TestEndedIsTrusted: what has ended certifies nothing, and may go on standing
// beside its successor until all nodes have another.
func TestEndedIsTrusted(t *testing.T) {
	cas := slices.Clone(defaultCAs)
	cas[1].end = now.AddDate(0, 0, -1)
	p := makePast(t, append(cas, ca{"kubernetes-2", 0, now.AddDate(9, 0, 0), "root", true}), genesisOpen, "closed", recipients["cp-1"])
	p.recorded(p.certified(t, work, honest(t)["worker-1"], func(_ string, c *x509.Certificate) { c.Issuer.CommonName = "kubernetes-2" })...)
	c, err := opens(withAuthorities(p.renewing(t, work, ""), p.entry(t, "root", "")+p.entry(t, "kubernetes", ", use: trust")+p.entry(t, "kubernetes-2", ", family: kubernetes")), p.files)
	if err != nil {
		t.Fatal(err)
	}
	if c.Plan.Issuing(kubepki.KubernetesAuthority).Name != "kubernetes-2" {
		t.Error("the other one issues")
	}
	for i, want := range []string{"authorities/root.crt", "authorities/kubernetes.crt", "authorities/kubernetes-2.crt"} {
		if got := c.Plan.AuthorityFile(c.Plan.Authorities[i]); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
