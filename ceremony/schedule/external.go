package schedule

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"officiant/bundle/certfile"
	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
)

// RequestName is the schedule's name of an authority's certificate request.
func RequestName(authority string) string { return "csr " + authority }

// requestsFolder holds the certificate requests of a ceremony whose root is external.
const requestsFolder = "csrs"

// external checks what the plan says of external roots, and that
// nothing else says it.
func (b *authorityPass) external() {
	here := 0
	for i := range b.p.Authorities {
		a := &b.p.Authorities[i]
		where := plan.At{"authorities", i}
		root := b.p.RootOf(a)
		fromOutside := a.Family != kubepki.Root && a.Makes() && root != nil && root.External
		switch {
		case a.External && a.Family != kubepki.Root:
			b.Refuse(append(where, "external"), "authority %s: only a root is external; what stands below it is "+
				"certified there", a.Name)
		case a.Issuers != "" && !a.External:
			b.Refuse(append(where, "issuers"), "authority %s: issuers stand between an external root and the authorities "+
				"below it", a.Name)
		case a.Least != 0 && !fromOutside:
			b.Refuse(append(where, "least"), "authority %s: least is for an authority that an external root certifies", a.Name)
		case a.External:
			b.externalRoot(a, where)
		case a.Makes() && !fromOutside:
			here++
		}
	}
	for i := range b.p.Authorities {
		a := &b.p.Authorities[i]
		if root := b.p.RootOf(a); here > 0 && a.Family != kubepki.Root && a.Makes() && root != nil && root.External {
			b.Refuse(plan.At{"authorities", i}, "authority %s is certified externally, and the plan makes other "+
				"authorities: one ceremony waits, and another certifies", a.Name)
		}
	}
}

// externalRoot checks one external root.
func (b *authorityPass) externalRoot(root *plan.Authority, where plan.At) {
	if root.Key != (plan.Key{}) {
		b.Refuse(append(where, "key"), "authority %s: it is external, so this ceremony has no key of it", root.Name)
	}
	certificate := b.cas.certificates[root.Name]
	if certificate == nil {
		return // said already
	}
	for _, problem := range kubepki.Above(certificate, 1) {
		b.RefuseInput(root.Certificate, "%s", problem)
	}
	if root.Issuers == "" {
		return
	}
	data := b.input(root.Issuers, append(where, "issuers"))
	if data == nil {
		return
	}
	issuers, err := ParseCertificates(data)
	if err != nil {
		b.RefuseInput(root.Issuers, "%v", err)
		return
	}
	b.cas.issuers = append(b.cas.issuers, issuers...)
}

// below says what is wrong with an authority that an external root, or a CA below
// it, certified before.
func (b *authorityPass) below(certificate, root *x509.Certificate) error {
	chain, err := kubepki.Chain(certificate, root, b.cas.issuers)
	if err != nil {
		return err
	}
	if problems := kubepki.Chained(certificate, root, chain, b.now); len(problems) > 0 {
		return errors.New(strings.Join(problems, "; "))
	}
	return nil
}

// externallySigned checks an authority whose certificate has to come back from an external root.
func (b *authorityPass) externallySigned(a *plan.Authority, where plan.At, root *plan.Authority) {
	if a.Least > a.Validity {
		b.Refuse(append(where, "least"), "authority %s: at least %s, and at most %s", a.Name, a.Least, a.Validity)
	}
	if old := b.cas.renewed[a.Name]; old != nil && b.cas.certificates[root.Name] != nil {
		if err := b.below(old, b.cas.certificates[root.Name]); err != nil {
			b.RefuseInput(a.Renews, "%v", err)
		}
	}
	if a.Least != 0 {
		b.outlives(b.cas, where, "authority "+a.Name, a.Least, root)
	}
}

// least is how long an authority that is certified externally has to be valid yet
// when its certificate comes back: longer than the leaves it then issues.
func least(p *plan.Plan, a *plan.Authority) time.Duration {
	if a.Family.Online() { // it issues none of the leaves
		return time.Duration(a.Least)
	}
	return time.Duration(max(a.Least, p.Leaves.Validity))
}

// requestFiles keeps the folder of the requests to the ceremony directory. Only
// where there are any: in other plans an input may have that name.
func (b *listPass) requestFiles() {
	if !external(b.p) {
		return
	}
	for path := range b.files.sums {
		if first, _, _ := strings.Cut(path, "/"); strings.EqualFold(first, requestsFolder) {
			b.RefuseInput(path, "%s belongs to the ceremony directory itself", first)
		}
	}
}

// External says whether a root of the plan is external.
func (c *Ceremony) External() bool { return external(c.Plan) }

func external(p *plan.Plan) bool {
	return slices.ContainsFunc(p.Authorities, func(a plan.Authority) bool { return a.External })
}

// RootNameOf names the root that certifies an authority; empty: none does.
func (c *Ceremony) RootNameOf(authority string) string {
	for i := range c.Plan.Authorities {
		if a := &c.Plan.Authorities[i]; a.Name == authority {
			if root := c.Plan.RootOf(a); root != nil {
				return root.Name
			}
		}
	}
	return ""
}

// Awaited lists the certificates that have to come back from an external root.
func (c *Ceremony) Awaited() []Entry { return slices.Collect(c.All(ExternalCertificate)) }

// ParseCertificates reads one certificate or more, as a company's CA sends them: PEM,
// DER or PKCS #7, with whatever people are to read around.
func ParseCertificates(data []byte) ([]*x509.Certificate, error) {
	list, err := certfile.All(data)
	if err == nil && len(list) > maxCertificates {
		err = fmt.Errorf("holds %d certificates, more than the %d of any company's chain", len(list), maxCertificates)
	}
	return list, err
}

// maxCertificates bounds what one file of a company's CAs holds.
const maxCertificates = 32
