package bundle

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"testing"
)

// TestCertificatePEM: certificates of every length are written as pem.Encode writes them.
func TestCertificatePEM(t *testing.T) {
	for n := range 200 {
		der := make([]byte, n)
		rand.Read(der)
		want := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
		if got := certificatePEM(&x509.Certificate{Raw: der}); !bytes.Equal(got, want) {
			t.Fatalf("%d bytes: %q, want %q", n, got, want)
		}
	}
}

// TestAppendTar: what is in the slice before stays, and what lay behind it does not show.
func TestAppendTar(t *testing.T) {
	b := &Bundle{Header: Header{Node: "cp-1"}, Files: map[string][]byte{"a": []byte("text")}, Sums: []byte("sums"),
		Signature: []byte("signature")}
	want, err := b.Tar()
	if err != nil {
		t.Fatal(err)
	}
	used := bytes.Repeat([]byte{0xff}, 64<<10)
	got, err := b.AppendTar(append(used[:0], "before"...))
	if err != nil || !bytes.Equal(got, append([]byte("before"), want...)) {
		t.Errorf("another archive in used memory, or an error: %v", err)
	}
}
