package receipt_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/refusaltest"
	"officiant/ceremony/receipt"
	"officiant/ceremony/schedule"
)

// year is that of the entry, of the root and of what is returned.
const year = 365 * 24 * time.Hour

// company is a CA of others, and the authority whose certificate it makes.
type company struct {
	t           *testing.T
	now         time.Time
	root, own   crypto.Signer
	certificate *x509.Certificate // the root's
	entry       schedule.Entry
}

func newCompany(t *testing.T) *company {
	t.Helper()
	c := &company{t: t, now: time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC), root: key(t), own: key(t)}
	c.certificate = parse(t, c.sign(&x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Company Root"},
		NotBefore: c.now.Add(-year), NotAfter: c.now.Add(20 * year), BasicConstraintsValid: true, IsCA: true,
		KeyUsage: x509.KeyUsageCertSign, SubjectKeyId: []byte("root"), MaxPathLen: -1,
	}, nil, c.root.Public(), c.root))
	c.entry = schedule.Entry{
		Kind: schedule.ExternalCertificate, Name: "kubernetes", CommonName: "kubernetes-ca",
		Organization: []string{"prod"},
		KeyUsage:     x509.KeyUsageCertSign | x509.KeyUsageCRLSign, IsCA: true, Duration: 10 * year,
		Least:       2 * year,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	return c
}

func key(t *testing.T) crypto.Signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func parse(t *testing.T, text string) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *company) sign(template, parent *x509.Certificate, pub any, by crypto.Signer) string {
	c.t.Helper()
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, pub, by)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// template is of a certificate as it should be.
func (c *company) template() *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(77), Subject: pkix.Name{CommonName: "kubernetes-ca",
			Organization: []string{"prod"}},
		NotBefore: c.now.Add(-time.Hour), NotAfter: c.now.Add(5 * year), BasicConstraintsValid: true, IsCA: true,
		KeyUsage: c.entry.KeyUsage, ExtKeyUsage: c.entry.ExtKeyUsage, MaxPathLenZero: true,
		SubjectKeyId: []byte("own"),
	}
}

// made is what comes back, changed.
func (c *company) made(change func(*x509.Certificate)) string {
	template := c.template()
	change(template)
	return c.sign(template, c.certificate, c.own.Public(), c.root)
}

func (c *company) expected() receipt.Expected {
	return receipt.Expected{
		Entries: []schedule.Entry{c.entry},
		Keys:    map[string]fingerprint.SHA256{"kubernetes": spki(c.t, c.own.Public())},
		Roots:   map[string]*x509.Certificate{"kubernetes": c.certificate},
		Now:     c.now,
		Used:    func(n *big.Int) bool { return n.Cmp(big.NewInt(1)) == 0 },
	}
}

func spki(t *testing.T, pub any) fingerprint.SHA256 {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return fingerprint.Of(der)
}

// read makes a reader of what came back for the one authority.
func (c *company) read(change func(*receipt.Expected)) func([]byte) error {
	return func(data []byte) error {
		x := c.expected()
		change(&x)
		accepted, refused := receipt.Check(map[string][]byte{"kubernetes": data}, x)
		if (len(accepted) > 0) == (len(refused) > 0) {
			c.t.Errorf("%d accepted, and refused: %q", len(accepted), refused)
		}
		if len(refused) == 0 {
			return nil
		}
		return errors.New(strings.Join(refused, "\n"))
	}
}

// extension is one more of a certificate.
func extension(id asn1.ObjectIdentifier, critical bool) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: id, Critical: critical,
			Value: []byte{5, 0}})
	}
}

var (
	oidTemplate = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2}
	oidOther    = asn1.ObjectIdentifier{1, 2, 3, 4}
	oidBasic    = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidUnit     = asn1.ObjectIdentifier{2, 5, 4, 11}
)

