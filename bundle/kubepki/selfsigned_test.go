package kubepki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"strings"
	"testing"
	"time"
)

// root makes a self-signed CA; resign replaces its signature, as crypto/x509 makes
// none of that kind.
func testRoot(t *testing.T, key crypto.Signer, name pkix.Name, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: name, NotBefore: time.Now(), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, SubjectKeyId: []byte{1},
	}
	if change != nil {
		change(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func resign(t *testing.T, c *x509.Certificate, algorithm pkix.AlgorithmIdentifier,
	sign func(tbs []byte) []byte) *x509.Certificate {
	t.Helper()
	var outer struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	if _, err := asn1.Unmarshal(c.Raw, &outer); err != nil {
		t.Fatal(err)
	}
	inner := struct {
		Version    int `asn1:"explicit,tag:0"`
		Serial     *big.Int
		Algorithm  pkix.AlgorithmIdentifier
		Issuer     asn1.RawValue
		Validity   asn1.RawValue
		Subject    asn1.RawValue
		PublicKey  asn1.RawValue
		Extensions []pkix.Extension `asn1:"explicit,tag:3"`
	}{}
	if _, err := asn1.Unmarshal(c.RawTBSCertificate, &inner); err != nil {
		t.Fatal(err)
	}
	inner.Algorithm = algorithm
	tbs, err := asn1.Marshal(inner)
	if err != nil {
		t.Fatal(err)
	}
	outer.TBS, outer.Algorithm = asn1.RawValue{FullBytes: tbs}, algorithm
	signature := sign(tbs)
	outer.Signature = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	der, err := asn1.Marshal(outer)
	if err != nil {
		t.Fatal(err)
	}
	again, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Old company roots sign themselves with SHA-1, or by RSASSA-PSS with a salt of 20
// octets: they are roots all the same. What is not is refused for its own reason.
func TestSelfSigned(t *testing.T) {
	key := must(rsa.GenerateKey(rand.Reader, 2048))
	other := must(rsa.GenerateKey(rand.Reader, 2048))
	name := pkix.Name{CommonName: "Root", Organization: []string{"Example Corp"}}
	plain := testRoot(t, key, name, nil)
	sha1RSA := pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5},
		Parameters: asn1.NullRawValue}
	bySHA1 := func(k *rsa.PrivateKey) func([]byte) []byte {
		return func(tbs []byte) []byte {
			sum := sha1.Sum(tbs)
			return must(rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA1, sum[:]))
		}
	}
	salt := must(asn1.Marshal(struct {
		Hash pkix.AlgorithmIdentifier `asn1:"explicit,tag:0"`
		MGF  pkix.AlgorithmIdentifier `asn1:"explicit,tag:1"`
		Salt int                      `asn1:"explicit,tag:2"`
	}{pkix.AlgorithmIdentifier{Algorithm: oidSHA256}, pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1,
		2, 840, 113549, 1, 1, 8}}, 20}))
	pss := pkix.AlgorithmIdentifier{Algorithm: oidPSS, Parameters: asn1.RawValue{FullBytes: salt}}
	byPSS := func(tbs []byte) []byte {
		sum := sha256.Sum256(tbs)
		return must(rsa.SignPSS(rand.Reader, key, crypto.SHA256, sum[:], &rsa.PSSOptions{SaltLength: 20,
			Hash: crypto.SHA256}))
	}
	md5 := pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 4},
		Parameters: asn1.NullRawValue}
	unknown := pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 3}}
	intermediate := must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader,
		&x509.Certificate{SerialNumber: big.NewInt(2),
			Subject: pkix.Name{CommonName: "below"}}, plain, other.Public(), key))))
	for what, row := range map[string]struct {
		c    *x509.Certificate
		want string
	}{
		"SHA-256": {plain, ""},
		"ECDSA":   {testRoot(t, must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)), name, nil), ""},
		"PSS": {testRoot(t, key, name,
			func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA384WithRSAPSS }), ""},
		"SHA-1":            {resign(t, plain, sha1RSA, bySHA1(key)), ""},
		"PSS of 20 octets": {resign(t, plain, pss, byPSS), ""},
		"another's key": {resign(t, plain, sha1RSA, bySHA1(other)),
			"names itself as its issuer, and is not signed by its own key"},
		"MD5": {resign(t, plain, md5, bySHA1(key)),
			"signs itself with MD5-RSA, which nothing verifies any more"},
		"unknown algorithm": {resign(t, plain, unknown, bySHA1(key)),
			"signs itself with the algorithm 1.2.3, which is not known here"},
		"an intermediate":  {intermediate, `was issued by "CN=Root,O=Example Corp", and not by itself ("CN=below")`},
		"two string types": {reissued(t, key), "in two encodings"},
		"PSS of odd content": {resign(t, plain, pkix.AlgorithmIdentifier{Algorithm: oidPSS,
			Parameters: asn1.NullRawValue}, byPSS), "cannot be read"},
	} {
		err := SelfSigned(row.c)
		if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
			t.Errorf("%s: %v, want %q", what, err, row.want)
		}
	}
	if found := Above(resign(t, plain, sha1RSA, bySHA1(key)), 1); len(found) > 0 {
		t.Errorf("a root of SHA-1: %v", found)
	}
	noUsage := testRoot(t, key, name, func(c *x509.Certificate) { c.KeyUsage = 0 })
	if found := Above(noUsage, 1); len(found) > 0 || !MayCertify(noUsage) {
		t.Errorf("a root without key usage: %v", found)
	}
	wrongUsage := testRoot(t, key, name, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign })
	if found := strings.Join(Above(wrongUsage, 1), " "); found != "its key usage does not allow certificates to be "+
		"signed" {
		t.Errorf("a root with another key usage: %v", found)
	}
}

