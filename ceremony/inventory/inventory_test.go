package inventory_test

import (
	"context"
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
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
	"officiant/ceremony"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/history"
	"officiant/ceremony/history/historytest"
	"officiant/ceremony/inventory"
	"officiant/ceremony/revocation"
	"officiant/ceremony/transcript"
)

func read(t *testing.T, dir string) *inventory.Record {
	t.Helper()
	r, err := inventory.Read(history.Directory(dir))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func parse(t *testing.T, data []byte) *inventory.Record {
	t.Helper()
	r, err := inventory.Read(history.Text("transcript.jsonl", data))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestList reads a ceremony that lost a group of signatures on its way.
func TestList(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{Workers: 1})
	dir := filepath.Join(t.TempDir(), "ceremony")
	cfg := f.Config(t, dir)
	died := errors.New("died")
	intents := 0 // the fifth sync after the first intents loses what was signed
	cfg.Disk = &durable.Disk{Gate: func(op durable.Op, path string) error {
		if data, err := os.ReadFile(
			filepath.Join(dir, "transcript.jsonl"),
		); err == nil &&
			strings.Contains(string(data), `"name":"worker-1/kubelet.conf"`) {
			if intents++; intents > 1 {
				return died
			}
		}
		return nil
	}}
	if _, err := ceremony.Run(context.Background(), cfg); !errors.Is(err, died) {
		t.Fatalf("%v", err)
	}
	if _, err := ceremony.Run(context.Background(), f.Config(t, dir)); err != nil {
		t.Fatal(err)
	}
	record := read(t, dir)
	list, err := inventory.List(record, read(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	serials := map[string]bool{}
	states, kinds := map[inventory.State]int{}, map[inventory.Kind]int{}
	for _, e := range list {
		i := e.Item()
		if serials[i.Serial] {
			t.Errorf("serial %s twice", i.Serial)
		}
		serials[i.Serial] = true
		states[i.State]++
		kinds[i.Kind]++
		if (i.SHA256 == nil) != (i.State == inventory.Abandoned) || i.Subject == "" || i.NotAfter.IsZero() {
			t.Errorf("%+v", i)
		}
	}
	data, err := os.ReadFile(filepath.Join(dir, "transcript.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	whole, err := transcript.Read("transcript.jsonl", data)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range whole.Serials() {
		if !serials[s.Text(16)] {
			t.Errorf("serial %x of the record is not in the inventory", s)
		}
	}
	if states[inventory.Current] != 17 || states[inventory.Abandoned] == 0 || states[inventory.Superseded] != 0 {
		t.Errorf("states: %v", states)
	}
	if kinds[inventory.Root] != 1 || kinds[inventory.Intermediate] != 3 {
		t.Errorf("kinds: %v", kinds)
	}
	at := slices.IndexFunc(list, func(e *inventory.Entry) bool {
		return e.Item().Name == "cp-1/apiserver" && e.Item().State == inventory.Current
	})
	if at < 0 {
		t.Fatal("no cp-1/apiserver")
	}
	i := list[at].Item()
	if i.Node != "cp-1" || i.Kind != inventory.Leaf || i.Authority != "kubernetes" || i.Subject != "CN=kube-apiserver" ||
		!slices.Contains(
			i.Names,
			"api.demo.test",
		) || !slices.Contains(i.Names, "10.0.0.11") || i.Ceremony != "demo-1" || i.Sequence != 1 {
		t.Errorf("%+v", i)
	}
}

// TestSupersede: the newest of a name in a cluster is current, whatever the
// order the transcripts are given in.
func TestSupersede(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	dir, _ := f.Run(t)
	first, later := read(t, dir), read(t, dir)
	later.Head = fingerprint.Of([]byte("another head"))
	later.Open.Predecessors = []transcript.Predecessor{{Cluster: "demo", Sequence: 1, Head: first.Head}}
	later.Open.Sequence = 2
	for _, order := range [][]*inventory.Record{{first, later}, {later, first}} {
		list, err := inventory.List(order...)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			i := e.Item()
			if want := map[int]inventory.State{1: inventory.Superseded, 2: inventory.Current}[i.Sequence]; i.State != want {
				t.Errorf("%s of ceremony %d is %s", i.Name, i.Sequence, i.State)
			}
		}
	}
	if got := inventory.Forked(first, later, first); len(got) != 0 {
		t.Errorf("forked: %q", got)
	}
	again := *later.Record
	other := inventory.Record{Record: &again}
	other.Open.Sequence = 1
	if got := inventory.Forked(first, &other); len(got) != 1 || got[0] != "ceremony 1 of cluster demo" {
		t.Errorf("forked: %q", got)
	}
	if got := inventory.Missing(later); len(got) != 1 || got[0] != "ceremony 1 of cluster demo" {
		t.Errorf("missing: %q", got)
	}
	if got := inventory.Missing(later, first); len(got) != 0 {
		t.Errorf("missing: %q", got)
	}
}

func TestRehearsal(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	dir, _ := f.Run(t)
	r := read(t, dir)
	r.Open.Rehearsal = true
	if _, err := inventory.List(r); err == nil || !strings.Contains(err.Error(), "rehearsal") {
		t.Errorf("%v", err)
	}
}

// TestRevoked: what any list has is revoked, and lists are there with their end.
func TestRevoked(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{Lists: []string{"etcd"}})
	dir, _ := f.Run(t)
	record := read(t, dir)
	list, err := inventory.List(record)
	if err != nil {
		t.Fatal(err)
	}
	var kubelet, lists []inventory.Item
	for _, e := range list {
		switch i := e.Item(); {
		case i.Name == "cp-1/kubelet.conf":
			kubelet = append(kubelet, i)
		case i.Kind == inventory.CRL:
			lists = append(lists, i)
		}
	}
	if len(kubelet) != 1 || kubelet[0].Revoked != nil || kubelet[0].State != inventory.Current {
		t.Errorf("%+v", kubelet)
	}
	if len(lists) != 1 || lists[0].Name != "crl etcd" || lists[0].Authority != "etcd" || lists[0].Serial != "1" || lists[0].Node != "" ||
		lists[0].State != inventory.Current || lists[0].SHA256 == nil ||
		lists[0].NotAfter.Sub(lists[0].NotBefore) != 90*24*time.Hour {
		t.Errorf("%+v", lists)
	}
	// A later record that carries a list which has the kubelet's certificate on it.
	serial, _ := new(big.Int).SetString(kubelet[0].Serial, 16)
	later := parse(t, carrying(t, dir, serial))
	list, err = inventory.List(later, record)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		i := e.Item()
		if revoked := i.Name == "cp-1/kubelet.conf"; revoked != (i.State == inventory.Revoked) ||
			revoked != (i.Revoked != nil) {
			t.Errorf("%+v", i)
		}
		if i.Revoked != nil && (i.Revoked.Reason != revocation.KeyCompromise || i.Revoked.At.IsZero() || i.SHA256 == nil) {
			t.Errorf("%+v", i.Revoked)
		}
	}
}

// carrying is the beginning of a second ceremony's record, which carries a list over.
func carrying(t *testing.T, dir string, serial *big.Int) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "transcript.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	whole, err := transcript.Read("transcript.jsonl", data)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Second)
	issuer := &x509.Certificate{
		Subject:      pkix.Name{CommonName: "kubernetes"},
		KeyUsage:     x509.KeyUsageCRLSign,
		SubjectKeyId: []byte("id"),
	}
	der, err := x509.CreateRevocationList(
		rand.Reader,
		&x509.RevocationList{
			Number:     big.NewInt(1),
			ThisUpdate: now,
			NextUpdate: now.Add(time.Hour),
			RevokedCertificateEntries: []x509.RevocationListEntry{
				{SerialNumber: serial, RevocationTime: now, ReasonCode: 1},
			},
		},
		issuer,
		key,
	)
	if err != nil {
		t.Fatal(err)
	}
	open := whole.Open()
	open.Sequence, open.Predecessors = 2, []transcript.Predecessor{
		{Cluster: open.Cluster, Sequence: 1, Head: whole.Head()},
	}
	path := filepath.Join(t.TempDir(), "transcript.jsonl")
	w, err := transcript.Create(&durable.Disk{}, path, time.Now, open)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.AppendSync(
		1,
		transcript.CRLCarried{Signer: "kubernetes", Family: "kubernetes", List: der},
	); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if data, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	return data
}

