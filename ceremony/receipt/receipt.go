package receipt

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
)

// Expected is what certificates are checked against.
type Expected struct {
	Entries []schedule.Entry              // the schedule's of kind external
	Keys    map[string]fingerprint.SHA256 // SPKI by authority name
	Roots   map[string]*x509.Certificate  // that certify the authorities, by their names
	Renewed map[string]*x509.Certificate  // what an authority had so far, where it gets another for the same key
	Now     time.Time
	Used    func(*big.Int) bool // whether a serial number is on record
}

// Certificate is one that came back.
type Certificate struct {
	Entry       schedule.Entry
	Certificate *x509.Certificate
	Issuers     []*x509.Certificate // between it and the root, its own issuer first
}

// Others names the certificates, in PEM, from files not named after an authority. An
// authority without a file of its own is searched for there, by its key.
const Others = ""

// Check holds files, by authority name, against what is expected. It returns
// either all certificates, in the schedule's order, or why some are refused.
func Check(files map[string][]byte, x Expected) (accepted []Certificate, refused []string) {
	serials := map[string]string{}
	for _, e := range x.Entries {
		data, ok := files[e.Name]
		if !ok {
			var problem string
			if data, problem = x.among(files[Others], e); problem != "" {
				refused = append(refused, e.Name+".crt: "+problem)
				continue
			}
		}
		c, problems := x.check(e, data)
		if c.Certificate != nil {
			serial := c.Certificate.SerialNumber.String()
			if other, ok := serials[serial]; ok {
				problems = append(problems, "has the serial number of "+other+".crt")
			}
			serials[serial] = e.Name
		}
		for _, p := range problems {
			refused = append(refused, e.Name+".crt: "+p)
		}
		accepted = append(accepted, c)
	}
	if len(refused) > 0 {
		return nil, refused
	}
	return accepted, nil
}

// among is what came in other files, where a certificate of the authority's key is in it.
func (x Expected) among(others []byte, e schedule.Entry) (data []byte, problem string) {
	if len(others) == 0 {
		return nil, "missing"
	}
	list, err := schedule.ParseCertificates(others)
	if err != nil {
		return nil, "missing, and the files of other names together: " + err.Error()
	}
	if cert, _, _ := x.own(e, list); fingerprint.Of(cert.RawSubjectPublicKeyInfo) != x.Keys[e.Name] {
		return nil, fmt.Sprintf("missing, and of %d in other files none is for the %s key of this ceremony, %s",
			len(list),
			e.Name, x.Keys[e.Name])
	}
	return others, ""
}

func (x Expected) check(e schedule.Entry, data []byte) (Certificate, []string) {
	list, err := schedule.ParseCertificates(data)
	if err != nil {
		return Certificate{}, []string{err.Error()}
	}
	cert, with, others := x.own(e, list)
	if len(others) > 0 {
		serials := strings.Join(append([]string{serialOf(cert)}, others...), ", ")
		return Certificate{}, []string{fmt.Sprintf("has several certificates for the %s key of this ceremony, with "+
			"the serial numbers %s: leave only the one that is meant", e.Name, serials)}
	}
	if len(list) > 1 && fingerprint.Of(cert.RawSubjectPublicKeyInfo) != x.Keys[e.Name] {
		return Certificate{},
			[]string{fmt.Sprintf("none of its %d certificates is for the %s key of this ceremony, "+
				"%s", len(list), e.Name, x.Keys[e.Name])}
	}
	d := &differences{entry: e, cert: cert}
	if got := fingerprint.Of(cert.RawSubjectPublicKeyInfo); got != x.Keys[e.Name] {
		d.add("its public key is %s, the %s key of this ceremony is %s", got, e.Name, x.Keys[e.Name])
	}
	d.subject()
	d.form()
	d.usages()
	d.extensions()
	d.lifetime(x.Now)
	if x.Used != nil && x.Used(cert.SerialNumber) {
		d.add("its serial number %x is on record already", cert.SerialNumber)
	}
	d.same(x.Renewed[e.Name])
	return Certificate{e, cert, chain(d, x.Roots[e.Name], x.Now, with)}, d.found
}