// printable is a name in PrintableString and UTF8String.
func encodings(t *testing.T, text string) (printable, utf8 []byte) {
	t.Helper()
	name := func(tag int) []byte {
		value := asn1.RawValue{Tag: tag, Bytes: []byte(text)}
		type attribute struct {
			Type  asn1.ObjectIdentifier
			Value asn1.RawValue
		}
		type set []attribute
		set0 := asn1.RawValue{Class: 0, Tag: 17, IsCompound: true,
			Bytes: must(asn1.Marshal(attribute{asn1.ObjectIdentifier{2, 5, 4, 3}, value}))}
		return must(asn1.Marshal(asn1.RawValue{Class: 0, Tag: 16, IsCompound: true, Bytes: must(asn1.Marshal(set0))}))
	}
	return name(19), name(12)
}

// reissued is a self-issued certificate whose names differ in string type.
func reissued(t *testing.T, key *rsa.PrivateKey) *x509.Certificate {
	t.Helper()
	printable, utf8 := encodings(t, "Root")
	parent := testRoot(t, key, pkix.Name{}, func(c *x509.Certificate) { c.RawSubject = printable })
	template := &x509.Certificate{SerialNumber: big.NewInt(3), RawSubject: utf8, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotAfter: time.Now().AddDate(1, 0, 0)}
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, parent, key.Public(), key))))
}

// An issuer that is not found is refused for the reason it is not found for.
func TestNoIssuer(t *testing.T) {
	key := must(rsa.GenerateKey(rand.Reader, 2048))
	other := must(rsa.GenerateKey(rand.Reader, 2048))
	printable, utf8 := encodings(t, "Root  CA")
	root := testRoot(t, key, pkix.Name{}, func(c *x509.Certificate) { c.RawSubject = printable })
	twin := testRoot(t, key, pkix.Name{}, func(c *x509.Certificate) { c.RawSubject = utf8 })
	imposter := testRoot(t, other, pkix.Name{}, func(c *x509.Certificate) { c.RawSubject = printable })
	stranger := testRoot(t, other, pkix.Name{CommonName: "Stranger"}, nil)
	below := func(parent *x509.Certificate, k *rsa.PrivateKey) *x509.Certificate {
		return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader,
			&x509.Certificate{SerialNumber: big.NewInt(4),
				Subject: pkix.Name{CommonName: "etcd-ca"}}, parent, other.Public(), k))))
	}
	sha1RSA := pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5},
		Parameters: asn1.NullRawValue}
	weakly := resign(t, below(root, key), sha1RSA, func(tbs []byte) []byte {
		sum := sha1.Sum(tbs)
		return must(rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA1, sum[:]))
	})
	for what, row := range map[string]struct {
		c    *x509.Certificate
		want string
	}{
		"by the root":      {below(root, key), ""},
		"another encoding": {below(twin, key), "in another encoding (string type, case or spaces)"},
		"another's key":    {below(imposter, other), "its signature is not by the root's key"},
		"another CA":       {below(stranger, other), "which is neither the root nor a CA that came with it"},
		"a weak algorithm": {weakly, "is signed with an algorithm that Kubernetes does not verify (SHA1-RSA)"},
	} {
		_, err := Chain(row.c, root, nil)
		if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
			t.Errorf("%s: %v, want %q", what, err, row.want)
		}
	}
	if !SameName(printable, utf8) || SameName(printable, stranger.RawSubject) || SameName(nil, nil) {
		t.Error("names")
	}
}

func TestGrants(t *testing.T) {
	l := Leaf{DNSNames: []string{"cp-1"}}
	l.addNames([]string{"10.0.0.14", "fd00::1"})
	for name, want := range map[string]bool{"cp-1": true, "CP-1": true, "cp-2": false, "10.0.0.14": true,
		"10.0.0.15": false, "fd00:0::1": true} {
		if l.Grants(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}
