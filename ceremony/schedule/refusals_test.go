package schedule

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io/fs"
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/refusaltest"
	"officiant/ceremony/plan"
	"officiant/ceremony/revocation"
)

// edit is a plan in which texts stand in place of others, by pairs.
type edit []string

func (e edit) of(t *testing.T, text string) string {
	t.Helper()
	for i := 0; i < len(e); i += 2 {
		if !strings.Contains(text, e[i]) {
			t.Fatalf("there is no %q in\n%s", e[i], text)
		}
		text = strings.Replace(text, e[i], e[i+1], 1)
	}
	return text
}

// told is what is wrong with a plan, or else what it is warned of, one line each.
func told(t *testing.T, text string, files map[string]string) string {
	t.Helper()
	c, err := opens(text, files)
	if err != nil {
		return strings.Join(problems(t, err), "\n")
	}
	var lines []string
	for _, w := range c.Warnings {
		lines = append(lines, shorten(w.Place()+": "+w.Message))
	}
	return strings.Join(lines, "\n")
}

// catalogue holds rows on one plan: what is wrong gets the row's words, and what is near
// it does not.
type catalogue map[string]struct {
	wrong edit
	says  string
	near  edit
	other string // what is said of what is near; "" where it is one of several, or taken
}

func (rows catalogue) hold(t *testing.T, text string, files map[string]string) {
	t.Helper()
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			if got := told(t, row.wrong.of(t, text), files); !strings.Contains(got, row.says) {
				t.Errorf("%s\nwant %s", got, row.says)
			}
			got := told(t, row.near.of(t, text), files)
			if strings.Contains(got, row.says) || !strings.Contains(got, row.other) {
				t.Errorf("what is near: %s\nwant %q", got, row.other)
			}
		})
	}
}