// TestRefusals is the catalogue of what a certificate that comes back is refused with.
func TestRefusals(t *testing.T) {
	c := newCompany(t)
	type cert = x509.Certificate
	good := c.made(func(*cert) {})
	other := newCompany(t)
	subordinate := func(change func(*cert)) string { return c.below(change) }
	loose := pkix.Extension{Id: oidBasic, Value: []byte{0x30, 6, 1, 1, 0xff, 2, 1, 0}}
	renewed := c.read(func(x *receipt.Expected) {
		x.Renewed = map[string]*x509.Certificate{"kubernetes": parse(t,
			c.made(func(c *cert) { c.SubjectKeyId = []byte("old") }))}
	})
	request := refusaltest.Shell(t, t.TempDir(), `openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 \
		-nodes -keyout /dev/null -subj /CN=a 2>/dev/null`)
	refusaltest.Hold(t, refusaltest.Table{
		Read:    c.read(func(*receipt.Expected) {}),
		Sources: []string{"receipt.go"},
		Except: map[string]string{
			"has the extension %s twice": "crypto/x509 refuses it before: TestTwice",
			"missing, and ":              "needs files of other names: TestSerialTwice",
			"has the serial number of ":  "needs two files: TestSerialTwice",
		},
		Rows: []refusaltest.Row{
			{Of: "as it should be", Data: good},
			{Of: "with the root behind it", Data: good + pemOf(c.certificate)},
			{Of: "a CA between", Data: subordinate(func(*cert) {})},
			{Of: "Microsoft's", Data: c.made(extension(oidTemplate, false))},
			{
				Of: "another's key", Data: other.made(func(*cert) {}), Not: good,
				Says: "its public key is " + spki(t,
					other.own.Public()).String() + ", the kubernetes key of this ceremony is",
			},
			{
				Of: "a bundle of others'", Data: pemOf(c.certificate) + other.made(func(*cert) {}),
				Not:  pemOf(c.certificate) + good,
				Says: "none of its 2 certificates is for the kubernetes key of this ceremony",
			},
			{
				Of: "a number on record", Data: c.made(func(c *cert) { c.SerialNumber = big.NewInt(1) }), Not: good,
				Says: "its serial number 1 is on record already",
			},
			{
				Of: "version 1", Data: c.version1(), Not: c.bare(), Instead: "lacks the extension",
				Says: "is not an X.509 version 3 certificate with extensions alone",
			},
			{Of: "two roots, the other's first", Data: c.crossed(t)},
			{
				Of: "two of the key", Data: good + c.made(func(c *cert) { c.SerialNumber = big.NewInt(78) }),
				Not: good + c.otherRoot(),
				Says: "has several certificates for the kubernetes key of this ceremony, with the serial numbers 4d, " +
					"4e: leave only the one that is meant",
			},
			{Of: "another root's of the key first", Data: c.otherRoot() + good},
			{Of: "in a circle", Data: c.circle(), Says: "leads back to it and to no root", Not: c.crossed(t)},
			{
				Of:   "a long number",
				Data: c.made(func(c *cert) { c.SerialNumber = new(big.Int).Lsh(big.NewInt(1), 159) }),
				Says: "serial number is not a positive number of at most 20 octets",
				Not:  c.made(func(c *cert) { c.SerialNumber = new(big.Int).Lsh(big.NewInt(1), 158) }),
			},
			{
				Of: "an old number of its own", Data: good,
				Says: "are not written as in the certificate it renews", Read: renewed,
				Not: c.made(func(c *cert) { c.SubjectKeyId = []byte("old") }),
			},
			{
				Of:   "a unit",
				Says: "subject has the attribute 2.5.4.11 beside CN and O; ask for the request's own subject",
				Data: c.made(func(c *cert) {
					c.Subject.ExtraNames = []pkix.AttributeTypeAndValue{{Type: oidUnit,
						Value: "IT"}}
				}),
				Not:     c.made(func(c *cert) { c.Subject.Organization = []string{"IT"} }),
				Instead: "the schedule says",
			},
			{
				Of: "another name", Data: c.made(func(c *cert) { c.Subject.CommonName = "kubernetes" }), Not: good,
				Says: `subject is "CN=kubernetes,O=prod", the schedule says "CN=kubernetes-ca,O=prod"`,
			},
			{
				Of: "no CA", Data: c.made(func(c *cert) { c.IsCA, c.MaxPathLenZero = false, false }),
				Says:    "is not the certificate of a CA",
				Not:     c.made(func(c *cert) { c.MaxPathLenZero = false; c.MaxPathLen = -1 }),
				Instead: "path length is unlimited",
			},
			{
				Of: "a longer path", Data: c.made(func(c *cert) { c.MaxPathLen, c.MaxPathLenZero = 1, false }),
				Not:  good,
				Says: "path length is 1, the schedule says 0",
			},
			{
				Of: "no list", Data: c.made(func(c *cert) { c.KeyUsage = x509.KeyUsageCertSign }),
				Says: "key usage is keyCertSign, the schedule says keyCertSign,cRLSign",
				Not:  c.made(func(c *cert) { c.KeyUsage |= x509.KeyUsageDigitalSignature }),
			},
			{
				Of: "no usage", Data: c.made(func(c *cert) { c.ExtKeyUsage = nil }), Not: good,
				Says: "extended key usage is none, the schedule says serverAuth,clientAuth",
			},
			{
				Of:   "any usage",
				Data: c.made(func(c *cert) { c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{oidOther} }), Not: good,
				Says: "extended key usage is serverAuth,clientAuth,1.2.3.4, the schedule",
			},
			{
				Of: "an extension", Data: c.made(extension(oidOther, false)), Not: c.made(extension(oidTemplate,
					false)),
				Says: "has the extension 1.2.3.4, which is not accepted",
			},
			{
				Of: "a template that all must know", Data: c.made(extension(oidTemplate, true)),
				Says: "has the extension 1.3.6.1.4.1.311.20.2, which must not be critical",
				Not:  c.made(extension(oidTemplate, false)),
			},
			{
				Of:   "loose constraints",
				Data: c.made(func(c *cert) { c.ExtraExtensions = []pkix.Extension{loose} }), Not: good,
				Says: "basic constraints are not critical",
			},
			{
				Of: "no key identifier", Data: c.bare(), Not: good,
				Says: "lacks the extension 2.5.29.35 (authority key identifier)",
			},
			{
				Of: "too long", Data: c.made(func(c *cert) { c.NotAfter = c.NotBefore.Add(11 * year) }), Not: good,
				Says: "is valid for 11y, the schedule says at most 10y",
			},
			{
				Of: "tomorrow's", Data: c.made(func(c *cert) { c.NotBefore = c.NotBefore.Add(24 * time.Hour) }),
				Not:  good,
				Says: "is not valid before 2026-12-01T08:00:00Z, and it is 2026-11-30T09:00:00Z",
			},
			{
				Of: "too short", Data: c.made(func(c *cert) { c.NotAfter = c.NotBefore.Add(year) }), Not: good,
				Says: "ends on 2027-11-30T08:00:00Z, and 2y from now have to be left of it: until 2028-11-29T09:00:00Z",
			},
			{
				Of: "another's identifier", Data: c.wrongIdentifier(), Not: good,
				Says: "authority key identifier is 6f74686572, its issuer's is 726f6f74",
			},
			{
				Of: "a namesake above", Data: subordinate(func(c *cert) {
					c.Subject = pkix.Name{CommonName: "kubernetes-ca", Organization: []string{"prod"}}
				}), Says: "has the subject of a CA above it", Not: subordinate(func(*cert) {}),
			},
			{Of: "of another root", Data: c.otherRoot(),
				Says: "which is neither the root nor a CA that came with it", Not: good},
			{Of: "ended above", Data: subordinate(func(o *cert) { o.NotAfter = c.now.Add(-time.Minute) }),
				Not: good, Says: "and it is 2026-11-30T09:00:00Z"},
			{Of: "a request", Data: request, Says: "a certificate request", Not: good},
		},
	})
}

