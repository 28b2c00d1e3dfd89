package audit

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"maps"
	"slices"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/phrase"
	"officiant/ceremony/schedule"
)

// certificateAudit proves certificates against their lines of the schedule.
type certificateAudit struct{ *view }

// certificates holds each issued certificate against its line of the schedule.
func (a *certificateAudit) certificates(c *Check) {
	var issued []*signing
	for _, s := range a.ledger.certificates {
		if s.issued != nil && a.kind(s.entry) != "" {
			issued = append(issued, s)
		}
	}
	problems, unverified := make([][]string, len(issued)), make([]bool, len(issued))
	a.parallel(len(issued), func(i int) {
		// Leaves' signatures are verified with their bundles.
		e := a.entry(issued[i].entry)
		leaf := e.Kind == schedule.LeafCertificate
		d, found := a.differences(*e, issued[i].issued.certificate(), !leaf)
		problems[i], unverified[i] = found, leaf && d != nil
	})
	expired := 0
	for i, s := range issued {
		a.say(c, s, problems[i])
		if !a.o.Now.IsZero() && a.o.Now.After(time.Unix(s.issued.notAfter, 0)) {
			expired++
		}
	}
	a.verifyLater(c, issued, problems, unverified)
	a.abandonedIntents(c)
	a.begins(c)
	(&vouchAudit{a.view}).vouchers(c)
	(&nameAudit{a.view}).othersNames(c)
	a.external(c)
	a.facts(c)
	a.generations(c)
	a.online(c)
	c.Detail = phrase.Count(len(issued), "certificate")
	kept := &keptAudit{a.view}
	kept.takenOver(c)
	kept.carriedOver(c)
	if expired > 0 {
		c.note("%s expired since", phrase.Count(expired, "certificate"))
	}
}

func (a *certificateAudit) say(c *Check, s *signing, problems []string) {
	for _, p := range problems {
		c.problem("line %d: certificate of %s: %s", s.result, s.name, p)
	}
}

// verifyLater verifies the signatures that no check of a bundle has verified by the end, and
// puts what it finds where it belongs: beside what else is wrong with that certificate.
func (a *certificateAudit) verifyLater(c *Check, issued []*signing, problems [][]string, unverified []bool) {
	at, before := len(a.report.Checks), len(c.Problems)
	a.later = append(a.later, func() {
		var left []int
		for i, s := range issued {
			if unverified[i] && !s.issued.verified {
				left = append(left, i)
			}
		}
		wrong := make([]bool, len(left))
		a.parallel(len(left), func(n int) {
			s := issued[left[n]]
			e := a.entry(s.entry)
			d := &differences{e: *e, cert: s.issued.certificate(), issuer: a.authority(e.Signer)}
			d.signature()
			problems[left[n]] = append(problems[left[n]], d.found...)
			wrong[n] = len(d.found) > 0
		})
		if !slices.Contains(wrong, true) {
			return
		}
		c := &a.report.Checks[at]
		rest := c.Problems[before:]
		c.Problems = []string{}
		for i, s := range issued {
			a.say(c, s, problems[i])
		}
		c.Problems = append(c.Problems, rest...)
	})
}

// differences lists what differs between a certificate and its entry. The first result is nil
// when it cannot be told, and the signature was not looked at either.
func (a *certificateAudit) differences(e schedule.Entry, cert *x509.Certificate, signed bool) (*differences, []string) {
	issuer := cert
	if e.Kind != schedule.RootCertificate {
		issuer = a.authority(e.Signer)
	}
	if issuer == nil {
		return nil, []string{"its issuer " + e.Signer + " has no certificate"}
	}
	t, err := parseTBS(cert.RawTBSCertificate)
	if err != nil {
		return nil, []string{err.Error()}
	}
	d := &differences{e: e, cert: cert, issuer: issuer}
	d.subject()
	d.names()
	d.usages()
	d.lifetime(a.ledger.notBefore(a.t))
	d.publicKey(a.view)
	d.extensions(t.Extensions)
	d.identifiers()
	d.authority(a.view)
	if signed {
		d.signature()
	}
	return d, d.found
}

// differences are collected about one certificate.
type differences struct {
	e      schedule.Entry
	cert   *x509.Certificate
	issuer *x509.Certificate // the certificate itself, of a root
	found  []string
}

func (d *differences) add(format string, args ...any) {
	d.found = append(d.found, fmt.Sprintf(format, args...))
}