// TestFirstRefusals is the catalogue of a plan's facts without any request.
func TestFirstRefusals(t *testing.T) {
	const created, none = "key: {create: ECDSA-P256}\n  evidence", "nodes: []"
	window := func(from, until string) edit {
		return edit{none, "window: {from: " + from + ", until: " + until + "}\nnodes: []"}
	}
	kubeadm := func(file string) edit { return edit{"  name: demo\n", "  name: demo\n  kubeadm: " + file + "\n"} }
	list := edit{none, "crls: [{authority: etcd, nextUpdate: 90d}]\nnodes: []"}
	revokes := func(authority string) edit {
		return edit{none, "crls: [{authority: etcd, nextUpdate: 90d}]\n" +
			"revocations: [{serial: 5b2f, authority: " + authority + ", reason: superseded}]\nnodes: []"}
	}
	catalogue{
		"a window that ends first": {
			window("2026-12-02T00:00:00Z", "2026-12-01T00:00:00Z"),
			"the window ends at 2026-12-01T00:00:00Z, before it begins",
			window("2026-12-02T00:00:00Z", "2026-12-03T00:00:00Z"),
			"the ceremony cannot run yet: the plan lets it run from 2026-12-02T00:00:00Z until",
		},
		"a window that has passed": {
			window("2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z"),
			"the ceremony can run no more: the plan let it run from 2026-11-01T00:00:00Z until 2026-11-02T00:00:00Z, " +
				"and the clock says 2026-11-23T12:00:00Z",
			window("2026-11-01T00:00:00Z", "2026-11-24T00:00:00Z"), "",
		},
		"a release key of two origins": {
			edit{created, "key: {create: ECDSA-P256, existing: \"" + strings.Repeat("a", 64) + "\"}\n  evidence"},
			"the release key is either created or existing",
			edit{created, "evidence"}, "the release key is missing",
		},
		"the file of a release key to be made": {
			edit{created, "public: release.pub\n  " + created},
			"a release key that is made in the ceremony has no public file yet",
			edit{created, "name: release-2\n  " + created}, "",
		},
		"a Kubernetes to come": {
			edit{"v1.37.2", "v1.99.0"}, "Kubernetes v1.99.0 is newer than this program knows; the facts of v1.37",
			edit{"v1.37.2", "v1.37.99"}, "",
		},
		"kubeadm's own name": {
			edit{"name: demo\n", "name: kubernetes\n"}, `the cluster has kubeadm's default name "kubernetes"`,
			edit{"name: demo\n", "name: kubernetes-2\n"}, "",
		},
		"no ClusterConfiguration": {
			kubeadm("init.yaml"), "init.yaml: has no ClusterConfiguration", kubeadm("kubeadm.yaml"), "",
		},
		"a certificatesDir elsewhere": {
			kubeadm("pki.yaml"), "bundles place all files below /etc/kubernetes/pki", kubeadm("ssl.yaml"), "",
		},
		"an input where the lists go": {
			append(kubeadm("crls/kubeadm.yaml"), list...),
			"input crls/kubeadm.yaml: crls belongs to the ceremony directory itself, when there are lists",
			kubeadm("crls/kubeadm.yaml"), "",
		},
		"a misspelt authority": {
			edit{"name: kubernetes\n", "name: kubernets\n"}, "; did you mean kubernetes?",
			edit{"name: kubernetes\n", "name: kubernetes-2\n"},
			"authority kubernetes-2 needs a family: root, kubernetes, etcd",
		},
		"a misspelt algorithm": {
			edit{"RSA-4096", "RSA4096"},
			`unknown key algorithm "RSA4096": one of ECDSA-P256, ECDSA-P384, ECDSA-P521, RSA-2048, ` +
				"RSA-3072, RSA-4096; did you mean RSA-4096?",
			edit{"RSA-4096", "Ed25519"}, `unknown key algorithm "Ed25519"`,
		},
		"a misspelt list": {
			edit{none, "crls: [{authority: ectd, nextUpdate: 90d}]\nnodes: []"},
			`no authority "ectd" in the plan; did you mean etcd?`,
			edit{none, "crls: [{authority: company, nextUpdate: 90d}]\nnodes: []"},
			`no authority "company" in the plan`,
		},
		"a misspelt override": {
			edit{"  name: demo\n", "  name: demo\n  overrides: {kube-apisever: {commonName: x}}\n"},
			"super-admin.conf; did you mean kube-apiserver?",
			edit{"  name: demo\n", "  name: demo\n  overrides: {kubelet: {commonName: x}}\n"},
			"overrides.kubelet: no such certificate",
		},
		"a misspelt role": {
			edit{none, "nodes: [{name: w, roles: [wroker]}]"},
			`"wroker" is not a role; a node is control-plane, etcd or worker; did you mean worker?`,
			edit{none, "nodes: [{name: w, roles: [master]}]"},
			`"master" is not a role; a node is control-plane, etcd or worker`,
		},
		"revoked of an authority to be made": {
			revokes("etcd"), "5b2f: authority etcd is made in this ceremony, and nothing of it is out there",
			revokes("etc"), `5b2f: no authority "etc" in the plan`,
		},
	}.hold(t, bare, map[string]string{
		"kubeadm.yaml": kubeadmFile, "crls/kubeadm.yaml": kubeadmFile,
		"init.yaml": "apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\n",
		"pki.yaml":  kubeadmFile + "certificatesDir: /etc/kubernetes\n",
		"ssl.yaml":  kubeadmFile + "certificatesDir: /etc/kubernetes/ssl\n",
	})
}

