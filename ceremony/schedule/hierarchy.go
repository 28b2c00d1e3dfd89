package schedule

import (
	"cmp"
	"strings"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
)

// hierarchy checks that every intermediate is, or can be, certified by a root and
// does not outlive it: by the one that issues, if it issues itself.
func (b *authorityPass) hierarchy() {
	root := b.p.Issuing(kubepki.Root)
	if root == nil {
		return
	}
	for _, r := range b.p.OfFamily(kubepki.Root) {
		c := b.cas.present(r.Name)
		if c == nil {
			continue
		}
		if err := kubepki.SelfSigned(c); err != nil {
			b.RefuseInput(cmp.Or(r.Certificate, r.Renews), "is not a root: it %v", err)
			return
		}
	}
	b.external()
	for i := range b.p.Authorities {
		a := &b.p.Authorities[i]
		where := plan.At{"authorities", i}
		switch {
		case a.Family == kubepki.Root:
			if a.Root != "" {
				b.Refuse(append(where, "root"), "authority %s is a root, which certifies itself", a.Name)
			}
		case a.Adopted: // below nothing
		case b.cas.certificates[a.Name] != nil:
			b.certified(a, where)
		case a.Makes():
			b.certifiable(a, where)
		}
	}
}

// certified wants an intermediate that exists to be below a root of the plan.
func (b *authorityPass) certified(a *plan.Authority, where plan.At) {
	issuing := b.p.Issuing(kubepki.Root)
	roots := []*plan.Authority{issuing}
	if a.Use == plan.Trust {
		roots = b.p.OfFamily(kubepki.Root)
	} else if issuing.Key.Create != "" {
		b.Refuse(where, "authority %s exists already, so a root that is made now has not certified it", a.Name)
		return
	}
	certificate, names, why := b.cas.certificates[a.Name], []string{}, ""
	for _, r := range roots {
		c := b.cas.present(r.Name)
		if c != nil && !r.External && certificate.CheckSignatureFrom(c) == nil {
			return
		}
		if c != nil && r.External {
			err := b.below(certificate, c)
			if err == nil {
				return
			}
			why = ": " + err.Error()
		}
		if file := cmp.Or(r.Certificate, r.Renews); file != "" {
			names = append(names, file)
		}
	}
	if len(names) > 0 { // else the roots were refused
		b.RefuseInput(a.Certificate, "is not signed by the key of %s%s", strings.Join(names, " or "), why)
	}
}

// certifiable wants the root that is to certify an intermediate to have its key
// named, and to last.
func (b *authorityPass) certifiable(a *plan.Authority, where plan.At) {
	root := b.p.RootOf(a)
	switch {
	case root == nil:
		b.Refuse(append(where, "root"), "authority %s: %q is no root of this plan", a.Name, a.Root)
	case a.Use == plan.Issue && root.Use == plan.Trust:
		b.Refuse(append(where, "root"), "authority %s is to issue below %s, which is only trusted", a.Name, root.Name)
	case root.External:
		b.externallySigned(a, where, root)
	case root.Key == plan.Key{}:
		b.Refuse(where, "authority %s is to be certified by %s, whose key the plan does not name; say external: true if "+
			"others sign with it", a.Name, root.Name)
	default:
		if old := b.cas.renewed[a.Name]; old != nil && b.cas.present(root.Name) != nil &&
			old.CheckSignatureFrom(b.cas.present(root.Name)) != nil {
			b.RefuseInput(a.Renews, "is not signed by the key of %s, which is to renew it", root.Name)
		}
		b.outlives(b.cas, where, "authority "+a.Name, a.Validity, root)
	}
}

// distinct refuses two authorities of one subject or one key: whoever checks a
// chain could take one for the other.
func (b *authorityPass) distinct() {
	subjects := map[string]string{}
	keys := map[fingerprint.SHA256]string{}
	for i, a := range b.p.Authorities {
		subject := dn(a.Subject)
		if c := b.cas.present(a.Name); c != nil {
			subject = c.Subject.String()
			if spki, err := fingerprint.SPKI(c.PublicKey); err == nil {
				if other, ok := keys[spki]; ok {
					b.Refuse(plan.At{"authorities", i}, "authorities %s and %s have the same key", other, a.Name)
				}
				keys[spki] = a.Name
			}
		} else if a.Key.Create == "" || b.facts.cluster.Name == "" {
			continue
		}
		if other, ok := subjects[subject]; ok {
			b.Refuse(plan.At{"authorities", i}, "authorities %s and %s have the same subject, %s", other, a.Name, subject)
		}
		subjects[subject] = a.Name
	}
}