func (d *differences) subject() {
	want, err := subjectDER(d.e.Organization, d.e.CommonName)
	if err != nil || !bytes.Equal(want, d.cert.RawSubject) {
		d.add(
			"subject is %q, the schedule says O=%q CN=%q, each in an RDN of its own",
			d.cert.Subject,
			d.e.Organization,
			d.e.CommonName,
		)
	}
}

func (d *differences) names() {
	var dns, wantDNS, ips, wantIPs = []string(nil), d.e.DNSNames, []string(nil), []string(nil)
	if value := extension(d.cert, oidAltNames); value != nil {
		names, addresses, err := altNames(value)
		if err != nil {
			d.add("has %v", err)
			return
		}
		dns = names
		for _, ip := range addresses {
			ips = append(ips, ip.String())
		}
	}
	for _, ip := range d.e.IPAddresses {
		wantIPs = append(wantIPs, ip.Unmap().String())
	}
	d.list("DNS names", dns, wantDNS)
	d.list("IP addresses", ips, wantIPs)
}

// list compares exactly, and names first what was not planned.
func (d *differences) list(what string, got, want []string) {
	if slices.Equal(got, want) {
		return
	}
	for _, g := range got {
		if !slices.Contains(want, g) {
			d.add("has %q among its %s, which is not in the schedule", g, what)
		}
	}
	for _, w := range want {
		if !slices.Contains(got, w) {
			d.add("lacks %q among its %s", w, what)
		}
	}
	if sameSet(got, want) {
		d.add("%s are %q, the schedule says %q", what, got, want)
	}
}

func sameSet(a, b []string) bool {
	a, b = slices.Compact(slices.Sorted(slices.Values(a))), slices.Compact(slices.Sorted(slices.Values(b)))
	return slices.Equal(a, b)
}

func (d *differences) usages() {
	if d.cert.KeyUsage != d.e.KeyUsage {
		d.add("key usage is %09b, the schedule says %09b", d.cert.KeyUsage, d.e.KeyUsage)
	}
	if !slices.Equal(d.cert.ExtKeyUsage, d.e.ExtKeyUsage) || len(d.cert.UnknownExtKeyUsage) > 0 {
		d.add(
			"extended key usage is %v %v, the schedule says %v",
			d.cert.ExtKeyUsage,
			d.cert.UnknownExtKeyUsage,
			d.e.ExtKeyUsage,
		)
	}
	if !d.cert.BasicConstraintsValid || d.cert.IsCA != d.e.IsCA {
		d.add("CA is %t, the schedule says %t", d.cert.BasicConstraintsValid && d.cert.IsCA, d.e.IsCA)
	}
	want := -1
	if d.e.IsCA {
		want = d.e.MaxPathLen
	}
	if d.cert.MaxPathLen != want {
		d.add("path length is %d, the schedule says %d", d.cert.MaxPathLen, want)
	}
}

func (d *differences) lifetime(notBefore time.Time) {
	if !d.cert.NotBefore.Equal(notBefore) {
		d.add("valid from %s, the ceremony's certificates from %s", stamp(d.cert.NotBefore), stamp(notBefore))
	}
	if end := notBefore.Add(d.e.Duration); !d.cert.NotAfter.Equal(end) {
		d.add("valid until %s, the schedule says %s", stamp(d.cert.NotAfter), stamp(end))
	}
	if d.cert.NotAfter.After(d.issuer.NotAfter) || d.cert.NotBefore.Before(d.issuer.NotBefore) {
		d.add("valid from %s to %s, its issuer only from %s to %s",
			stamp(d.cert.NotBefore), stamp(d.cert.NotAfter), stamp(d.issuer.NotBefore), stamp(d.issuer.NotAfter))
	}
}

func (d *differences) publicKey(a *view) {
	got := fingerprint.Of(d.cert.RawSubjectPublicKeyInfo)
	want := d.e.SPKI
	if d.e.Made != "" {
		want = fingerprint.Of(a.madeFor(d.e))
	}
	if d.e.SubjectKey != "" {
		key := a.ledger.key(d.e.SubjectKey)
		if key == nil {
			d.add("its key %s is not on record", d.e.SubjectKey)
			return
		}
		want = fingerprint.Of(key.PublicKey)
	}
	if got != want {
		d.add("public key is %s, must be %s", got, want)
	}
	if d.e.Kind == schedule.LeafCertificate {
		if name := a.keyName(got); name != "" {
			d.add("has the public key of the %s key", name)
		}
	}
}