// TestSecondRefusals is the catalogue of what a plan says of the ceremony it continues.
func TestSecondRefusals(t *testing.T) {
	p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
	weak, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p.public(t, "weak.pub", weak)
	p.files["previous/other.jsonl"] = makePast(t, defaultCAs, genesisOpen, "closed").files["previous/demo-1.jsonl"]
	p.grades = map[string]string{"etcd": "software"}
	p.write()
	text := p.continued(t, cp1)
	const (
		cluster    = "  - cluster: demo\n"
		transcript = "    transcript: previous/demo-1.jsonl\n"
		pair       = "  public: previous/demo-1/sa.pub\n"
	)
	head := fmt.Sprintf("    head: %q\n", p.head)
	again := cluster + "    sequence: 1\n" + head + transcript
	key := fmt.Sprintf("    key:\n      existing: %q\n", p.spki(t, "etcd"))
	catalogue{
		"no cluster": {edit{cluster, "  - cluster: \"\"\n"}, "a previous ceremony needs its cluster's name",
			edit{cluster, "  - cluster: prod\n"},
			"previous/demo-1.jsonl is of cluster demo, not prod"},
		"one cluster twice": {edit{transcript, transcript + again},
			"two previous ceremonies of cluster demo; a ceremony continues the last one only",
			edit{transcript, transcript + strings.Replace(again, "demo\n", "prod\n", 1)},
			"previous/demo-1.jsonl is of cluster demo, not prod"},
		"no sequence": {edit{"    sequence: 1\n", ""}, "the previous ceremony's sequence is missing; it counts from 1",
			edit{"    sequence: 1\n", "    sequence: 2\n"},
			"previous/demo-1.jsonl is of ceremony 1, not 2"},
		"no head": {edit{head, ""},
			"the previous ceremony's head is missing: the SHA-256 of its transcript's last line",
			edit{head, fmt.Sprintf("    head: %q\n", fingerprint.Of(nil))},
			"the last line of previous/demo-1.jsonl has SHA-256 …, not this"},
		"no transcript": {edit{transcript, ""}, "the previous ceremony's transcript is missing",
			edit{transcript, "    transcript: previous/none.jsonl\n"}, "previous/none.jsonl: file does not exist"},
		"an earlier one twice": {edit{transcript, transcript + "    earlier: [previous/demo-1.jsonl]\n"},
			"previous/demo-1.jsonl is there twice", edit{transcript,
				transcript + "    earlier: [previous/other.jsonl]\n"},
			"previous/other.jsonl, of ceremony 1 of cluster demo with head …, is not the one ceremony 1 continues"},
		"a pair created and carried over": {edit{pair, pair + "  create: ECDSA-P256\n"},
			"the service-account pair is either created or carried over (sealed, public)", edit{pair, ""},
			"a service-account pair is carried over as two files, sealed and public"},
		"a pair on another curve": {edit{pair, "  public: previous/demo-1/weak.pub\n"},
			"previous/demo-1/weak.pub: ECDSA key on curve P-224 cannot be used: " + usableKeys,
			edit{pair, "  public: previous/demo-1/root.crt\n"}, "previous/demo-1/root.crt: "},
		"a release key on another curve": {
			edit{"previous/demo-1/release.pub", "previous/demo-1/weak.pub",
				p.release.String(), p.fingerprintOf(t, "weak.pub").String()},
			"previous/demo-1/weak.pub: ECDSA key on curve P-224 cannot be used: " + usableKeys,
			edit{"previous/demo-1/release.pub", "previous/demo-1/weak.pub"},
			"the key in previous/demo-1/weak.pub is …, not this"},
		"a new key of an old name": {
			edit{key, "    key: {create: ECDSA-P256}\n", "    certificate: previous/demo-1/etcd.crt\n", ""},
			"the plan creates the etcd key, but ceremony 1 of cluster demo has a key of that name already, …: " +
				"give the new one a name of its own, as etcd-2",
			edit{key, "    family: etcd\n    key: {create: ECDSA-P256}\n",
				"    certificate: previous/demo-1/etcd.crt\n", "",
				"- name: etcd\n", "- name: etcd-2\n"}, ""},
		"more evidence than is on record": {edit{key, key + "    evidence: attested\n",
			"etcd.crt\n    evidence: software\n", "etcd.crt\n"},
			`the plan asks for evidence "attested" of the etcd key, and ceremony 1 of cluster demo has it on record`,
			edit{key, key + "    evidence: proven\n", "etcd.crt\n    evidence: software\n", "etcd.crt\n"}, `"proven"`},
		"a list by a key that is not named": {edit{key, "", "\nnodes:\n",
			"\ncrls: [{authority: etcd, nextUpdate: 90d}]\nnodes:\n"},
			"authority etcd is to sign a revocation list, but the plan does not name its key",
			edit{"\nnodes:\n", "\ncrls: [{authority: etcd, nextUpdate: 90d}]\nnodes:\n"}, ""},
	}.hold(t, text, p.files)
	_, err = opensAt(p.at.Add(-time.Hour), text, p.files)
	const behind = "the clock says 2025-11-23T11:00:00Z, but ceremony 1 of cluster demo ended at 2025-11-23T12:"
	if err == nil || !strings.Contains(err.Error(), behind) {
		t.Errorf("a clock that is behind: %v", err)
	}
}

