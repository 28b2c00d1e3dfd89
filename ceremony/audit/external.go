package audit

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"slices"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

// arrival is a certificate that others signed, as the record has it.
type arrival struct {
	seq         int
	time        time.Time
	entry       int
	name        string
	certificate *x509.Certificate
	issuers     []*x509.Certificate
	notBefore   time.Time // of what is issued after it
}

// arrive takes a line of type received. transcript.Read has parsed what is in it.
func (g *ledger) arrive(l transcript.Line, r transcript.Received) {
	for _, c := range r.Certificates {
		if cert, issuers, err := c.Parse(); err == nil {
			g.arrivals = append(g.arrivals, arrival{l.Seq, l.Time, c.Entry, c.Name, cert, issuers, r.NotBefore})
		}
	}
}

// received returns what came back for an authority, or nil.
func (g *ledger) received(name string) *arrival {
	for i := range g.arrivals {
		if g.arrivals[i].name == name {
			return &g.arrivals[i]
		}
	}
	return nil
}

// notBefore is when the ceremony's certificates begin.
func (g *ledger) notBefore(t *record) time.Time {
	if len(g.arrivals) > 0 {
		return g.arrivals[0].notBefore
	}
	return t.Open().NotBefore
}

// issuers are the CAs between an external root and the authorities: the plan's,
// and those that came with certificates.
func (a *view) issuers() []*x509.Certificate {
	out := slices.Clone(a.plan.Issuers)
	for _, r := range a.ledger.arrivals {
		out = append(out, r.issuers...)
	}
	return out
}

// requestSignatures holds the requests that were signed, and what came back,
// against the schedule, and counts them.
func (a *signatureAudit) requestSignatures(c *Check, made map[int]int) {
	for _, s := range a.ledger.requests {
		e := a.entry(s.entry)
		if e == nil || e.Kind != schedule.RequestSignature || e.Name != s.name {
			c.problem("line %d: signs %s, entry %d, which is no such request of the schedule", s.seq, s.name, s.entry)
			continue
		}
		for _, p := range a.request(*e, s) {
			c.problem("line %d: request of %s: %s", s.seq, e.Signer, p)
		}
		if s.result > 0 {
			made[s.entry]++
		}
	}
	for _, r := range a.ledger.arrivals {
		e := a.entry(r.entry)
		if e == nil || e.Kind != schedule.ExternalCertificate || e.Name != r.name {
			c.problem("line %d: received %s, entry %d, which is no such certificate of the schedule", r.seq, r.name, r.entry)
			continue
		}
		made[r.entry]++
		if asked := a.asked(e.Name); asked == 0 || asked > r.seq {
			c.problem("line %d: received %s, whose request was not signed before", r.seq, r.name)
		}
	}
}

// asked is the line of an authority's request; 0: none.
func (a *signatureAudit) asked(authority string) int {
	for _, s := range a.ledger.requests {
		if e := a.entry(s.entry); e != nil && e.Signer == authority && s.result > 0 {
			return s.result
		}
	}
	return 0
}

// requestInfo is RFC 2986's CertificationRequestInfo.
type requestInfo struct {
	Version    int
	Subject    asn1.RawValue
	PublicKey  asn1.RawValue
	Attributes []struct {
		ID     asn1.ObjectIdentifier
		Values [][]pkix.Extension `asn1:"set"`
	} `asn1:"tag:0,set"`
}

// request lists what differs between a request, signed or only intended, and its
// line of the schedule.
func (a *signatureAudit) request(e schedule.Entry, s *signing) []string {
	var found []string
	add := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	var info requestInfo
	if rest, err := asn1.Unmarshal(s.tbs, &info); err != nil || len(rest) > 0 || info.Version != 0 ||
		len(info.Attributes) != 1 ||
		!info.Attributes[0].ID.Equal(oidExtensionRequest) || len(info.Attributes[0].Values) != 1 {
		return []string{"is not a request for extensions alone"}
	}
	if want, err := subjectDER(e.Organization, e.CommonName); err != nil || !bytes.Equal(want, info.Subject.FullBytes) {
		add("subject is not the schedule's O=%q CN=%q", e.Organization, e.CommonName)
	}
	key := a.ledger.key(e.Signer)
	if key == nil || fingerprint.Of(info.PublicKey.FullBytes) != key.SPKI {
		add("is not for the key on record")
		return found
	}
	found = append(found, a.requestedExtensions(e, info.Attributes[0].Values[0], key.PublicKey)...)
	if s.result == 0 {
		return found
	}
	csr, err := x509.ParseCertificateRequest(s.signature)
	if err == nil {
		err = csr.CheckSignature()
	}
	switch {
	case err != nil:
		add("%v", err)
	case !bytes.Equal(csr.RawTBSCertificateRequest, s.tbs):
		add("is not what was intended")
	case csr.SignatureAlgorithm != e.SignatureAlgorithm:
		add("signature algorithm is %s, the schedule says %s", csr.SignatureAlgorithm, e.SignatureAlgorithm)
	}
	return found
}