// TestLeft: what a node has that a later ceremony names as gone is not current, until
// another one issues to it.
func TestLeft(t *testing.T) {
	begin := time.Now().Truncate(time.Second).UTC()
	root, release := historytest.Root(t, begin), historytest.Key(t)
	made := func(left []string, nodes ...string) func(before []byte) []byte {
		return func(before []byte) []byte {
			open := transcript.Open{}
			if before != nil {
				p := historytest.Predecessor(t, before)
				open.Sequence, open.Predecessors = p.Sequence+1, []transcript.Predecessor{p}
			}
			r := historytest.Begin(t, begin, open)
			r.Key("release", release.Public(), before == nil)
			for _, n := range nodes {
				r.Issue(n+"/kubelet.conf", "root", root.Leaf(t, n, begin, release.Public()))
			}
			r.CloseIssuing(left)
			record, _ := r.Close(release, nil)
			return record
		}
	}
	one := made(nil, "worker-1", "worker-2", "worker-3")(nil)
	two := made([]string{"worker-1", "worker-2"})(one)
	three := made(nil, "worker-2")(two)
	list, err := inventory.List(parse(t, one), parse(t, two), parse(t, three))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range list {
		i := e.Item()
		got = append(got, fmt.Sprintf("%d %s %s", i.Sequence, i.Node, i.State))
	}
	want := []string{"1 worker-1 left", "1 worker-2 superseded", "1 worker-3 current", "3 worker-2 current"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, expected %q", got, want)
	}
}

// TestLost: the ceremonies that a record says are lost, and none where it says nothing.
func TestLost(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	dir, _ := f.Run(t)
	r := read(t, dir)
	if lost := inventory.Lost(r); len(lost) != 0 {
		t.Error(lost)
	}
	r.Open.Lost = &transcript.Lost{Sequence: 3, Reason: "the safe burned"}
	want := "ceremonies 1 to 3 of cluster " + r.Open.Cluster + " (the safe burned)"
	if lost := inventory.Lost(r); len(lost) != 1 || lost[0] != want {
		t.Errorf("%q, want %q", lost, want)
	}
}