func (d *differences) extensions(found []pkix.Extension) {
	want := map[string]bool{
		oidKeyUsage.String():         true,
		oidBasicConstraints.String(): true,
		oidSubjectKeyID.String():     false,
		oidAuthorityKeyID.String():   false,
	}
	if len(d.e.ExtKeyUsage) > 0 {
		want[oidExtKeyUsage.String()] = false
	}
	if len(d.e.DNSNames)+len(d.e.IPAddresses) > 0 {
		want[oidAltNames.String()] = false
	}
	d.found = append(d.found, extensions(found, want)...)
}

func (d *differences) identifiers() {
	if id, err := keyID(d.cert.RawSubjectPublicKeyInfo); err != nil || !bytes.Equal(id, d.cert.SubjectKeyId) {
		d.add("subject key identifier is %x, its key's is %x", d.cert.SubjectKeyId, id)
	}
	want, err := authorityKeyID(d.issuer.SubjectKeyId)
	if got := extension(d.cert, oidAuthorityKeyID); err != nil || !bytes.Equal(got, want) {
		d.add(
			"authority key identifier is %x, authority %s has %x",
			d.cert.AuthorityKeyId,
			d.e.Signer,
			d.issuer.SubjectKeyId,
		)
	}
}

// authority checks that the issuer is the authority the schedule names, by
// name and by the key on record.
func (d *differences) authority(a *view) {
	if !bytes.Equal(d.cert.RawIssuer, d.issuer.RawSubject) {
		d.add("issuer is %q, authority %s is %q", d.cert.Issuer, d.e.Signer, d.issuer.Subject)
	}
	key := a.ledger.key(d.e.Signer)
	if key == nil {
		d.add("its issuer's key %s is not on record", d.e.Signer)
	} else if got := fingerprint.Of(d.issuer.RawSubjectPublicKeyInfo); got != key.SPKI {
		d.add("its issuer's key is %s, on record is %s for %s", got, key.SPKI, d.e.Signer)
	}
	if d.cert.SignatureAlgorithm != d.e.SignatureAlgorithm {
		d.add("signature algorithm is %s, the schedule says %s", d.cert.SignatureAlgorithm, d.e.SignatureAlgorithm)
	}
}

func (d *differences) signature() {
	if err := d.issuer.CheckSignature(d.cert.SignatureAlgorithm, d.cert.RawTBSCertificate, d.cert.Signature); err != nil {
		d.add("signature is not that of authority %s: %v", d.e.Signer, err)
	}
}

// facts holds the schedule's authorities against what Kubernetes needs; leaves
// are held against it with their bundles.
func (a *certificateAudit) facts(c *Check) {
	specs := map[kubepki.Authority]kubepki.AuthoritySpec{}
	for _, s := range kubepki.Authorities(a.plan.Cluster) {
		specs[s.Authority] = s
	}
	for n := range a.plan.Len() {
		switch a.kind(n + 1) {
		case schedule.RequestSignature, schedule.RootCertificate, schedule.AuthorityCertificate,
			schedule.ExternalCertificate:
		default:
			continue
		}
		e := *a.entry(n + 1)
		if e.Kind == schedule.RequestSignature {
			e.Name = e.Signer
		}
		s, ok := specs[a.family(e.Name)]
		if !ok {
			c.problem("%s: line %d, %s, is an authority of no family", scheduleFile, e.N, e.Name)
			continue
		}
		if !e.IsCA || e.MaxPathLen != s.MaxPathLen || e.KeyUsage != s.KeyUsage ||
			!slices.Equal(e.ExtKeyUsage, s.ExtKeyUsage) {
			c.problem(
				"%s: line %d, %s: usages or path length are not those of a %s authority",
				scheduleFile,
				e.N,
				e.Name,
				s.Authority,
			)
		}
		if e.Kind == schedule.RequestSignature || e.Kind == schedule.ExternalCertificate {
			if s.Authority == kubepki.Root || !a.plan.External() {
				c.problem(
					"%s: line %d, %s: only what an external root certifies is asked for elsewhere",
					scheduleFile,
					e.N,
					e.Name,
				)
			}
			continue
		}
		if (s.Authority == kubepki.Root) != (e.Kind == schedule.RootCertificate) || a.family(e.Signer) != kubepki.Root {
			c.problem("%s: line %d, %s: an authority is signed by the root, and the root by itself", scheduleFile, e.N, e.Name)
		}
	}
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
