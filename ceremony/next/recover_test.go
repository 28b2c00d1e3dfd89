package next

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/history"
	"officiant/ceremony/history/historytest"
	"officiant/ceremony/plan"
	"officiant/ceremony/transcript"
)

// leftAuthority makes an authority's key and certificate, signed by a parent; nil: by itself.
func leftAuthority(t *testing.T, name string, parent *SurvivingKey) *SurvivingKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: name},
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	by, signs := template, crypto.Signer(key)
	if parent != nil {
		by, signs = parent.Certificate.Certificate, parent.Public.(crypto.Signer)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by, key.Public(), signs)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	spki, err := fingerprint.SPKI(key.Public())
	must(t, err)
	return &SurvivingKey{
		Name:        name,
		Public:      key,
		SPKI:        spki,
		Certificate: &SurvivingCertificate{Certificate: cert, File: name + ".crt", HasKey: true},
	}
}

// What is left is not enough for a plan, and it is said what is missing.
func TestSurvivorsRefused(t *testing.T) {
	root := leftAuthority(t, "root", nil)
	stranger := leftAuthority(t, "stranger", nil)
	kubernetes, etcd, frontProxy := leftAuthority(
		t,
		"kubernetes",
		root,
	), leftAuthority(
		t,
		"etcd",
		root,
	), leftAuthority(
		t,
		"front-proxy",
		root,
	)
	release := leftAuthority(t, "release", nil)
	release.Certificate = nil
	for name, tt := range map[string]struct {
		change func(r *Survivors)
		want   string
	}{
		"another root": {func(r *Survivors) { r.root[0] ^= 1 }, "the certificate of the root that nodes pinned"},
		"another release key": {func(r *Survivors) { r.Keys[4].Pinned = false }, "is in none of the station's tokens: " +
			"nodes would take no bundle"},
		"two generations": {func(r *Survivors) { r.Keys = append(r.Keys, leftAuthority(t, "etcd-2", root)) },
			"authorities etcd and etcd-2 have both a key and a certificate: a rollover was under way"},
		"by a stranger": {func(r *Survivors) { r.Keys[2] = leftAuthority(t, "etcd", stranger) }, "authority " +
			"etcd: its certificate in etcd.crt is not by the root that nodes pinned"},
		"no certificate": {func(r *Survivors) { r.Keys[2] = &SurvivingKey{Name: "etcd"} }, "authority etcd: its " +
			"key is in the token, and no certificate for it"},
		"no key": {func(r *Survivors) { r.Keys[2] = &SurvivingKey{Name: "other"} }, "authority etcd: no " +
			"key demo/etcd is in the station's tokens"},
	} {
		release.Pinned = true
		r := &Survivors{
			Cluster:  "demo",
			Sequence: 1,
			Nodes:    1,
			root:     fingerprint.Of(root.Certificate.Certificate.Raw),
			release:  release.SPKI,
			Certificates: []*SurvivingCertificate{
				root.Certificate,
			},
			Keys:  []*SurvivingKey{root, kubernetes, etcd, frontProxy, release},
			draft: &draft{in: &inputs{desk: Desk{Folder: fstest.MapFS{}}}},
		}
		tt.change(r)
		_, err := Recover(r, "water")
		var refused *Refused
		if !errors.As(err, &refused) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The new chain begins above what any node has seen; nodes that contradict each
// other, or are of another cluster, begin none.
func TestNodesHaveSeen(t *testing.T) {
	a, b := fingerprint.Of([]byte("a")), fingerprint.Of([]byte("b"))
	status := func(node, cluster string, root, release fingerprint.SHA256, sequence int) string {
		return fmt.Sprintf(
			`{"root":"/","installed":{"node":%q,"sequence":1},"pins":{`+
				`"cluster":%q,"rootSHA256":%q,"releaseSPKI":%q,"highestSequence":%d}}`,
			node,
			cluster,
			root,
			release,
			sequence,
		)
	}
	for name, tt := range map[string]struct {
		second string
		want   string // empty: sequence 3 is the highest
	}{
		"the same": {status("cp-2", "demo", a, a, 3), ""},
		"another root": {status("cp-2", "demo", b, a, 3), "nodes cp-1 and cp-2 pinned different roots or " +
			"release keys"},
		"another release key": {status("cp-2", "demo", a, b, 3), "nodes cp-1 and cp-2 pinned different roots or " +
			"release keys"},
		"another cluster": {status("cp-2", "port", a, a, 3), "node cp-2 is of cluster port, not demo"},
	} {
		statuses, err := ParseStatuses(
			"status",
			[]File{{Name: "1.json", Data: []byte(status("cp-1", "demo", a, a, 2))}, {Name: "2.json", Data: []byte(tt.second)}},
		)
		must(t, err)
		r := &Survivors{Cluster: "demo"}
		switch err := r.seen(statuses); {
		case tt.want == "" && (err != nil || r.Sequence != 3 || r.Nodes != 2 || r.root != a):
			t.Errorf("%s: %v, %+v", name, err, r)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestHighestSequence: one node cannot push the chain above what all others have seen.
func TestHighestSequence(t *testing.T) {
	for name, tt := range map[string]struct {
		seen map[string]int
		want string // empty: taken
	}{
		"as usual": {map[string]int{"cp-1": 12, "worker-1": 3}, ""},
		"one node": {map[string]int{"cp-1": 12}, ""},
		"stands out": {map[string]int{"cp-1": 12, "worker-1": 2147483646}, "node worker-1 says that it has seen " +
			"ceremony 2147483646, and all others at most 12"},
		"nothing": {map[string]int{"cp-1": 12, "worker-1": -2147483648}, "node worker-1 says that it has seen ceremony " +
			"-2147483648, and there is none"},
		"one node, absurd": {map[string]int{"cp-1": 2147483646}, "node cp-1 says"},
	} {
		s := &Survivors{}
		err := s.highest(tt.seen)
		var refused *Refused
		if tt.want == "" && (err != nil || s.Sequence != 12) ||
			tt.want != "" && (!errors.As(err, &refused) || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %d, %v", name, s.Sequence, err)
		}
	}
}

// TestAccountForSome: a service-account key that came sealed to one control-plane node
// and not to the other is no pair that the cluster could go on with.
func TestAccountForSome(t *testing.T) {
	controlPlane := []kubepki.Role{kubepki.ControlPlane}
	s := &Survivors{draft: &draft{nodes: []requester{
		{node: plan.Node{Name: "cp-1", Roles: controlPlane, Sealed: "requests/cp-1.sa.key.age"}},
		{node: plan.Node{Name: "cp-2", Roles: controlPlane}},
		{node: plan.Node{Name: "worker-1", Roles: []kubepki.Role{kubepki.Worker}}},
	}}}
	err := s.account()
	var refused *Refused
	const want = "the service-account key came sealed to cp-1, and not to cp-2: all control-plane nodes need it, or none"
	if !errors.As(err, &refused) || err.Error() != want {
		t.Fatal(err)
	}
	if h := refused.Hints[0]; h.Way != ShareKey || h.Of[0] != "cp-2.req" {
		t.Errorf("%+v", h)
	}
}

// TestRecordsRefused: a chain that forks, or whose last ceremony is unfinished, has no
// next plan, and it is said which records those are.
func TestRecordsRefused(t *testing.T) {
	begin := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	key := historytest.Key(t)
	held := func(sequence int, at time.Time, before ...transcript.Predecessor) ([]byte, []byte) {
		r := historytest.Begin(t, at, transcript.Open{Sequence: sequence, Predecessors: before})
		r.Key("release", key.Public(), sequence == 1)
		return r.Close(key, nil)
	}
	one, sig := held(1, begin)
	first := historytest.Predecessor(t, one)
	two, twoSig := held(2, begin.AddDate(0, 1, 0), first)
	other, otherSig := held(2, begin.AddDate(0, 2, 0), first)
	half := historytest.Begin(t, begin.AddDate(0, 1, 0), transcript.Open{Sequence: 2,
		Predecessors: []transcript.Predecessor{first}}).Unfinished()
	for what, tt := range map[string]struct {
		records [][2][]byte
		is      error
		names   []string
	}{
		"fork":       {[][2][]byte{{two, twoSig}, {other, otherSig}}, history.ErrFork, []string{"dir-0", "dir-1"}},
		"unfinished": {[][2][]byte{{half, nil}}, history.ErrUnfinished, []string{"dir-0"}},
	} {
		folder := t.TempDir()
		historytest.Directory(t, filepath.Join(folder, "first"), one, sig)
		for i, r := range tt.records {
			historytest.Directory(t, filepath.Join(folder, fmt.Sprintf("dir-%d", i)), r[0], r[1])
		}
		a, err := history.Find(folder)
		must(t, err)
		_, err = OpenChain(a, "", os.DirFS)
		var refused *Refused
		if !errors.As(err, &refused) || !errors.Is(err, tt.is) || len(refused.Hints) == 0 {
			t.Errorf("%s: %v", what, err)
			continue
		}
		for _, name := range tt.names {
			if !strings.Contains(err.Error(), name) {
				t.Errorf("%s: %q is not named: %v", what, name, err)
			}
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