func pemOf(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

// below is the authority's certificate by a CA between it and the root, which comes
// with it.
func (c *company) below(change func(*x509.Certificate)) string {
	between := &x509.Certificate{
		SerialNumber: big.NewInt(5), Subject: pkix.Name{CommonName: "Company Issuing CA"},
		NotBefore: c.now.Add(-year),
		NotAfter:  c.now.Add(10 * year), BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign,
		SubjectKeyId: []byte("between"), MaxPathLen: 1,
	}
	change(between)
	by := key(c.t)
	issuer := c.sign(between, c.certificate, by.Public(), c.root)
	template := c.template()
	template.AuthorityKeyId = between.SubjectKeyId // crypto/x509 leaves it out where both have one name
	return c.sign(template, parse(c.t, issuer), c.own.Public(), by) + issuer
}

// bare is one whose issuer puts no identifier of itself into what it signs.
func (c *company) bare() string {
	parent := *c.certificate
	parent.SubjectKeyId = nil
	return c.sign(c.template(), &parent, c.own.Public(), c.root)
}

func (c *company) wrongIdentifier() string {
	parent := *c.certificate
	parent.SubjectKeyId = []byte("other")
	return c.sign(c.template(), &parent, c.own.Public(), c.root)
}

// otherRoot is one that another company's root has signed.
func (c *company) otherRoot() string {
	parent := *c.certificate
	parent.RawSubject, parent.Subject = nil, pkix.Name{CommonName: "Other Root"}
	return c.sign(c.template(), &parent, c.own.Public(), c.root)
}

// version1 is one without extensions, as an old CA makes it.
func (c *company) version1() string {
	var tbs struct {
		Raw        asn1.RawContent
		Version    int `asn1:"optional,explicit,default:0,tag:0"`
		Serial     *big.Int
		Algorithm  pkix.AlgorithmIdentifier
		Issuer     asn1.RawValue
		Validity   asn1.RawValue
		Subject    asn1.RawValue
		PublicKey  asn1.RawValue
		Extensions []pkix.Extension `asn1:"omitempty,optional,explicit,tag:3"`
	}
	c.unmarshal(parse(c.t, c.made(func(*x509.Certificate) {})).RawTBSCertificate, &tbs)
	algorithm := tbs.Algorithm
	tbs.Raw, tbs.Version, tbs.Extensions = nil, 0, nil
	der := c.marshal(tbs)
	digest := sha256.Sum256(der)
	signature, err := c.root.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		c.t.Fatal(err)
	}
	whole := c.marshal(struct {
		TBS       asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}{asn1.RawValue{FullBytes: der}, algorithm, asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}})
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: whole}))
}

