package request

import (
	"archive/tar"
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
)

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// issued is an authority's certificate that another authority signed.
func issued(t *testing.T) *x509.Certificate {
	t.Helper()
	root := newKey(t)
	template := func(cn string) *x509.Certificate {
		return &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: cn},
			NotAfter: created.Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	}
	etcd, company := template("etcd-ca"), template("company-root")
	der, err := x509.CreateCertificate(rand.Reader, etcd, company, newKey(t).Public(), root)
	check(t, err)
	c, err := x509.ParseCertificate(der)
	check(t, err)
	return c
}

// TestAdoptionReasons has what an adoption encloses and is not what it says, each beside
// its own file as it was.
func TestAdoptionReasons(t *testing.T) {
	m := makeRequest(t, controlPlane())
	a := adoptionOf(t, m)
	etcd, account := adoptedAuthorityFile("etcd"), adoptedPublicFile
	junk := []byte{0x30, 3, 2, 1, 1}
	for _, row := range []struct {
		of, part string
		content  []byte
		says     string // "" where it is taken
	}{
		{"etcd's own authority", etcd, pemOf(certificatePEM, a.Authorities["etcd"].Raw), ""},
		{
			"an authority that the company's root signed", etcd, pemOf(certificatePEM, issued(t).Raw),
			`CN=etcd-ca is not self-signed: it was issued by "CN=company-root", and not by itself ("CN=etcd-ca"); only`,
		},
		{"no certificate in PEM of one", etcd, pemOf(certificatePEM, junk), "is not a certificate: "},
		{"the account's public key", account, a.AccountPublic, ""},
		{"no public key in PEM of one", account, pemOf(publicPEM, junk), "is not a public key: "},
		{"a private key in its place", account, pemOf("PRIVATE KEY", junk), "is not PEM of one public key"},
	} {
		data, err := Make(testCluster(), m.node, m.leaves, m.keys, m.recipient, created, rand.Reader, a)
		check(t, err)
		e := entries(t, data)
		var r Request
		if refusal := r.decode(e[requestFile]); refusal != nil {
			t.Fatal(refusal)
		}
		replaced(row.part, row.content)(&r, e)
		raw, err := r.encode()
		check(t, err)
		e[requestFile] = raw
		m.signAll(t, e)
		if row.says != "" {
			refused(t, row.of, repack(t, e), row.part, row.says)
		} else if _, err := Parse("node.req", repack(t, e)); err != nil {
			t.Errorf("%s: %v", row.of, err)
		}
	}
}