// own picks the certificate of the authority's key out of what came back, wherever it
// stands: a PKCS #7 file is a set, and openssl prints it as it comes. Where none has that
// key it is the first. Of several, it is the one that leads to the root; others are the
// serial numbers of those that lead there, too.
func (x Expected) own(
	e schedule.Entry, list []*x509.Certificate,
) (cert *x509.Certificate, with []*x509.Certificate, others []string) {
	ofKey := func(c *x509.Certificate) bool { return fingerprint.Of(c.RawSubjectPublicKeyInfo) == x.Keys[e.Name] }
	cert = list[max(slices.IndexFunc(list, ofKey), 0)]
	with = slices.DeleteFunc(slices.Clone(list), func(c *x509.Certificate) bool { return c == cert || ofKey(c) })
	leads := false
	for _, c := range list {
		root := x.Roots[e.Name]
		_, err := kubepki.Chain(c, root, slices.DeleteFunc(slices.Clone(with), root.Equal))
		switch {
		case !ofKey(c) || err != nil:
		case leads:
			others = append(others, serialOf(c))
		default:
			cert, leads = c, true
		}
	}
	return cert, with, others
}

func serialOf(c *x509.Certificate) string { return c.SerialNumber.Text(16) }

// chain finds the way up to the root among what came with the certificate. What else
// came, such as a cross-certificate of the root, is passed over: a company's PKCS #7 is
// a set, and nothing of it goes on record but the way.
func chain(d *differences, root *x509.Certificate, now time.Time, with []*x509.Certificate) []*x509.Certificate {
	pool := slices.DeleteFunc(slices.Clone(with), root.Equal)
	issuers, err := kubepki.Chain(d.cert, root, pool)
	if err != nil {
		d.add("%v", err)
		return nil
	}
	for _, problem := range kubepki.Chained(d.cert, root, issuers, now) {
		d.add("%s", problem)
	}
	above := append(slices.Clone(issuers), root)
	switch {
	case !bytes.Equal(d.cert.AuthorityKeyId, above[0].SubjectKeyId):
		d.add("authority key identifier is %x, its issuer's is %x", d.cert.AuthorityKeyId, above[0].SubjectKeyId)
	case slices.ContainsFunc(above, func(c *x509.Certificate) bool {
		return bytes.Equal(c.RawSubject,
			d.cert.RawSubject)
	}):
		d.add("has the subject of a CA above it")
	}
	return issuers
}

// same wants a certificate that takes another's place to have its subject, byte
// for byte, and its key identifier: what the old one issued names both.
func (d *differences) same(old *x509.Certificate) {
	if old == nil {
		return
	}
	if !bytes.Equal(d.cert.RawSubject, old.RawSubject) || !bytes.Equal(d.cert.SubjectKeyId, old.SubjectKeyId) {
		d.add("subject %q or key identifier %x are not written as in the certificate it renews, %q and %x",
			d.cert.Subject, d.cert.SubjectKeyId, old.Subject, old.SubjectKeyId)
	}
}

// differences are collected about one certificate.
type differences struct {
	entry schedule.Entry
	cert  *x509.Certificate
	found []string
}

func (d *differences) add(format string, args ...any) {
	d.found = append(d.found, fmt.Sprintf(format, args...))
}

var (
	oidCommonName   = asn1.ObjectIdentifier{2, 5, 4, 3}
	oidOrganization = asn1.ObjectIdentifier{2, 5, 4, 10}
)

func (d *differences) subject() {
	var names, organizations []string
	for _, a := range d.cert.Subject.Names {
		text, _ := a.Value.(string)
		switch {
		case a.Type.Equal(oidCommonName):
			names = append(names, text)
		case a.Type.Equal(oidOrganization):
			organizations = append(organizations, text)
		default:
			d.add("subject has the attribute %s beside CN and O; ask for the request's own subject", a.Type)
		}
	}
	want := slices.Sorted(slices.Values(d.entry.Organization))
	if !slices.Equal(names, []string{d.entry.CommonName}) ||
		!slices.Equal(slices.Sorted(slices.Values(organizations)), want) {
		subject := pkix.Name{CommonName: d.entry.CommonName, Organization: d.entry.Organization}
		d.add("subject is %q, the schedule says %q", d.cert.Subject, subject)
	}
}

// form refuses what x509 passes over in silence, and odd serial numbers.
func (d *differences) form() {
	var tbs struct { // RFC 5280, 4.1, without unique identifiers
		Version    int `asn1:"explicit,tag:0"`
		Serial     *big.Int
		Algorithm  pkix.AlgorithmIdentifier
		Issuer     asn1.RawValue
		Validity   asn1.RawValue
		Subject    asn1.RawValue
		PublicKey  asn1.RawValue
		Extensions []pkix.Extension `asn1:"explicit,tag:3"`
	}
	if rest, err := asn1.Unmarshal(d.cert.RawTBSCertificate,
		&tbs); err != nil || len(rest) > 0 || tbs.Version != 2 {
		d.add("is not an X.509 version 3 certificate with extensions alone")
	}
	if n := d.cert.SerialNumber; n.Sign() <= 0 || n.BitLen() > 159 {
		d.add("serial number is not a positive number of at most 20 octets")
	}
}

