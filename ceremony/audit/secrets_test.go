package audit

import (
	"archive/tar"
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/limittest"
	"officiant/ceremony/transcript"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func armor(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func indented(text []byte) []byte {
	return []byte("key: |\n    " + strings.ReplaceAll(strings.TrimSpace(string(text)), "\n", "\n    ") + "\n")
}

func tarOf(name string, content []byte) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range []struct {
		name    string
		content []byte
	}{{"first.txt", []byte("nothing here")}, {name, content}} {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.content)),
			Format: tar.FormatUSTAR}); err != nil {
			panic(err)
		}
		must(w.Write(f.content))
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func TestPrivateKeysAreFound(t *testing.T) {
	ec := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	rsaKey := must(rsa.GenerateKey(rand.Reader, 2048))
	_, ed, _ := ed25519.GenerateKey(rand.Reader)
	sec1, pkcs8 := must(x509.MarshalECPrivateKey(ec)), must(x509.MarshalPKCS8PrivateKey(ec))
	pkcs1 := x509.MarshalPKCS1PrivateKey(rsaKey)
	b64 := base64.StdEncoding.EncodeToString
	for name, data := range map[string][]byte{
		"PEM PKCS #8":            armor("PRIVATE KEY", pkcs8),
		"PEM SEC 1":              armor("EC PRIVATE KEY", sec1),
		"PEM after text":         append([]byte("Some text.\n"), armor("RSA PRIVATE KEY", pkcs1)...),
		"PEM of another label":   armor("CERTIFICATE", pkcs8),
		"PEM without its armor":  []byte(b64(sec1)),
		"PEM indented, no label": indented(bytes.ReplaceAll(armor("X", pkcs1), []byte("-----"), nil)),
		"DER PKCS #8 ECDSA":      pkcs8,
		"DER PKCS #8 RSA":        must(x509.MarshalPKCS8PrivateKey(rsaKey)),
		"DER PKCS #8 Ed25519":    must(x509.MarshalPKCS8PrivateKey(ed)),
		"DER PKCS #1":            pkcs1,
		"DER SEC 1":              sec1,
		"DER after other bytes":  append([]byte("\x30\x03\x02\x01\x00 and then "), sec1...),
		"DER before other bytes": append(bytes.Clone(pkcs8), "and more"...),
		"kubeconfig": []byte("users:\n- user:\n    client-key-data: " + b64(armor("EC PRIVATE KEY",
			sec1)) + "\n"),
		"base64 thrice":         []byte(b64([]byte(b64([]byte(b64(sec1)))))),
		"base64 after its kind": []byte("x/" + b64(pkcs8)),
		"in JSON":               must(json.Marshal(map[string]any{"a": pkcs8})),
		"PEM in JSON":           must(json.Marshal(map[string]string{"a": string(armor("PRIVATE KEY", pkcs8))})),
		"lines in JSON":         must(json.Marshal(map[string]string{"a": string(armor("NOTE", pkcs1))})),
		"JSON Web Key":          []byte(`{"kty":"EC","crv":"P-256","d":"AAAA"}`),
		"OpenSSH":               []byte("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNz\n"),
		"OpenSSH without label": []byte(b64([]byte("openssh-key-v1\x00\x00\x00\x00\x04none\x00\x00\x00\x04none"))),
		"age identity": []byte("# created: " +
			"today\nAGE-SECRET-KEY-1QQPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGPQYQSZQGQ\n"),
		"age identity, lower case": []byte("age-secret-key-1qqpqyqs"),
		"encrypted PEM":            armor("ENCRYPTED PRIVATE KEY", []byte("x")),
		"encrypted DER":            []byte("\x30\x1d\x30\x1b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05\x0d"),
		"in a tar":                 tarOf("deep/x.key", pkcs8),
		"between a tar's entries":  append(tarOf("x", []byte("x")), sec1...),
		"in a tar in base64":       []byte(b64(tarOf("x.key", sec1))),
	} {
		t.Run(name, func(t *testing.T) {
			var found []string
			each("file", data, func(name string, data []byte) {
				for _, what := range (&leakAudit{view: &view{}}).privateKeys(data) {
					found = append(found, name+": "+what)
				}
			})
			if len(found) == 0 {
				t.Fatal("not found")
			}
			if name == "in a tar" && !strings.HasPrefix(found[0], "file: deep/x.key: ") {
				t.Errorf("the entry is not named: %q", found)
			}
		})
	}
}

func TestPublicThingsAreNotPrivateKeys(t *testing.T) {
	key := must(rsa.GenerateKey(rand.Reader, 2048))
	ec := must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "x"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, MaxPathLen: 1,
	}
	cert := must(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))
	csr := must(x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: template.Subject,
		DNSNames: []string{"a.test"}}, ec))
	crl := must(x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(1), NextUpdate: time.Now()},
		&x509.Certificate{Subject: template.Subject, SubjectKeyId: []byte{1}, KeyUsage: x509.KeyUsageCRLSign}, key))
	random := make([]byte, 1<<20)
	rand.Read(random)
	for name, data := range map[string][]byte{
		"nothing":     nil,
		"certificate": armor("CERTIFICATE", cert),
		"DER":         cert,
		"request":     armor("CERTIFICATE REQUEST", csr),
		"list":        crl,
		"public key":  armor("PUBLIC KEY", must(x509.MarshalPKIXPublicKey(&ec.PublicKey))),
		"PKCS #1":     x509.MarshalPKCS1PublicKey(&key.PublicKey),
		"signature":   must(ecdsa.SignASN1(rand.Reader, ec, make([]byte, 32))),
		"kubeconfig":  []byte("client-certificate-data: " + base64.StdEncoding.EncodeToString(armor("CERTIFICATE", cert))),
		"sums":        []byte(strings.Repeat(fingerprint.Of(cert).String()+"  pki/ca.crt\n", 20)),
		"text":        []byte("The node's private key stays where it is; sa.key.age is sealed.\n"),
		"random":      random,
	} {
		t.Run(name, func(t *testing.T) {
			if found := (&leakAudit{view: &view{}}).privateKeys(data); len(found) > 0 {
				t.Error(found)
			}
		})
	}
}

func TestPrivateKeyHasAnOwner(t *testing.T) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	spki := must(x509.MarshalPKIXPublicKey(&key.PublicKey))
	a := &leakAudit{view: &view{ledger: &ledger{keyLines: []keyLine{{Key: transcript.Key{Name: "root",
		SPKI: fingerprint.Of(spki)}}}}}}
	for _, der := range [][]byte{must(x509.MarshalECPrivateKey(key)), must(x509.MarshalPKCS8PrivateKey(key))} {
		if got := a.privateKeys(der); len(got) != 1 || got[0] != "the private key of the root key" {
			t.Errorf("found %q", got)
		}
	}
}

func FuzzPrivateKeys(f *testing.F) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	f.Add(must(x509.MarshalECPrivateKey(key)))
	f.Add(tarOf("x", []byte("y")))
	f.Add([]byte(base64.StdEncoding.EncodeToString([]byte("openssh-key-v1\x00 and some more of it"))))
	f.Fuzz(func(t *testing.T, data []byte) {
		defer limittest.Budget(t)()
		each("file", data, func(_ string, data []byte) { (&leakAudit{view: &view{}}).privateKeys(data) })
	})
}
