package schedule

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
	"officiant/ceremony/transcript"
	"officiant/signer"
)

type ca struct {
	name    string
	pathLen int
	end     time.Time
	parent  string
	isCA    bool
}

var defaultCAs = []ca{
	{"root", 1, now.AddDate(19, 0, 0), "root", true},
	{"kubernetes", 0, now.AddDate(9, 0, 0), "root", true},
	{"etcd", 0, now.AddDate(9, 0, 0), "root", true},
	{"front-proxy", 0, now.AddDate(9, 0, 0), "root", true},
}

const sealedFile = "-----BEGIN AGE ENCRYPTED FILE-----\nYWdl\n-----END AGE ENCRYPTED FILE-----\n"

func (p *past) public(t *testing.T, name string, k crypto.Signer) fingerprint.SHA256 {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	p.files["previous/demo-1/"+name] = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	return fingerprint.Of(der)
}

// continued is the plan of a second ceremony.
func (p *past) continued(t *testing.T, nodes ...kubepki.Node) string {
	t.Helper()
	requests := honest(t)
	o := plan.NewOptions{Name: "demo-2", Cluster: plan.Cluster{Kubeadm: "kubeadm.yaml"},
		Previous: []plan.Predecessor{{Cluster: "demo", Sequence: 1, Head: p.head, Transcript: "previous/demo-1.jsonl"}},
		Release: plan.Release{Key: plan.Key{Existing: p.release}, Public: "previous/demo-1/release.pub",
			Evidence: signer.Software},
		ServiceAccount: plan.ServiceAccount{Sealed: "previous/demo-1/sa.key.age", Public: "previous/demo-1/sa.pub"},
	}
	for _, name := range []string{"root", "kubernetes", "etcd", "front-proxy"} {
		spki, err := fingerprint.SPKI(p.certs[name].PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		o.Authorities = append(o.Authorities, plan.Authority{Name: name, Family: kubepki.Authority(name),
			Key:         plan.Key{Existing: spki},
			Certificate: "previous/demo-1/" + name + ".crt", Evidence: signer.Software})
	}
	for _, n := range nodes {
		in := plan.Node{Name: n.Name, Roles: n.Roles, First: n.First, Request: "requests/" + n.Name + ".req",
			Fingerprint: requests[n.Name].Fingerprint}
		if n.Address.IsValid() {
			in.Address = n.Address.String()
		}
		o.Nodes = append(o.Nodes, in)
		p.files[in.Request] = string(requests[n.Name].Raw)
	}
	text, err := plan.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var genesisOpen = transcript.Open{}

func TestContinues(t *testing.T) {
	p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
	c, err := opens(p.continued(t, cp1, work), p.files)
	if err != nil {
		t.Fatal(err)
	}
	if c.Sequence != 2 {
		t.Errorf("sequence %d", c.Sequence)
	}
	// The root is not opened.
	if got, want := strings.Join(c.KeysNeeded(), " "), "kubernetes etcd front-proxy release"; got != want {
		t.Errorf("keys needed: %s, want %s", got, want)
	}
	if c.Algorithm("kubernetes") != signer.ECDSAP384 || c.Algorithm("release") != signer.ECDSAP256 ||
		c.Algorithm("x") != "" {
		t.Errorf("algorithms %v", c.algorithms)
	}
	for _, e := range c.Entries {
		if e.IsCA {
			t.Errorf("an authority that exists is to be signed: %s", c.Line(e))
		}
		if e.Kind == LeafCertificate && e.SignatureAlgorithm != x509.ECDSAWithSHA384 {
			t.Errorf("signature algorithm of an existing key: %s", c.Line(e))
		}
	}
	if c.Plan.ServiceAccount.Create != "" {
		t.Error("a carried-over pair is made anew")
	}
	if len(c.Certificates) != 4 {
		t.Errorf("%d certificates", len(c.Certificates))
	}
}

// TestContinuesRefused spoils one thing of a second ceremony.
func TestContinuesRefused(t *testing.T) {
	with := func(i int, c ca) []ca {
		cas := append([]ca(nil), defaultCAs...)
		cas[i] = c
		return cas
	}
	tests := []struct {
		name     string
		cas      []ca
		open     *transcript.Open
		last     string
		to       string
		nodes    []kubepki.Node
		spoil    func(p *past)
		old, new string
		want     []string
	}{
		{name: "head", old: "head: \"", new: "head: \"" + strings.Repeat("1", 64) + "\" # ", want: []string{
			`plan.yaml:23:11: the last line of previous/demo-1.jsonl has SHA-256 …, not this`}},
		{name: "torn transcript", spoil: func(p *past) {
			p.files["previous/demo-1.jsonl"] = strings.TrimSuffix(p.files["previous/demo-1.jsonl"], "\n")
		}, want: []string{`previous/demo-1.jsonl: line 9: line is not ended by a newline`}},
		{
			name: "unfinished",
			last: "paused",
			want: []string{`previous/demo-1.jsonl: the ceremony is unfinished: only a finished one can be continued`},
		},
		{
			name: "rehearsal",
			open: &transcript.Open{Rehearsal: true},
			want: []string{`previous/demo-1.jsonl: is the transcript of a rehearsal, which nothing can continue`},
		},
		{
			name:  "no transcript",
			spoil: func(p *past) { p.files["previous/demo-1.jsonl"] = "3\n" },
			want: []string{
				`previous/demo-1.jsonl: line 1: not a line of a transcript: json: cannot ` +
					`unmarshal number into Go value of type chain.wire`,
			},
		},
		{name: "a byte of it changed", spoil: func(p *past) {
			p.files["previous/demo-1.jsonl"] = strings.Replace(
				p.files["previous/demo-1.jsonl"],
				`"name":"etcd"`,
				`"name":"Etcd"`,
				1,
			)
		}, want: []string{`previous/demo-1.jsonl: line 3: prev is not the hash of the line before`}},
		{
			name: "another cluster's",
			open: &transcript.Open{Cluster: "prod"},
			want: []string{`plan.yaml:20:14: previous/demo-1.jsonl is of cluster prod, not demo`},
		},
		{
			name: "another sequence",
			open: &transcript.Open{Sequence: 4},
			want: []string{`plan.yaml:21:15: previous/demo-1.jsonl is of ceremony 4, not 1`},
		},
		{name: "certificate of another key", spoil: func(p *past) {
			p.files["previous/demo-1/etcd.crt"], p.files["previous/demo-1/kubernetes.crt"] = p.files["previous/demo-1/kubernetes.crt"], p.files["previous/demo-1/etcd.crt"]
		}, want: []string{
			`plan.yaml:38:17: authority kubernetes: the key of previous/demo-1/kubernetes.crt is …, not this`,
			`plan.yaml:43:17: authority etcd: the key of previous/demo-1/etcd.crt is …, not this`}},
		{name: "private key in place of a certificate", spoil: func(p *past) {
			p.files["previous/demo-1/etcd.crt"] += "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
		}, want: []string{`previous/demo-1/etcd.crt: not one PEM block of type CERTIFICATE and nothing else`}},
		{name: "expired", cas: with(2, ca{"etcd", 0, now.AddDate(0, 0, -1), "root", true}), want: []string{
			`plan.yaml: a leaf would be valid until 2027-11-23 (1y), after its issuer etcd ends on 2026-11-22`,
			`previous/demo-1/etcd.crt: expired on 2026-11-22T12:00:00Z`}},
		{
			name: "leaf outlives an existing issuer",
			cas:  with(2, ca{"etcd", 0, now.AddDate(0, 0, 364), "root", true}),
			want: []string{
				`plan.yaml: a leaf would be valid until 2027-11-23 (1y), after its issuer etcd ends on 2027-11-22`},
		},
		{name: "not a CA", cas: with(3, ca{"front-proxy", 0, now.AddDate(9, 0, 0), "root", false}), want: []string{
			`previous/demo-1/front-proxy.crt: is not the certificate of a CA`}},
		{
			name: "of another root",
			cas:  with(3, ca{"front-proxy", 0, now.AddDate(9, 0, 0), "front-proxy", true}),
			want: []string{
				`previous/demo-1/front-proxy.crt: is not signed by the key of previous/demo-1/root.crt`},
		},
		{
			name: "intermediate with a path",
			cas:  with(3, ca{"front-proxy", 1, now.AddDate(9, 0, 0), "root", true}),
			want: []string{
				`previous/demo-1/front-proxy.crt: an intermediate has path length 0`},
		},
		{name: "root without a path", cas: with(0, ca{"root", 0, now.AddDate(19, 0, 0), "root", true}), want: []string{
			`previous/demo-1/root.crt: path length 0: no intermediate can be below it`}},
		{name: "new intermediate without the root's key", want: []string{
			`plan.yaml:39:5: authority etcd is to be certified by root, whose key ` +
				`the plan does not name; say external: true if others sign with it`,
		}},
		{
			name: "validity of a certificate that exists",
			old:  "    certificate: previous/demo-1/etcd.crt\n",
			new:  "    certificate: previous/demo-1/etcd.crt\n    validity: 5y\n",
			want: []string{
				`plan.yaml:41:5: authority etcd: subject, validity and root are those of its certificate, and cannot be set`},
		},
		{name: "release key of an authority", spoil: func(p *past) {
			der, _ := x509.MarshalPKIXPublicKey(p.certs["etcd"].PublicKey)
			p.files["previous/demo-1/release.pub"] = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		}, want: []string{`plan.yaml:55:15: the key in previous/demo-1/release.pub is …, not this`}},
		{name: "no public file of the release key", old: "  public: previous/demo-1/release.pub\n", new: "", want: []string{
			`plan.yaml:54:3: an existing release key needs its public file (release.pub of the last ceremony)`}},
		{
			name: "service account is said nowhere",
			old:  "serviceAccount:\n  sealed: previous/demo-1/sa.key.age\n  public: previous/demo-1/sa.pub\n",
			new:  "",
			want: []string{
				`plan.yaml: serviceAccount is missing: carry the pair over (sealed, public), ` +
					`or create a new one, which ends every token signed so far`,
			},
		},
		{name: "not the recorded pair", spoil: func(p *past) {
			p.files["previous/demo-1/sa.pub"] = p.files["previous/demo-1/release.pub"]
		}, want: []string{`previous/demo-1/sa.pub: is not the service-account key the last ceremony recorded`}},
		{name: "another sealed file", spoil: func(p *past) {
			p.files["previous/demo-1/sa.key.age"] = strings.Replace(sealedFile, "YWdl", "bmV4dA==", 1)
		}, want: []string{`previous/demo-1/sa.key.age: is not the sealed file of any previous ceremony's record`}},
		{
			name:  "sealed file in the clear",
			spoil: func(p *past) { p.files["previous/demo-1/sa.key.age"] = "-----BEGIN PRIVATE KEY-----\n" },
			want:  []string{`previous/demo-1/sa.key.age: not an armored age file`},
		},
		{name: "a node that cannot open it", nodes: []kubepki.Node{cp1, cp2}, want: []string{
			`plan.yaml:80:5: node cp-2 cannot open previous/demo-1/sa.key.age: its recipient ` +
				`age1lggyhqrw2nlhcxprm67z43rta597azn8gknawjehu9d9dl0jq3yqqvfafg is not among those ` +
				`it was sealed to; a peer can seal the key to it (sealed)`,
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cas, open, last, nodes := defaultCAs, genesisOpen, "closed", []kubepki.Node{cp1, work}
			if tt.cas != nil {
				cas = tt.cas
			}
			if tt.open != nil {
				open = *tt.open
			}
			if tt.last != "" {
				last = tt.last
			}
			if tt.nodes != nil {
				nodes = tt.nodes
			}
			p := makePast(t, cas, open, last, recipients["cp-1"])
			text := withoutWords(p.continued(t, nodes...))
			if tt.spoil != nil {
				tt.spoil(p)
			}
			changed := strings.Replace(text, tt.old, tt.new, 1)
			if tt.old != "" && changed == text {
				t.Fatalf("the test changes nothing:\n%s", text)
			}
			if strings.HasPrefix(tt.name, "new intermediate") {
				changed = newIntermediate(text)
			}
			c, err := opens(changed, p.files)
			if err == nil {
				t.Fatalf("accepted:\n%s", written(c))
			}
			if diff := cmp.Diff(tt.want, problems(t, err)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// newIntermediate has etcd's authority made anew, under a root whose key is not named.
func newIntermediate(text string) string {
	var out strings.Builder
	section := ""
	skip := 0
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "  - name: ") {
			section = strings.TrimSpace(strings.TrimPrefix(line, "  - name: "))
		}
		switch {
		case skip > 0:
			skip--
		case section == "root" && line == "    key:\n":
			skip = 1
		case section == "etcd" && line == "    key:\n":
			out.WriteString("    key: {create: ECDSA-P256}\n")
			skip = 1
		case section == "etcd" && strings.HasPrefix(line, "    certificate:"):
		default:
			out.WriteString(line)
		}
	}
	return out.String()
}

// TestNewRootOverOld refuses intermediates that a root made now cannot have certified.
func TestNewRootOverOld(t *testing.T) {
	p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
	text := p.continued(t, work)
	root := text[strings.Index(text, "  - name: root\n"):strings.Index(text, "  - name: kubernetes\n")]
	text = strings.Replace(text, root, "  - name: root\n    key: {create: ECDSA-P384}\n    evidence: software\n", 1)
	_, err := opens(text, p.files)
	if err == nil || strings.Count(err.Error(), "exists already, so a root that is made now has not certified it") != 3 {
		t.Errorf("got %v", err)
	}
}

// TestNewPair warns of what a new service-account pair does.
func TestNewPair(t *testing.T) {
	p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
	text := strings.Replace(
		p.continued(t, cp1),
		"  sealed: previous/demo-1/sa.key.age\n  public: previous/demo-1/sa.pub\n",
		"  create: RSA-2048\n",
		1,
	)
	c, err := opens(text, p.files)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) != 1 || !strings.HasPrefix(c.Warnings[0].Message, "a new service-account pair") {
		t.Errorf("warnings: %v", c.Warnings)
	}
}

// TestReleaseKeyOfItsOwn refuses a release key that is a CA's.
func TestReleaseKeyOfItsOwn(t *testing.T) {
	p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
	der, err := x509.MarshalPKIXPublicKey(p.certs["etcd"].PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	p.files["previous/demo-1/release.pub"] = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	p.release = fingerprint.Of(der)
	p.write()
	_, err = opens(p.continued(t, work), p.files)
	want := []string{
		`plan.yaml:63:5: the release key is the key of authority etcd; it has to be one of its own`,
		`plan.yaml:64:11: the release key is ECDSA-P256, RSA-2048, RSA-3072 or RSA-4096, not ECDSA-P384`}
	if diff := cmp.Diff(want, problems(t, err)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestShared is about the file a peer sealed to one that joined later.
func TestShared(t *testing.T) {
	const file = "requests/cp-2.sa.key.age"
	p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
	p.files[file] = sealedFile
	give := func(text, node string) string {
		line := "    request: requests/" + node + ".req\n"
		if !strings.Contains(text, line) {
			t.Fatalf("no node %s", node)
		}
		return strings.Replace(text, line, line+"    sealed: "+file+"\n", 1)
	}
	both := withoutWords(p.continued(t, cp1, cp2))
	if _, err := opens(give(both, "cp-2"), p.files); err != nil {
		t.Fatal(err)
	}
	p.sealed = []transcript.Record{transcript.Carried(p.sealed[0].(transcript.Sealed))} // the chain goes on
	p.write()
	both = withoutWords(p.continued(t, cp1, cp2))
	if _, err := opens(
		both,
		p.files,
	); err == nil ||
		!strings.Contains(err.Error(), "a peer can seal the key to it") {
		t.Errorf("a node without the key, after a ceremony that carried it over: %v", err)
	}
	clear := maps.Clone(p.files)
	clear[file] = "-----BEGIN PRIVATE KEY-----\n"
	created := strings.Replace(
		withoutWords(p.continued(t, cp1)),
		"  sealed: previous/demo-1/sa.key.age\n  public: previous/demo-1/sa.pub\n",
		"  create: RSA-2048\n",
		1,
	)
	worker := withoutWords(p.continued(t, cp1, work))
	for want, c := range map[string]struct {
		text  string
		files map[string]string
	}{
		"node cp-1 can open previous/demo-1/sa.key.age itself":             {give(give(both, "cp-2"), "cp-1"), p.files},
		"node worker-1 is no control-plane node":                           {give(worker, work.Name), p.files},
		"a peer can only share a service-account key that is carried over": {give(created, "cp-1"), p.files},
		file + ": not an armored age file":                                 {give(both, "cp-2"), clear},
	} {
		if _, err := opens(c.text, c.files); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
