package bundle

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
	"time"
)

// certificateCheck checks what holds for every certificate of a bundle, and among
// all of them.
type certificateCheck struct {
	*findings
	now      time.Time           // zero: validity periods are not judged
	validFor time.Duration       // everything must be valid this much longer
	serials  map[string]sighting // by serial number
	earliest time.Time
}

func (c *certificateCheck) usages(file string, cert *x509.Certificate, usage x509.KeyUsage, ext []x509.ExtKeyUsage) {
	if cert.KeyUsage != usage {
		c.add(file, "key usage is %s, must be %s", keyUsages(cert.KeyUsage), keyUsages(usage))
	}
	got, want := slices.Clone(cert.ExtKeyUsage), slices.Clone(ext)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) || len(cert.UnknownExtKeyUsage) > 0 {
		c.add(file, "extended key usage is %s, must be %s",
			extKeyUsages(got, len(cert.UnknownExtKeyUsage)), extKeyUsages(want, 0))
	}
}

var usageNames = []string{"digitalSignature", "contentCommitment", "keyEncipherment", "dataEncipherment",
	"keyAgreement", "keyCertSign", "cRLSign", "encipherOnly", "decipherOnly"}

func keyUsages(u x509.KeyUsage) string {
	var names []string
	for i, name := range usageNames {
		if u&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return orNone(names)
}

func extKeyUsages(list []x509.ExtKeyUsage, unknown int) string {
	var names []string
	for _, u := range list {
		switch u {
		case x509.ExtKeyUsageServerAuth:
			names = append(names, "serverAuth")
		case x509.ExtKeyUsageClientAuth:
			names = append(names, "clientAuth")
		default:
			names = append(names, fmt.Sprintf("usage %d", u))
		}
	}
	if unknown > 0 {
		names = append(names, fmt.Sprintf("%d unknown", unknown))
	}
	return orNone(names)
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// common checks what holds for every certificate: form, key, dates, serial.
func (c *certificateCheck) common(file string, cert, issuer *x509.Certificate) {
	c.form(file, cert)
	c.until(cert)
	if issuer != nil && cert.NotAfter.After(issuer.NotAfter) {
		c.add(file, "expires at %s, after its issuer (%s)", formatTime(cert.NotAfter), formatTime(issuer.NotAfter))
	}
	c.dates(file, cert)
}

// until notes when the first certificate ends.
func (c *certificateCheck) until(cert *x509.Certificate) {
	if c.earliest.IsZero() || cert.NotAfter.Before(c.earliest) {
		c.earliest = cert.NotAfter
	}
}

// form is what holds for every certificate, however long it is valid.
func (c *certificateCheck) form(file string, cert *x509.Certificate) {
	if cert.Version != 3 {
		c.add(file, "is an X.509 version %d certificate", cert.Version)
	}
	if len(cert.UnhandledCriticalExtensions) > 0 {
		c.add(file, "has unknown critical extension %s", cert.UnhandledCriticalExtensions[0])
	}
	if problem := certifiedKeyKind(cert.PublicKey); problem != "" {
		c.add(file, "%s", problem)
	}
	serial := cert.SerialNumber
	if serial.Sign() <= 0 || serial.BitLen() > 159 {
		c.add(file, "serial number is not a positive number of at most 20 octets")
	}
	// etcd's revocation check matches serials alone, so no two may be alike.
	if other, ok := c.serials[serial.String()]; ok && (other.file != file || !other.cert.Equal(cert)) {
		c.add(file, "has the same serial number as the certificate in %s", other.file)
	}
	c.serials[serial.String()] = sighting{file, cert}
}

func (c *certificateCheck) dates(file string, cert *x509.Certificate) {
	now := c.now
	if !cert.NotBefore.Before(cert.NotAfter) {
		c.add(file, "is valid from %s to %s, which is never", formatTime(cert.NotBefore), formatTime(cert.NotAfter))
	}
	switch {
	case now.IsZero():
	case now.Before(cert.NotBefore):
		c.add(file, "is not valid before %s; the clock here says %s", formatTime(cert.NotBefore), formatTime(now))
	case now.After(cert.NotAfter):
		c.add(file, "expired at %s", formatTime(cert.NotAfter))
	case now.Add(c.validFor).After(cert.NotAfter):
		c.add(file, "expires at %s, within %s", formatTime(cert.NotAfter), span(c.validFor))
	}
}

// sighting is a certificate and the file it was first seen in.
type sighting struct {
	file string
	cert *x509.Certificate
}
