package transcript_test

import (
	"crypto/x509"
	"path/filepath"
	"testing"

	"officiant/bundle/durable"
	"officiant/ceremony/transcript"
)

const group = 200

func certificates(b *testing.B) []*x509.Certificate {
	certs := make([]*x509.Certificate, group)
	for i := range certs {
		certs[i] = certificate(b, int64(1000+i), "leaf")
	}
	return certs
}

func issueAll(b *testing.B, certs []*x509.Certificate) string {
	path := filepath.Join(b.TempDir(), "t.jsonl")
	w, err := transcript.Create(&durable.Disk{}, path, clock(), open())
	if err != nil {
		b.Fatal(err)
	}
	recs := make([]transcript.Record, len(certs))
	for i, c := range certs {
		recs[i] = transcript.Intent{Entry: i + 1, Name: "leaf", Signer: "root", TBS: c.RawTBSCertificate}
	}
	first, err := w.AppendSync(1, recs...)
	if err != nil {
		b.Fatal(err)
	}
	for i, c := range certs {
		recs[i] = transcript.Issued{Intent: first + i, Certificate: c.Raw}
	}
	if _, err := w.AppendSync(1, recs...); err != nil {
		b.Fatal(err)
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	return path
}

// Both report the time for one certificate: its intent and its result.
func BenchmarkWrite(b *testing.B) {
	certs := certificates(b)
	for b.Loop() {
		issueAll(b, certs)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*group), "µs/certificate")
}

func BenchmarkRead(b *testing.B) {
	data := contents(b, issueAll(b, certificates(b)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := transcript.Read("t.jsonl", data); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*group), "µs/certificate")
}