// recertify makes an authority's certificate anew, by its own key and issuer's.
func (p *past) recertify(t *testing.T, name, by string, key crypto.PublicKey, change func(*x509.Certificate)) {
	t.Helper()
	template := *p.certs[name]
	template.RawSubject, template.SignatureAlgorithm = nil, 0
	if template.MaxPathLen < 1 {
		template.MaxPathLenZero = true
	}
	change(&template)
	parent := p.certs[by]
	if by == name {
		parent = &template
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, parent, key, p.keys[by])
	if err != nil {
		t.Fatal(err)
	}
	p.files["previous/demo-1/"+name+".crt"] = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// TestCertificateRefusals is the catalogue of what an authority's certificate is
// refused with: each row changes one thing, which gets its own words and no other's.
func TestCertificateRefusals(t *testing.T) {
	weak, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	printable := pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{
		{Type: []int{2, 5, 4, 3}, Value: "etcd"}, {Type: []int{2, 5, 4, 10}, Value: "demo"},
	}}
	list := edit{"\nnodes:\n", "\ncrls: [{authority: etcd, nextUpdate: 90d}]\nnodes:\n"}
	renews := edit{"    certificate: previous/demo-1/etcd.crt\n",
		"    renews: previous/demo-1/etcd.crt\n    validity: 10y\n"}
	rows := []struct {
		of, name, by string
		key          crypto.PublicKey
		change       func(*x509.Certificate)
		plan         edit
		says         string
	}{
		{"as it was", "etcd", "root", nil, func(*x509.Certificate) {}, nil, ""},
		{"a curve", "etcd", "root", weak.Public(), func(*x509.Certificate) {}, nil,
			"etcd.crt: ECDSA key on curve P-224 cannot be used: " + usableKeys},
		{"no CA", "etcd", "root", nil, func(c *x509.Certificate) { c.IsCA, c.MaxPathLenZero = false, false }, nil,
			"etcd.crt: is not the certificate of a CA"},
		{"its key usage", "etcd", "root", nil, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }, nil,
			"etcd.crt: its key usage does not allow certificates to be signed"},
		{"no key usage", "etcd", "root", nil, func(c *x509.Certificate) { c.KeyUsage = 0 }, nil, ""},
		{"its path length", "etcd", "root", nil, func(c *x509.Certificate) {
			c.MaxPathLen, c.MaxPathLenZero = 1,
				false
		}, nil,
			"etcd.crt: an intermediate has path length 0"},
		{"a root's path length", "root", "root", nil, func(c *x509.Certificate) {
			c.MaxPathLen, c.MaxPathLenZero = 0,
				true
		}, nil,
			"root.crt: path length 0: no intermediate can be below it"},
		{"a root by another", "root", "kubernetes", nil, func(*x509.Certificate) {}, nil,
			"root.crt: is not a root: it "},
		{"its beginning", "etcd", "root", nil, func(c *x509.Certificate) { c.NotBefore = now.AddDate(0, 0, 1) }, nil,
			"etcd.crt: is not valid before 2026-11-24T12:00:00Z"},
		{"its end", "etcd", "root", nil, func(c *x509.Certificate) { c.NotAfter = now.AddDate(0, 0, -1) }, nil,
			"etcd.crt: expired on 2026-11-22T12:00:00Z"},
		{"no cRLSign", "etcd", "root", nil, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign }, list,
			"authority etcd may not sign revocation lists: its certificate lacks the key usage cRLSign"},
		{"no list", "etcd", "root", nil, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCertSign }, nil, ""},
		{"another order", "etcd", "root", nil, func(c *x509.Certificate) { c.Subject = printable }, renews,
			"etcd.crt: its subject, CN=etcd,O=demo, is written otherwise than a ceremony writes it"},
		{"the order kept", "etcd", "root", nil, func(c *x509.Certificate) {}, renews, ""},
	}
	for _, row := range rows {
		t.Run(row.of, func(t *testing.T) {
			p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
			text := row.plan.of(t, p.continued(t, cp1))
			key := row.key
			if key == nil {
				key = p.certs[row.name].PublicKey
			}
			p.recertify(t, row.name, row.by, key, row.change)
			got := told(t, text, p.files)
			if !strings.Contains(got, row.says) || row.says == "" && strings.Contains(got, ".crt: ") {
				t.Errorf("%s\nwant %q", got, row.says)
			}
			for _, other := range rows {
				if other.says != "" && other.says != row.says && strings.Contains(got, other.says) {
					t.Errorf("says of another fault: %s", got)
				}
			}
		})
	}
}

