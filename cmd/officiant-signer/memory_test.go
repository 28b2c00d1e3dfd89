package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
	"officiant/ceremony/issue"
	"officiant/ceremony/online"
	"officiant/ceremony/online/grant"
	"officiant/ceremony/online/journal"
	"officiant/ceremony/online/onlinetest"
)

// TestMemoryOfServe: what serve has resident at most does not grow with what its journal
// holds, but by what it has to remember of each certificate: a serial number and a key.
func TestMemoryOfServe(t *testing.T) {
	const few, many, tries = 1_000, 30_000, 3
	r := newRoom(t)
	for try := 1; ; try++ {
		small, large := r.served(100, few), r.served(100, many)
		t.Logf("%d KiB with a journal of %d lines, %d with %d lines of %d KiB", small.peak, few, large.peak, many,
			large.size>>10)
		if !grows(large, large.peak+int(large.size>>10)-small.peak) {
			t.Error("a process that held the journal would pass")
		}
		if !grows(large, large.peak-small.peak) {
			return
		}
		if try == tries {
			t.Fatalf("it grows with the journal, %d times", tries)
		}
	}
}

// grows says whether a peak is above another one, in KiB, by more than a collector's chance
// and 100 bytes for each line.
func grows(s began, by int) bool { return by > 12<<10+s.lines*100>>10 }

// BenchmarkServe shows what serve has resident at most, and how long it takes to be ready.
func BenchmarkServe(b *testing.B) {
	r := newRoom(b)
	for _, size := range []struct{ nodes, lines int }{{100, 1_000}, {1_000, 1_000}, {10_000, 1_000}, {100, 100_000},
		{10_000, 100_000}} {
		b.Run(fmt.Sprintf("%d-nodes/%d-lines", size.nodes, size.lines), func(b *testing.B) {
			r.t = b
			for b.Loop() {
				s := r.served(size.nodes, size.lines)
				b.ReportMetric(float64(s.peak)/1024, "peak-MiB")
				b.ReportMetric(s.ready.Seconds(), "ready-s")
				b.ReportMetric(s.cpu.Seconds(), "cpu-s")
				b.ReportMetric(float64(s.size)/(1<<20), "journal-MiB")
			}
		})
	}
}

// began is what serve took to begin with a journal, and to sign once.
type began struct {
	lines, peak int // KiB
	size        int64
	ready, cpu  time.Duration
}

func (r *room) served(nodes, lines int) began {
	t := r.t
	t.Helper()
	r.grant.Nodes = r.grant.Nodes[:2]
	for i := range nodes {
		r.grant.Nodes = append(r.grant.Nodes, grant.Node{Name: fmt.Sprintf("node-%06d", i), Roles: []string{"worker"},
			SignaturesPerDay: 10_000})
	}
	r.sign("grant.json")
	for _, name := range []string{"journal.jsonl", "journal.jsonl.lock"} {
		if err := os.Remove(r.path(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	r.wrote(nodes, lines)
	info, err := os.Stat(r.path("journal.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	s, since := began{lines: lines, size: info.Size()}, time.Now()
	p := r.serve()
	p.said("the journal is open")
	s.ready = time.Since(since)
	if a := r.decided(onlinetest.ClientRequest(t, "worker-1", onlinetest.NewKey(t, "k"))); a.State != online.Signed {
		t.Fatalf("%+v", a)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	if s.peak, err = strconv.Atoi(strings.Fields(after)[0]); err != nil {
		t.Fatal(err)
	}
	if err := p.end(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.cpu = p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
	return s
}

// wrote makes the journal of a signer that has been at work: certificates of nodes in turn,
// over the last thirty days, each with a key of its own, and signed heads.
func (r *room) wrote(nodes, lines int) {
	r.t.Helper()
	must := func(err error) {
		r.t.Helper()
		if err != nil {
			r.t.Fatal(err)
		}
	}
	public, err := x509.MarshalPKIXPublicKey(r.journal.Public())
	must(err)
	end := time.Now()
	at := end.Add(-30 * 24 * time.Hour)
	j, _, err := journal.Begin(&durable.Disk{}, r.path("journal.jsonl"), func() time.Time { return at },
		journal.Open{Cluster: "demo", PublicKey: public, Program: "test"})
	must(err)
	_, err = j.Append(journal.Grant{Sequence: 1, SHA256: onlinetest.Parse(r.t, r.grant).Digest()})
	must(err)
	mould := newMould(r.t, end)
	for seq := 2; seq < lines; {
		at = end.Add(-30 * 24 * time.Hour / time.Duration(lines) * time.Duration(max(0, lines-seq)))
		tbs, der, spki := mould.cast(r.t, seq, nodes, at.Add(24*time.Hour))
		subject := fmt.Sprintf("node-%06d", seq%nodes)
		intent, err := j.Append(journal.Intent{Authority: "kubelet-client", SignerName: grant.KubeletClient,
			Subject: "node " + subject, Requester: "system:node:" + subject, Content: fingerprint.Of(tbs), SPKI: spki,
			TBS: tbs})
		must(err)
		if seq, err = j.Append(journal.Issued{Intent: intent, Certificate: der}); j.Unsigned() >= 256 {
			must(err)
			on, head := j.Head()
			signature, e := issue.File(r.t.Context(), journal.Statement("demo", on, head), r.journal)
			must(e)
			seq, err = j.Append(journal.Head{Seq: on, Head: head, Signature: signature})
			must(j.Sync())
		}
		must(err)
	}
	must(j.Sync())
	must(j.Close())
}

const utcTime = "060102150405Z" // X.680, 47

// mould is a certificate in which number, name, end and key are replaced: nobody verifies its
// signature but who holds the journal against its grant.
type mould struct {
	der, tbs                   []byte
	serial, name, until, point []byte // as it has them
}

func newMould(t testing.TB, end time.Time) *mould {
	key, ca := onlinetest.NewKey(t, "k"), onlinetest.NewKey(t, "ca")
	m := &mould{serial: bytes.Repeat([]byte{0x5a}, 16), name: []byte("node-999999"),
		until: []byte(end.Add(time.Hour).UTC().Format(utcTime))}
	issuer := onlinetest.Certify(t, ca, "kubelet-client", x509.ExtKeyUsageClientAuth, end.AddDate(0, -2, 0),
		end.AddDate(0, 2, 0))
	template := &x509.Certificate{Subject: onlinetest.NodeSubject(string(m.name)), NotBefore: end.Add(-time.Hour),
		NotAfter: end.Add(time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	template.SerialNumber = onlinetest.Serial(t)
	template.SerialNumber.SetBytes(m.serial)
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), ca.Signer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	public := c.PublicKey.(*ecdsa.PublicKey)
	if m.point, err = public.Bytes(); err != nil {
		t.Fatal(err)
	}
	m.der, m.tbs = der, c.RawTBSCertificate
	return m
}

func (m *mould) cast(t testing.TB, n, nodes int, until time.Time) (tbs, der []byte, spki fingerprint.SHA256) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if spki, err = fingerprint.SPKI(key.Public()); err != nil {
		t.Fatal(err)
	}
	serial := bytes.Clone(m.serial)
	binary.BigEndian.PutUint64(serial[8:], uint64(n))
	anew := func(b []byte) []byte {
		b = bytes.Replace(b, m.serial, serial, 1)
		b = bytes.Replace(b, m.name, fmt.Appendf(nil, "node-%06d", n%nodes), 1)
		b = bytes.Replace(b, m.until, []byte(until.UTC().Format(utcTime)), 1)
		return bytes.Replace(b, m.point, point, 1)
	}
	return anew(m.tbs), anew(m.der), spki
}
