package schedule

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"officiant/bundle/kubepki"
	"officiant/bundle/request"
)

// held is a certificate a node has from before, with its key.
type held struct {
	key         crypto.Signer
	certificate *x509.Certificate
}

func newHeld(t *testing.T, cn string, from, to time.Time) *held { return numbered(t, 7, cn, from, to) }

// numbered is one of another serial number.
func numbered(t *testing.T, serial int64, cn string, from, to time.Time) *held {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{CommonName: cn},
		NotBefore:    from,
		NotAfter:     to,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &held{key, c}
}

// issued is a certificate on record.
type issued struct {
	name        string
	certificate *x509.Certificate
}

// recorded gives a past a record with certificates in it and a chain.
func (p *past) recorded(list ...issued) { p.recordedAt("2025-11-23", list...) }

func (p *past) recordedAt(day string, list ...issued) {
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		p.t.Fatal(err)
	}
	p.at, p.issued = at.Add(12*time.Hour), list
	p.write()
}

// signedBy is a worker's request signed by the key of a certificate, too.
func signedBy(t *testing.T, n kubepki.Node, h *held) *request.Opened { return signedAt(t, now, n, h) }

func signedAt(t *testing.T, at time.Time, n kubepki.Node, h *held) *request.Opened {
	t.Helper()
	leaves, err := kubepki.Leaves(facts, n)
	if err != nil {
		t.Fatal(err)
	}
	keys := request.Keys{}
	for _, l := range leaves {
		keys[l.Name] = newKey(t)
	}
	by := &request.Present{Leaf: "kubelet.conf", Chain: []*x509.Certificate{h.certificate}, Key: h.key}
	data, err := request.Make(facts, n, leaves, keys, recipients["worker-1"], at, rand.Reader, by)
	if err != nil {
		t.Fatal(err)
	}
	o, err := request.Parse("w.req", data)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// unwritten leaves the fingerprints out of a plan.
func unwritten(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "    fingerprint: ") {
			out.WriteString(line)
		}
	}
	return out.String()
}

func TestPreviousVouches(t *testing.T) {
	h := newHeld(t, "system:node:worker-1", now.AddDate(-1, 0, 1), now.AddDate(0, 0, 20))
	p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
	p.recorded(issued{"worker-1/kubelet.conf", h.certificate})
	text := p.continued(t, work)
	p.files["requests/worker-1.req"] = string(signedBy(t, work, h).Raw)
	text = unwritten(strings.Replace(text, "serviceAccount:\n  create: ECDSA-P256\n", "", 1))
	c, err := opens(text, p.files)
	if err != nil {
		t.Fatal(err)
	}
	if c.Vouched["worker-1"] != ByPrevious ||
		!strings.Contains(
			written(c),
			` name="bundle worker-1" request=sha256:`+c.Requests["worker-1"].Fingerprint.String()+" vouched=previous sig=",
		) {
		t.Errorf("vouched %q\n%s", c.Vouched["worker-1"], written(c))
	}
	// A fingerprint that was compared goes before it.
	with := text + "    fingerprint: \"" + c.Requests["worker-1"].Fingerprint.String() + "\"\n"
	if c, err = opens(with, p.files); err != nil || c.Vouched["worker-1"] != ByFingerprint {
		t.Errorf("%v, %v", c, err)
	}
	// And a wrong one is not made good by it.
	with = text + "    fingerprint: \"" + strings.Repeat("1", 64) + "\"\n"
	if _, err = opens(
		with,
		p.files,
	); err == nil ||
		!strings.Contains(err.Error(), "the fingerprint of requests/worker-1.req is") {
		t.Errorf("%v", err)
	}
}

// A request that was in a ceremony before does not come again under another's
// authority: its keys may be anywhere by now. People may still take it.
func TestOldRequestIsNotVouchedFor(t *testing.T) {
	h := newHeld(t, "system:node:worker-1", now.AddDate(-1, 0, 1), now.AddDate(0, 0, 20))
	key := hostKey(t)
	for _, tt := range []struct {
		how string
		o   *request.Opened
	}{{"previous", signedBy(t, work, h)}, {"host-key", signedOnHost(t, "worker-1", key)}} {
		p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
		p.recordedAt("2026-11-23", issued{"worker-1/kubelet.conf", h.certificate}) // a second after the request
		text := p.continued(t, work)
		p.files["requests/worker-1.req"], p.files["known_hosts"] = string(tt.o.Raw), known("worker-1", key)
		text = strings.Replace(text, "\nnodes:\n", "\nknownHosts: known_hosts\nnodes:\n", 1)
		later := now.Add(time.Hour)
		_, err := opensAt(later, unwritten(text), p.files)
		want := "no key vouches for it: a key signed it (" + tt.how + "), but it was made at 2026-11-23T12:00:00Z, before the last ceremony began at 2026-11-23T12:00:01Z, and may have been sent before"
		if got := problems(t, err); len(got) != 1 || !strings.HasSuffix(got[0], want) {
			t.Errorf("%s: %q", tt.how, got)
		}
		if _, err := opensAt(
			later,
			unwritten(text)+"    fingerprint: \""+tt.o.Fingerprint.String()+"\"\n",
			p.files,
		); err != nil {
			t.Errorf("%s: compared by people: %v", tt.how, err)
		}
	}
}

