package audit

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
)

// tolerated are extensions that others put into an authority's certificate: CRL
// distribution points, policies, authority information access, and Microsoft's
// three about templates. None of them may be critical.
var tolerated = []asn1.ObjectIdentifier{
	{2, 5, 29, 31}, {2, 5, 29, 32}, {1, 3, 6, 1, 5, 5, 7, 1, 1},
	{1, 3, 6, 1, 4, 1, 311, 20, 2}, {1, 3, 6, 1, 4, 1, 311, 21, 1}, {1, 3, 6, 1, 4, 1, 311, 21, 7},
}

// external holds each certificate that others signed against its line of the
// schedule, and the way from it to the root.
func (a *certificateAudit) external(c *Check) {
	for _, r := range a.ledger.arrivals {
		e := a.entry(r.entry)
		if e == nil || e.Kind != schedule.ExternalCertificate {
			continue // signatures said so
		}
		for _, p := range a.arrived(*e, r) {
			c.problem("line %d: certificate of %s: %s", r.seq, r.name, p)
		}
		c.note("line %d: %s was signed by %q, which is not this ceremony's", r.seq, r.name, r.certificate.Issuer)
	}
}

func (a *certificateAudit) arrived(e schedule.Entry, r arrival) []string {
	cert := r.certificate
	t, err := parseTBS(cert.RawTBSCertificate)
	if err != nil {
		return []string{err.Error()}
	}
	d := &differences{e: e, cert: cert, issuer: a.rootAbove(e.Name)}
	if d.issuer == nil {
		return []string{"the plan names no root's certificate"}
	}
	if len(r.issuers) > 0 {
		d.issuer = r.issuers[0]
	}
	d.sameSubject()
	d.names()
	d.foreignUsages()
	d.publicKey(a.view)
	d.foreignExtensions(t)
	if !bytes.Equal(cert.AuthorityKeyId, d.issuer.SubjectKeyId) || len(cert.SubjectKeyId) == 0 {
		d.add(
			"key identifiers are %x and %x, its issuer's is %x",
			cert.SubjectKeyId,
			cert.AuthorityKeyId,
			d.issuer.SubjectKeyId,
		)
	}
	if n := cert.SerialNumber; n.Sign() <= 0 || n.BitLen() > 159 {
		d.add("serial number %x is not positive, of at most 20 octets", n)
	}
	d.span(r)
	d.way(r, a.rootAbove(e.Name))
	return d.found
}

// rootAbove is the root that the plan has certify an authority.
func (a *view) rootAbove(authority string) *x509.Certificate {
	name := ""
	for _, p := range a.plan.Plan.Authorities {
		if p.Name == authority {
			name = p.Root
		}
	}
	for _, p := range a.plan.Plan.Authorities {
		if p.Family == kubepki.Root && (p.Name == name || name == "" && p.Use != plan.Trust) {
			return a.plan.Certificates[p.Name]
		}
	}
	return nil
}

// between says whether CAs between an external root and cert lead from one to the other.
func (a *certificateAudit) between(cert, root *x509.Certificate) bool {
	for range kubepki.MaxAbove {
		issuers := a.issuers()
		i := slices.IndexFunc(
			issuers,
			func(c *x509.Certificate) bool { return !c.Equal(cert) && cert.CheckSignatureFrom(c) == nil },
		)
		if i < 0 {
			return false
		}
		if cert = issuers[i]; cert.CheckSignatureFrom(root) == nil {
			return true
		}
	}
	return false
}

// sameSubject wants the schedule's attributes and no others. Others may write
// them in another order, or as another type of string.
func (d *differences) sameSubject() {
	var names, organizations []string
	for _, x := range d.cert.Subject.Names {
		text := fmt.Sprint(x.Value)
		switch {
		case x.Type.Equal(oidCommonName):
			names = append(names, text)
		case x.Type.Equal(oidOrganization):
			organizations = append(organizations, text)
		default:
			d.add("subject has attribute %s", x.Type)
		}
	}
	if !slices.Equal(names, []string{d.e.CommonName}) || !sameList(organizations, d.e.Organization) {
		d.add("subject is %q, the schedule says O=%q CN=%q", d.cert.Subject, d.e.Organization, d.e.CommonName)
	}
}

