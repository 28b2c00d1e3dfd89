package transcript_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"officiant/bundle/durable"
	"officiant/ceremony/transcript"
)

func certificateRequest(t *testing.T, name string) *x509.CertificateRequest {
	t.Helper()
	key := ed25519.NewKeyFromSeed([]byte(strings.Repeat("s", 32)))
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}}, key)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		t.Fatal(err)
	}
	return csr
}

// TestReceived shows what of requests and of what came back for them can have
// happened, and that both are read back.
func TestReceived(t *testing.T) {
	csr, other := certificateRequest(t, "kubernetes"), certificateRequest(t, "etcd")
	root, kubernetes, etcd, leaf := certificate(t, 1, "root"), certificate(t, 2, "kubernetes"), certificate(t, 3, "etcd"), certificate(t, 4, "cp-1")
	back := func(entry int, c *x509.Certificate, issuers ...[]byte) transcript.ReceivedCertificate {
		return transcript.ReceivedCertificate{Entry: entry, Name: "kubernetes", Certificate: c.Raw, Issuers: issuers}
	}
	intent := transcript.CSRIntent{Entry: 1, Name: "csr kubernetes", TBS: csr.RawTBSCertificateRequest}
	signed := transcript.CSR{Intent: 2, Request: csr.Raw}
	received := transcript.Received{NotBefore: start, Certificates: []transcript.ReceivedCertificate{back(2, kubernetes, root.Raw)}}
	for _, c := range []struct {
		name    string
		records []transcript.Record
		want    string
	}{
		{"in order", []transcript.Record{intent, signed, received, transcript.Intent{Entry: 3, Name: "cp-1", TBS: leaf.RawTBSCertificate}}, ""},
		{"another request", []transcript.Record{intent, transcript.CSR{Intent: 2, Request: other.Raw}}, "request is not the one of intent 2"},
		{"no request", []transcript.Record{intent, transcript.CSR{Intent: 2, Request: []byte("x")}}, "request of intent 2"},
		{"no intent", []transcript.Record{transcript.CSR{Intent: 1, Request: csr.Raw}}, "line 1 is not an open csr-intent"},
		{"asked twice", []transcript.Record{intent, signed, intent}, "entry 1 is signed, or about to be"},
		{"nothing came", []transcript.Record{intent, signed, transcript.Received{NotBefore: start}}, "received no certificate"},
		{"twice", []transcript.Record{received, received}, "received a second time"},
		{"too late", []transcript.Record{transcript.Intent{Entry: 3, Name: "cp-1", TBS: leaf.RawTBSCertificate}, received}, "received after a certificate was intended"},
		{"half a second", []transcript.Record{transcript.Received{NotBefore: start.Add(time.Second / 2), Certificates: received.Certificates}}, "whole seconds"},
		{"no certificate", []transcript.Record{transcript.Received{NotBefore: start, Certificates: []transcript.ReceivedCertificate{{Entry: 2, Certificate: []byte("x")}}}}, "received: "},
		{"no issuer", []transcript.Record{transcript.Received{NotBefore: start, Certificates: []transcript.ReceivedCertificate{back(2, kubernetes, []byte("x"))}}}, "issuer 1"},
		{"one serial", []transcript.Record{transcript.Received{NotBefore: start, Certificates: []transcript.ReceivedCertificate{back(2, kubernetes), back(3, kubernetes)}}}, "entry 3 or serial 2 was used before"},
		{"one entry", []transcript.Record{transcript.Received{NotBefore: start, Certificates: []transcript.ReceivedCertificate{back(2, kubernetes), back(2, etcd)}}}, "entry 2 or serial 3 was used before"},
		{"a serial again", []transcript.Record{received, transcript.Intent{Entry: 3, Name: "cp-1", TBS: kubernetes.RawTBSCertificate}}, "serial 2 was used before"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, err := transcript.Create(&durable.Disk{}, filepath.Join(t.TempDir(), "t.jsonl"), clock(), open())
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
			for _, r := range c.records {
				if _, err = w.Append(1, r); err != nil {
					break
				}
			}
			switch {
			case c.want == "" && err != nil:
				t.Fatal(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Fatalf("got %v, want %q", err, c.want)
			}
		})
	}
	file := write(t, []step{{1, []transcript.Record{intent}}, {1, []transcript.Record{signed, received}}})
	read, err := transcript.Read(file, contents(t, file))
	if err != nil {
		t.Fatal(err)
	}
	if certs := read.Certificates(); len(certs) != 1 || certs[0].Signer != "" || !certs[0].Certificate.Equal(kubernetes) {
		t.Errorf("certificates are read as %v", certs)
	}
	if serials := read.Serials(); len(serials) != 1 || serials[0].Cmp(kubernetes.SerialNumber) != 0 {
		t.Errorf("serials are read as %v", serials)
	}
	if _, ok := read.Received(); !ok || len(read.Pending()) != 0 {
		t.Errorf("received: %t, pending: %v", ok, read.Pending())
	}
}