func (d *differences) usages() {
	c, e := d.cert, d.entry
	if !c.BasicConstraintsValid || !c.IsCA {
		d.add("is not the certificate of a CA")
	} else if c.MaxPathLen != e.MaxPathLen || !c.MaxPathLenZero {
		d.add("path length is %s, the schedule says %d", pathLen(c), e.MaxPathLen)
	}
	if c.KeyUsage&^x509.KeyUsageDigitalSignature != e.KeyUsage {
		d.add("key usage is %s, the schedule says %s", usages(c), usages(&x509.Certificate{KeyUsage: e.KeyUsage}))
	}
	got, want := slices.Sorted(slices.Values(c.ExtKeyUsage)), slices.Sorted(slices.Values(e.ExtKeyUsage))
	if !slices.Equal(got, want) || len(c.UnknownExtKeyUsage) > 0 {
		d.add(
			"extended key usage is %s, the schedule says %s",
			extended(c),
			extended(&x509.Certificate{ExtKeyUsage: e.ExtKeyUsage}),
		)
	}
}

func pathLen(c *x509.Certificate) string {
	if c.MaxPathLen < 0 {
		return "unlimited"
	}
	return fmt.Sprint(c.MaxPathLen)
}

func usages(c *x509.Certificate) string {
	return none(schedule.Usages(schedule.Entry{KeyUsage: c.KeyUsage}))
}

func extended(c *x509.Certificate) string {
	list := schedule.Usages(schedule.Entry{ExtKeyUsage: c.ExtKeyUsage})
	for _, id := range c.UnknownExtKeyUsage {
		list = append(list, id.String())
	}
	return none(list)
}

func none(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ",")
}

// known are the extensions an authority may have, and whether it must.
var known = map[string]bool{
	"2.5.29.14": true, "2.5.29.15": true, "2.5.29.19": true, "2.5.29.35": true, "2.5.29.37": true,
	"2.5.29.31":            false, // CRL distribution points
	"2.5.29.32":            false, // certificate policies
	"1.3.6.1.5.5.7.1.1":    false, // authority information access
	"1.3.6.1.4.1.311.20.2": false, // Microsoft: the template's name,
	"1.3.6.1.4.1.311.21.1": false, // the CA's version,
	"1.3.6.1.4.1.311.21.7": false, // and the template
}

// names are of the extensions that there have to be.
var names = map[string]string{
	"2.5.29.14": "subject key identifier", "2.5.29.15": "key usage", "2.5.29.19": "basic constraints",
	"2.5.29.35": "authority key identifier", "2.5.29.37": "extended key usage",
}

func (d *differences) extensions() {
	seen := map[string]bool{}
	for _, e := range d.cert.Extensions {
		id := e.Id.String()
		must, ok := known[id]
		switch {
		case !ok:
			d.add("has the extension %s, which is not accepted; have it issued without", id)
		case seen[id]:
			d.add("has the extension %s twice", id)
		case e.Critical && !must:
			d.add("has the extension %s, which must not be critical", id)
		case !e.Critical && id == "2.5.29.19":
			d.add("basic constraints are not critical")
		}
		seen[id] = true
	}
	for _, id := range slices.Sorted(maps.Keys(known)) {
		if known[id] && !seen[id] {
			d.add("lacks the extension %s (%s)", id, names[id])
		}
	}
}

func (d *differences) lifetime(now time.Time) {
	c, e := d.cert, d.entry
	if span := c.NotAfter.Sub(c.NotBefore); span > e.Duration {
		d.add("is valid for %s, the schedule says at most %s", plan.Duration(span), plan.Duration(e.Duration))
	}
	if now.Before(c.NotBefore) {
		d.add("is not valid before %s, and it is %s", stamp(c.NotBefore), stamp(now))
	}
	if end := now.Add(e.Least); end.After(c.NotAfter) {
		d.add(
			"ends on %s, and %s from now have to be left of it: until %s",
			stamp(c.NotAfter),
			plan.Duration(e.Least),
			stamp(end),
		)
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