// TestRequestReasons has requests that are signed by every key, and are none.
func TestRequestReasons(t *testing.T) {
	m := makeRequest(t, worker())
	csrs := map[string][]byte{"kubelet.conf": csrPEMOf(t, m.keys["kubelet.conf"], nil)}
	signed := func(recipient string, csr []byte) []byte {
		e := entries(t, m.forge(t, map[string][]byte{"kubelet.conf": csr}, func(r *Request) {
			r.Recipient.SHA256 = fingerprint.Of([]byte(recipient))
			if block, _ := pem.Decode(csr); block != nil {
				c, err := x509.ParseCertificateRequest(block.Bytes)
				check(t, err)
				r.CSRs[0].SPKI = fingerprint.Of(c.RawSubjectPublicKeyInfo)
			}
		}))
		e[recipientFile] = []byte(recipient)
		return repack(t, e)
	}
	whole := signed(m.recipient+"\n", csrs["kubelet.conf"])
	if _, err := Parse("node.req", whole); err != nil {
		t.Fatal(err)
	}
	refused(t, "a recipient that an editor cut", signed(m.recipient, csrs["kubelet.conf"]), recipientFile,
		"does not end with a newline")

	key, err := rsa.GenerateKey(rand.Reader, 2048)
	check(t, err)
	m.keys["kubelet.conf"] = key
	if _, err := Parse("node.req", signed(m.recipient+"\n", csrPEMOf(t, key, nil))); err != nil {
		t.Fatal(err)
	}
	subject := pkix.Name{CommonName: "system:node:worker-1", Organization: []string{"system:nodes"}}
	refused(t, "a public key with a third number", signed(m.recipient+"\n",
		longer(t, key, &x509.CertificateRequest{Subject: subject})), csrFile("kubelet.conf"),
		"its public key is not encoded as RFC 5280 and RFC 5480 have it")

	m2 := makeRequest(t, worker())
	e := entries(t, m2.data)
	p := &Present{Leaf: "kubelet.conf", Chain: present(t, newKey(t)), Key: newKey(t)}
	r, err := Parse("f", m2.data)
	check(t, err)
	p.announce(&r.Request, e)
	e[previousFile] = pemOf(certificatePEM, []byte{0x30, 3, 2, 1, 1})
	r.Previous.SHA256 = fingerprint.Of(e[previousFile])
	raw, err := r.Request.encode()
	check(t, err)
	e[requestFile] = raw
	m2.signAll(t, e)
	file, content, err := p.vouch(rand.Reader, raw)
	check(t, err)
	e[file] = content
	refused(t, "a voucher's PEM of nothing", repack(t, e), previousFile, "is not a certificate: ")

	// Bytes that claim more than a request may have.
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	large := csrFile("kubelet.conf")
	check(t, w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: large, Size: maxSize + 1, Mode: 0o644}))
	refused(t, "an entry of 1 MiB and a byte", append(b.Bytes(), make([]byte, 1024)...), large,
		"has more than 1048576 bytes")
}

// TestPackReasons: what cannot be packed is told by its own reason.
func TestPackReasons(t *testing.T) {
	m := makeRequest(t, worker())
	packed := func(node kubepki.Node, keys Keys, csrs map[string][]byte) error {
		_, err := Pack(testCluster(), node, csrs, keys, m.recipient, created, rand.Reader)
		return err
	}
	csr := csrPEMOf(t, m.keys["kubelet.conf"], nil)
	check(t, packed(worker(), m.keys, map[string][]byte{"kubelet.conf": csr}))
	for want, err := range map[string]error{
		"no key for kubelet.conf": packed(worker(), Keys{}, map[string][]byte{"kubelet.conf": csr}),
		"request of node worker-1: ": packed(worker(), Keys{strings.Repeat("n", 300): m.keys["kubelet.conf"]},
			map[string][]byte{strings.Repeat("n", 300): csr}),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// longer is a CSR by an RSA key whose public key has a third number, which readers skip.
func longer(t *testing.T, key *rsa.PrivateKey, template *x509.CertificateRequest) []byte {
	t.Helper()
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	check(t, err)
	var info struct {
		Version            int
		Subject, PublicKey asn1.RawValue
		Attributes         asn1.RawValue `asn1:"tag:0"`
	}
	c, err := x509.ParseCertificateRequest(der)
	check(t, err)
	_, err = asn1.Unmarshal(c.RawTBSCertificateRequest, &info)
	check(t, err)
	var spki struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	_, err = asn1.Unmarshal(info.PublicKey.FullBytes, &spki)
	check(t, err)
	spki.Key.Bytes, err = asn1.Marshal(struct {
		N    *big.Int
		E, X int
	}{key.N, key.E, 7})
	check(t, err)
	spki.Key.BitLength = 8 * len(spki.Key.Bytes)
	info.PublicKey.FullBytes, err = asn1.Marshal(spki)
	check(t, err)
	tbs, err := asn1.Marshal(info)
	check(t, err)
	sha256WithRSA := asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}
	digest := sha256.Sum256(tbs)
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	check(t, err)
	der, err = asn1.Marshal(struct {
		Info      asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}{
		asn1.RawValue{FullBytes: tbs},
		pkix.AlgorithmIdentifier{Algorithm: sha256WithRSA, Parameters: asn1.NullRawValue},
		asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)},
	})
	check(t, err)
	return pemOf(csrPEM, der)
}