func (c *company) marshal(v any) []byte {
	c.t.Helper()
	der, err := asn1.Marshal(v)
	if err != nil {
		c.t.Fatal(err)
	}
	return der
}

func (c *company) unmarshal(der []byte, v any) {
	c.t.Helper()
	if _, err := asn1.Unmarshal(der, v); err != nil {
		c.t.Fatal(err)
	}
}

// crossed is what a company sends that has two roots, which certified the CA between:
// both certificates of it, the other root's first.
func (c *company) crossed(t *testing.T) string {
	mine := c.below(func(*x509.Certificate) {})
	blocks := strings.SplitAfter(mine, "-----END CERTIFICATE-----\n")
	between := parse(t, blocks[1])
	other := newCompany(t)
	parent := *other.certificate
	parent.RawSubject, parent.Subject = nil, pkix.Name{CommonName: "Other Root"}
	template := *between
	template.SerialNumber = big.NewInt(6)
	return blocks[0] + c.sign(&template, &parent, between.PublicKey, other.root) + blocks[1]
}

// circle is what comes back where two CAs certify each other, and no root either.
func (c *company) circle() string {
	a, b := key(c.t), key(c.t)
	ca := func(name string) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(9), Subject: pkix.Name{CommonName: name}, NotBefore: c.now,
			NotAfter:              c.now.Add(10 * year),
			BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign,
			SubjectKeyId: []byte(name), MaxPathLen: -1,
		}
	}
	return c.sign(c.template(), ca("A"), c.own.Public(), a) + c.sign(ca("A"), ca("B"), a.Public(), b) +
		c.sign(ca("B"), ca("A"), b.Public(), a)
}

// TestSerialTwice: no two of one delivery have one number, and each file is there.
func TestSerialTwice(t *testing.T) {
	c := newCompany(t)
	x := c.expected()
	etcd := c.entry
	etcd.Name = "etcd"
	x.Entries = append(x.Entries, etcd)
	x.Keys["etcd"], x.Roots["etcd"] = x.Keys["kubernetes"], c.certificate
	one := []byte(c.made(func(*x509.Certificate) {}))
	two := []byte(c.made(func(t *x509.Certificate) { t.SerialNumber = big.NewInt(78) }))
	root := []byte(pemOf(c.certificate))
	for _, row := range []struct {
		files map[string][]byte
		says  string
	}{
		{map[string][]byte{"kubernetes": one, "etcd": one}, "etcd.crt: has the serial number of kubernetes.crt"},
		{map[string][]byte{"kubernetes": one}, "etcd.crt: missing"},
		{map[string][]byte{"kubernetes": one, "etcd": two}, ""},
		{map[string][]byte{"kubernetes": one, receipt.Others: append(slices.Clone(root), two...)}, ""},
		{map[string][]byte{"kubernetes": one, receipt.Others: root},
			"etcd.crt: missing, and of 1 in other files none is for " +
				"the etcd key of this ceremony, " + x.Keys["etcd"].String()},
		{map[string][]byte{"kubernetes": one, receipt.Others: []byte("a")},
			"etcd.crt: missing, and the files of other names " +
				"together: holds no certificate: neither PEM nor DER is in it"},
	} {
		if _, refused := receipt.Check(row.files, x); strings.Join(refused, "\n") != row.says {
			t.Errorf("%q, want %q", refused, row.says)
		}
	}
}

// TestTwice: what the parser refuses, by its sentence.
func TestTwice(t *testing.T) {
	c := newCompany(t)
	twice := c.template()
	extension(oidOther, false)(twice)
	extension(oidOther, false)(twice)
	err := c.read(func(*receipt.Expected) {})([]byte(c.sign(twice, c.certificate, c.own.Public(), c.root)))
	if err == nil || !strings.Contains(err.Error(), "duplicate extension") {
		t.Error(err)
	}
}