// TestAdoptedLater: a cluster is adopted by its first ceremony, or never.
func TestAdoptedLater(t *testing.T) {
	p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
	key := fmt.Sprintf("    key:\n      existing: %q\n", p.spki(t, "etcd"))
	text := edit{key, "    adopted: true\n"}.of(t, p.continued(t, cp1))
	p.recertify(t, "etcd", "etcd", p.certs["etcd"].PublicKey, func(c *x509.Certificate) {
		c.MaxPathLen, c.MaxPathLenZero = -1, false
	})
	const want = "authority etcd: the last ceremony did not adopt it, or dropped it; a cluster is adopted by"
	if got := told(t, text, p.files); !strings.Contains(got, want) {
		t.Error(got)
	}
}

// TestOldCertificate: of version 1 there are roots that have signed for decades.
func TestOldCertificate(t *testing.T) {
	p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
	text := p.continued(t, cp1)
	p.files["previous/demo-1/root.crt"] = refusaltest.Shell(t, t.TempDir(), `openssl req -new -newkey rsa:2048 -nodes `+
		`-keyout k -subj /CN=root -out q && openssl x509 -req -in q -signkey k -days 2`)
	const old = "root.crt: is a certificate of X.509 version 1, which cannot say that it is a CA's"
	if got := told(t, text, p.files); !strings.Contains(got, old) || strings.Contains(got,
		"is not the certificate of a CA") {
		t.Error(got)
	}
}

// TestTwoInKubeconfigs: kubeadm takes them from 1.31 on.
func TestTwoInKubeconfigs(t *testing.T) {
	p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
	p.recorded(p.certified(t, cp1, honest(t)["cp-1"], nil)...)
	version := func(v string) edit {
		return edit{"  kubeadm: kubeadm.yaml\n", "  kubeadm: kubeadm.yaml\n  kubernetesVersion: " + v + "\n"}
	}
	catalogue{
		"before 1.31": {version("v1.30.14"),
			"kubeconfigs would hold the authorities kubernetes and kubernetes-3, and kubeadm of " +
				"v1.30.14 takes one: upgrade the cluster to v1.31.0 or later first", version("v1.31.0"), ""},
	}.hold(t, withAuthorities(p.renewing(t, cp1, ""), p.entry(t, "root", p.key(t, "root"))+p.entry(t, "kubernetes", "")+
		"  - {name: kubernetes-3, family: kubernetes, use: trust"+withNewKey+p.entry(t, "etcd", "")+
		p.entry(t, "front-proxy", "")), p.files)
}

// TestNodeRefusals is the catalogue of what nodes are refused with, or warned of,
// beside others.
func TestNodeRefusals(t *testing.T) {
	twin := cp2
	twin.Address = cp1.Address
	requests := honest(t)
	requests["cp-2"] = makeRequest(t, facts, twin, nil)
	text, files := planFor(t, requests, cp1, twin)
	catalogue{
		"one address": {nil, "nodes cp-1 and cp-2 have the same address",
			edit{"address: 10.0.0.11", "address: 10.0.0.12"}, "address"},
		"two that begin": {edit{"name: cp-2\n", "name: cp-2\n    first: true\n"},
			"cp-1, cp-2 are all marked first; one control-plane node is", edit{"    first: true\n", ""},
			"no node is marked first"},
	}.hold(t, text, files)

	alone := kubepki.Node{Name: "worker-1", Roles: []kubepki.Role{kubepki.Etcd},
		Address: netip.MustParseAddr("10.0.0.21")}
	requests["worker-1"] = makeRequest(t, facts, alone, nil)
	text, files = planFor(t, requests, cp1, alone)
	names := func(san string) edit { return edit{"  kubeadm:", "  etcdServerCertSANs: [" + san + "]\n  kubeadm:"} }
	catalogue{
		"etcd has the API server's name": {names("api.demo.test"),
			"cluster etcdServerCertSANs: api.demo.test is a name of the API server", names("etcd.demo.test"), ""},
	}.hold(t, text, files)

	text, files = lostPlan(t)
	two := honest(t)["cp-2"]
	files["requests/cp-2.req"] = string(two.Raw)
	another := fmt.Sprintf("\nnodes:\n  - {name: cp-2, roles: [control-plane, etcd], address: 10.0.0.12, "+
		"request: requests/cp-2.req, fingerprint: %q%%s}\n", two.Fingerprint)
	carried := "  sealed: previous/demo-1/sa.key.age\n  public: previous/demo-1/sa.pub\n"
	catalogue{
		"one sealed file for two": {edit{"  create: ECDSA-P256\n", carried, "\nnodes:\n", fmt.Sprintf(another, "")},
			"nodes cp-2 and cp-1 have no file of their own (sealed), and no record says that " +
				"previous/demo-1/sa.key.age opens for both",
			edit{"  create: ECDSA-P256\n", carried, "\nnodes:\n", fmt.Sprintf(another,
				", sealed: previous/demo-1/sa.key.age")}, ""},
	}.hold(t, text, files)
}