// A host key says which machine asks, and not that it may be more than it was:
// root of a worker must not become an administrator by asking.
func TestHostKeyBringsNoNewRole(t *testing.T) {
	key := hostKey(t)
	node := kubepki.Node{
		Name:    "worker-1",
		Roles:   []kubepki.Role{kubepki.Worker, kubepki.Etcd},
		Address: netip.MustParseAddr("10.0.0.12"),
	}
	leaves, err := kubepki.Leaves(facts, node)
	if err != nil {
		t.Fatal(err)
	}
	keys := request.Keys{}
	for _, l := range leaves {
		keys[l.Name] = newKey(t)
	}
	data, err := request.Make(
		facts,
		node,
		leaves,
		keys,
		recipients["worker-1"],
		now,
		rand.Reader,
		request.HostKey{Signer: key},
	)
	if err != nil {
		t.Fatal(err)
	}
	worker := newHeld(t, "system:node:worker-1", now.AddDate(-1, 0, 1), now.AddDate(0, 0, 20))
	member := numbered(t, 8, "etcd", now.AddDate(-1, 0, 1), now.AddDate(0, 0, 20))
	for what, tt := range map[string]struct {
		record []issued
		want   string
	}{
		"a worker until now": {[]issued{{"worker-1/kubelet.conf", worker.certificate}},
			"an SSH key signed it, but in ceremony 1 the node was not etcd"},
		"etcd before": {[]issued{
			{"worker-1/kubelet.conf", worker.certificate}, {"worker-1/etcd/server", member.certificate},
		}, ""},
		"a machine that joins": {[]issued{{"worker-2/kubelet.conf", worker.certificate}}, ""},
	} {
		t.Run(what, func(t *testing.T) {
			p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
			p.recorded(tt.record...)
			text := unwritten(withoutWords(p.continued(t, work)))
			p.files["requests/worker-1.req"], p.files["known_hosts"] = string(data), known("worker-1", key)
			text = strings.Replace(text, "    roles: [worker]\n", "    roles: [worker, etcd]\n    address: 10.0.0.12\n", 1)
			c, err := opens(strings.Replace(text, "\nnodes:\n", "\nknownHosts: known_hosts\nnodes:\n", 1), p.files)
			if tt.want == "" && err == nil {
				return
			}
			if err == nil {
				t.Fatalf("accepted:\n%s", written(c))
			}
			if got := problems(t, err); len(got) != 1 || tt.want == "" || !strings.HasSuffix(got[0], tt.want) {
				t.Errorf("%q", got)
			}
		})
	}
}

func TestPreviousDoesNotVouch(t *testing.T) {
	const missing = "plan.yaml:68:5: node worker-1: the fingerprint of its request is missing; it comes by another way than the request"
	const but = missing + ", and no key vouches for it: kubelet.conf signed it, but "
	from, to := now.AddDate(-1, 0, 1), now.AddDate(0, 0, 20)
	mine := newHeld(t, "system:node:worker-1", from, to)
	tests := []struct {
		name   string
		record []issued
		signer *held
		node   kubepki.Node
		spoil  func(p *past)
		plan   func(string) string
		want   string
	}{
		{name: "nobody signed it", want: missing},
		{
			name:   "a certificate nobody issued",
			signer: newHeld(t, "system:node:worker-1", from, to),
			want:   but + "that certificate (serial number 7) is none that ceremony 1 issued",
		},
		{
			name:   "another node's",
			signer: mine,
			record: []issued{{"worker-2/kubelet.conf", mine.certificate}},
			want:   but + "ceremony 1 issued that certificate as worker-2/kubelet.conf",
		},
		{
			name:   "another of the node's",
			signer: mine,
			record: []issued{{"worker-1/admin.conf", mine.certificate}},
			want:   but + "ceremony 1 issued that certificate as worker-1/admin.conf",
		},
		{name: "expired", signer: newHeld(t, "system:node:worker-1", from, now.AddDate(0, 0, -1)),
			want: but + "that certificate is valid from 2025-11-24T12:00:00Z to 2026-11-22T12:00:00Z"},
		{
			name:   "a new role",
			signer: mine,
			node:   kubepki.Node{Name: "worker-1", Roles: []kubepki.Role{kubepki.Worker, kubepki.Etcd}, Address: cp2.Address},
			want:   but + "in ceremony 1 the node was not etcd",
		},
		{
			name:   "another cluster's ceremony",
			signer: mine,
			spoil:  func(p *past) { p.open.Cluster = "prod" },
			plan: func(s string) string {
				s = regexp.MustCompile(`(name: root\n)    key:\n.*\n`).
					ReplaceAllString(s, "$1")
					// which that ceremony did not open
				return strings.Replace(s, "  - cluster: demo\n", "  - cluster: prod\n", 1)
			},
			want: strings.Replace(but, "yaml:68", "yaml:66", 1) + "the plan names no previous ceremony of cluster demo",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
			record, node := []issued{{"worker-1/kubelet.conf", mine.certificate}}, work
			if tt.record != nil {
				record = tt.record
			}
			if tt.node.Name != "" {
				node = tt.node
			}
			if tt.spoil != nil {
				tt.spoil(p)
			}
			p.recorded(record...)
			text := withoutWords(p.continued(t, work))
			if tt.signer != nil {
				p.files["requests/worker-1.req"] = string(signedBy(t, node, tt.signer).Raw)
			}
			if tt.node.Name != "" {
				text = strings.Replace(text, "    roles: [worker]\n", "    roles: [worker, etcd]\n    address: 10.0.0.12\n", 1)
			}
			if tt.plan != nil {
				text = tt.plan(text)
			}
			c, err := opens(unwritten(text), p.files)
			if err == nil {
				t.Fatalf("accepted:\n%s", written(c))
			}
			if diff := cmp.Diff([]string{tt.want}, problems(t, err)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