func sameList(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// foreignUsages is usages, but that others may add digitalSignature and list
// what it issues in another order.
func (d *differences) foreignUsages() {
	cert, e := *d.cert, d.e
	cert.KeyUsage &^= x509.KeyUsageDigitalSignature
	cert.ExtKeyUsage, e.ExtKeyUsage = slices.Sorted(
		slices.Values(cert.ExtKeyUsage),
	), slices.Sorted(
		slices.Values(e.ExtKeyUsage),
	)
	plain := &differences{e: e, cert: &cert}
	plain.usages()
	d.found = append(d.found, plain.found...)
}

func (d *differences) foreignExtensions(t *tbs) {
	want := map[string]bool{oidBasicConstraints.String(): true}
	for _, id := range []asn1.ObjectIdentifier{oidKeyUsage, oidSubjectKeyID, oidAuthorityKeyID, oidExtKeyUsage} {
		want[id.String()] = false
		for _, x := range t.Extensions {
			if x.Id.Equal(id) {
				want[id.String()] = x.Critical // as they like
			}
		}
	}
	for _, x := range t.Extensions {
		if slices.ContainsFunc(tolerated, x.Id.Equal) {
			want[x.Id.String()] = false
		}
	}
	d.found = append(d.found, extensions(t.Extensions, want)...)
}

// span checks how long it is valid, as of when it was received, and when what is
// issued after it begins.
func (d *differences) span(r arrival) {
	begin, end := d.cert.NotBefore, d.cert.NotAfter
	if end.Sub(begin) > d.e.Duration {
		d.add("is valid for %s, the schedule says at most %s", end.Sub(begin), d.e.Duration)
	}
	if r.time.Before(begin) || end.Before(r.notBefore.Add(d.e.Least)) {
		d.add(
			"is valid from %s to %s, received at %s, when it had to be, and for %s yet",
			stamp(begin),
			stamp(end),
			stamp(r.time),
			d.e.Least,
		)
	}
	if early := r.time.Add(
		-backdate - slack,
	); r.notBefore.After(r.time) || r.notBefore.Before(begin) ||
		r.notBefore.Before(early) {
		d.add("what it issues is valid from %s, and it was received at %s", stamp(r.notBefore), stamp(r.time))
	}
}

// way wants each certificate on record to have signed the one before it, the
// root the last, and each of them to be fit for it.
func (d *differences) way(r arrival, root *x509.Certificate) {
	below := d.cert
	for i, issuer := range append(slices.Clone(r.issuers), root) {
		if err := below.CheckSignatureFrom(issuer); err != nil || !bytes.Equal(below.RawIssuer, issuer.RawSubject) {
			d.add("%q is not signed by %q: %v", below.Subject, issuer.Subject, err)
		}
		if below.NotAfter.After(issuer.NotAfter) || r.time.Before(issuer.NotBefore) || r.time.After(issuer.NotAfter) {
			d.add(
				"%q is valid until %s, and its issuer %q from %s to %s",
				below.Subject,
				stamp(below.NotAfter),
				issuer.Subject,
				stamp(issuer.NotBefore),
				stamp(issuer.NotAfter),
			)
		}
		for _, p := range kubepki.Above(issuer, i+1) {
			d.add("%q: %s", issuer.Subject, p)
		}
		if fingerprint.Of(issuer.RawSubjectPublicKeyInfo) == fingerprint.Of(d.cert.RawSubjectPublicKeyInfo) {
			d.add("has the key of a CA above it")
		}
		below = issuer
	}
	if len(r.issuers) > kubepki.MaxAbove {
		d.add("%d CAs stand between it and the root", len(r.issuers))
	}
}