// TestRevocationRefusals is the catalogue of what is revoked, by lists and plans.
func TestRevocationRefusals(t *testing.T) {
	p, serials := revocable(t)
	server := serials["cp-1/etcd/server"]
	revokes := func(more string) string {
		return without(p.continued(t, cp1)) + "crls: [{authority: etcd, nextUpdate: 90d}]\nrevocations:\n" +
			"  - {serial: " + server + ", authority: etcd, reason: superseded" + more + "}\n"
	}
	if got := told(t, revokes(""), p.files); strings.Contains(got, "nobody takes it any more") {
		t.Errorf("one that is valid: %s", got)
	}
	c, err := opensAt(now.AddDate(0, 2, 0), revokes(""), p.files)
	if err != nil || !slices.ContainsFunc(c.Warnings, func(w plan.Problem) bool {
		return strings.Contains(w.Message, "cp-1/etcd/server ended on 2026-12-13; nobody takes it any more")
	}) {
		t.Errorf("one that has ended: %v", err)
	}

	p.list(t, "etcd-1", 1, now.AddDate(0, -1, 0))
	for signer, want := range map[string]bool{"etcd-1": false, "etcd": true} {
		p.lists[0].by = signer
		p.write()
		const renamed = "a former authority etcd left a revocation list; another one needs another name"
		if got := told(t, without(p.continued(t, cp1)), p.files); strings.Contains(got, renamed) != want {
			t.Errorf("a list of %s: %s", signer, got)
		}
	}

	forged := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
	forged.keys["etcd"], forged.certs["etcd"].PublicKey = newKey(t), nil
	forged.list(t, "etcd", 1, now.AddDate(0, -1, 0))
	forged.certs["etcd"], err = parseCertificate([]byte(forged.files["previous/demo-1/etcd.crt"]))
	if err != nil {
		t.Fatal(err)
	}
	forged.write()
	says(t, forged.continued(t, cp1), forged.files, "its revocation list of etcd is not signed by that authority")
}

// TestCompromisedKey: neither a certificate for a key that is compromised, nor a request
// that such a key signed, is taken, though its own certificate is not revoked.
func TestCompromisedKey(t *testing.T) {
	p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
	o := honest(t)["cp-1"]
	had := p.certified(t, cp1, o, nil)
	i := slices.IndexFunc(had, func(h issued) bool { return h.name == "cp-1/kubelet.conf" })
	first := p.certified(t, cp1, o, func(_ string,
		c *x509.Certificate) {
		c.SerialNumber.Add(c.SerialNumber, big.NewInt(500))
	})[i]
	p.recorded(append([]issued{first}, had...)...)
	for reason, want := range map[revocation.Reason]string{
		revocation.KeyCompromise: "node cp-1: its certificate kubelet.conf is for a key that is compromised, by " +
			"which an earlier cp-1/kubelet.conf was revoked: it needs a new request, with new keys",
		revocation.Superseded: "",
	} {
		text := p.renewing(t, cp1,
			"apiserver") + "crls: [{authority: kubernetes, nextUpdate: 90d}]\nrevocations: [{serial: " +
			first.certificate.SerialNumber.Text(16) + ", authority: kubernetes, reason: " + string(reason) + "}]\n"
		if got := told(t, text, p.files); !strings.Contains(got, want) || want == "" && strings.Contains(got,
			"compromised") {
			t.Errorf("%s: %s\nwant %q", reason, got, want)
		}
	}
}