var oidExtensionRequest = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 14}

// requestedExtensions reads the extensions as those of a certificate.
func (a *signatureAudit) requestedExtensions(e schedule.Entry, list []pkix.Extension, spki []byte) []string {
	found := extensions(list, map[string]bool{
		oidKeyUsage.String(): true, oidBasicConstraints.String(): true, oidSubjectKeyID.String(): false,
		oidExtKeyUsage.String(): false,
	})
	want, err := authorityExtensions(e, spki)
	if err != nil {
		return append(found, err.Error())
	}
	for _, x := range list {
		if value, ok := want[x.Id.String()]; ok && !bytes.Equal(value, x.Value) {
			found = append(found, "extension "+x.Id.String()+" does not say what the schedule does")
		}
	}
	return found
}

// authorityExtensions are the values an intermediate's extensions have: path
// length, certificate and list signing, what it issues, its key's identifier.
func authorityExtensions(e schedule.Entry, spki []byte) (map[string][]byte, error) {
	if e.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign {
		return nil, fmt.Errorf("key usage is not that of an authority")
	}
	purposes := map[x509.ExtKeyUsage]asn1.ObjectIdentifier{
		x509.ExtKeyUsageServerAuth: {1, 3, 6, 1, 5, 5, 7, 3, 1}, x509.ExtKeyUsageClientAuth: {1, 3, 6, 1, 5, 5, 7, 3, 2},
	}
	var oids []asn1.ObjectIdentifier
	for _, u := range e.ExtKeyUsage {
		oids = append(oids, purposes[u])
	}
	id, err := keyID(spki)
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{oidKeyUsage.String(): {0x03, 0x02, 0x01, 0x06}} // bits 5 and 6
	for oid, v := range map[string]any{
		oidBasicConstraints.String(): struct {
			CA  bool
			Len int
		}{true, e.MaxPathLen},
		oidExtKeyUsage.String(): oids, oidSubjectKeyID.String(): id,
	} {
		if out[oid], err = asn1.Marshal(v); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// externalFiles holds the requests and the CAs that stand between an external
// root and the authorities against the record.
func (a *bundleAudit) externalFiles(c *Check) {
	if !a.plan.External() {
		return
	}
	for _, s := range a.ledger.requests {
		e := a.entry(s.entry)
		if s.result == 0 || e == nil {
			continue
		}
		name := "csrs/" + e.Signer + ".csr"
		a.expect(name)
		if err := a.same(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: s.signature})); err != nil {
			c.problem("%v", err)
		}
	}
	var below []*x509.Certificate
	issuing, trusted := a.authorities(), a.trusted()
	for _, spec := range kubepki.Authorities(a.plan.Cluster) {
		if cert := issuing[spec.Authority]; cert != nil && spec.Authority != kubepki.Root {
			below = append(append(below, cert), trusted[spec.Authority]...)
		}
	}
	roots := append([]*x509.Certificate{issuing[kubepki.Root]}, trusted[kubepki.Root]...)
	between, _, err := kubepki.Between(below, roots, a.issuers())
	if err != nil {
		c.problem("%v", err)
	}
	if len(between) == 0 {
		return
	}
	var want []byte
	for _, cert := range between {
		want = append(want, certificatePEM(cert.Raw)...)
	}
	a.expect("authorities/issuers.crt")
	if err := a.same("authorities/issuers.crt", want); err != nil {
		c.problem("%v", err)
	}
}