// TestCompromisedVoucher: a key that is compromised vouches for no request, whichever of
// its certificates the node shows.
func TestCompromisedVoucher(t *testing.T) {
	p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
	first := p.leaf(t, "kubernetes", 7, "system:node:worker-1")
	again := p.leafFor(t, "kubernetes", 8, "system:node:worker-1", first.key)
	p.recorded(issued{"worker-1/kubelet-client", first.certificate}, issued{"worker-1/kubelet.conf", again.certificate})
	text := unwritten(p.continued(t, work)) + "crls: [{authority: kubernetes, nextUpdate: 90d}]\n" +
		"revocations: [{serial: 7, authority: kubernetes, reason: keyCompromise}]\n"
	p.files["requests/worker-1.req"] = string(signedBy(t, work, again).Raw)
	refused(t, text, p.files, "that key is compromised, by which worker-1/kubelet-client was revoked")
	_, err := opens(strings.Replace(text, "keyCompromise", "superseded", 1), p.files)
	if err != nil && strings.Contains(err.Error(), "compromised") {
		t.Errorf("superseded: %v", err)
	}
}

// changing is a folder in which a file is another each time it is opened.
type changing struct {
	fstest.MapFS
	name string
}

func (c changing) Open(name string) (fs.File, error) {
	f, err := c.MapFS.Open(name)
	if name == c.name {
		c.MapFS[name] = &fstest.MapFile{Data: append(slices.Clone(c.MapFS[name].Data), '\n')}
	}
	return f, err
}

// TestChangesWhileRead: an input that two places of a plan name is the same for both.
func TestChangesWhileRead(t *testing.T) {
	text, files := planFor(t, honest(t), cp1, work)
	text = edit{"requests/worker-1.req", "requests/cp-1.req"}.of(t, text)
	const want = "requests/cp-1.req: it was changed while the plan was read"
	for name, changes := range map[string]bool{"requests/cp-1.req": true, "requests/worker-1.req": false} {
		folder := fstest.MapFS{"plan.yaml": {Data: []byte(text)}}
		for name, data := range files {
			folder[name] = &fstest.MapFile{Data: []byte(data)}
		}
		_, err := OpenFS(changing{folder, name}, "plan.yaml", Options{Now: now})
		if err == nil || strings.Contains(err.Error(), want) != changes {
			t.Errorf("%s changes: %v", name, err)
		}
	}
}

// TestKeysAskedFor: a certificate that a request has no key for cannot be made.
func TestKeysAskedFor(t *testing.T) {
	text, files := planFor(t, honest(t), cp1)
	c, err := opens(text, files)
	if err != nil {
		t.Fatal(err)
	}
	leaf := c.Entries[slices.IndexFunc(c.Entries, func(e Entry) bool { return e.Kind == LeafCertificate })]
	if _, err := c.PublicKey(leaf); err != nil {
		t.Error(err)
	}
	leaf.Node = "cp-9"
	if _, err := c.PublicKey(leaf); err == nil || !strings.Contains(err.Error(),
		"no request of node cp-9 has a key for it") {
		t.Error(err)
	}
}

// TestCertificatesInAFile: a company's CA sends few of them.
func TestCertificatesInAFile(t *testing.T) {
	var file []byte
	for i := range 33 {
		if list, err := ParseCertificates(file); i > 0 && (err != nil || len(list) != i) {
			t.Errorf("%d certificates: %d, %v", i, len(list), err)
		}
		c := numbered(t, int64(i+1), "a", now, now.AddDate(1, 0, 0)).certificate
		file = append(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	_, err := ParseCertificates(file)
	if err == nil || err.Error() != "holds 33 certificates, more than the 32 of any company's chain" {
		t.Errorf("33 certificates: %v", err)
	}
}
