package plan

import (
	"cmp"
	"slices"

	"officiant/bundle/kubepki"
)

// Trusted names the authorities that nodes trust beside those that issue, in the
// plan's order.
func (p *Plan) Trusted() []string {
	var names []string
	for _, a := range p.Authorities {
		if a.Use == Trust {
			names = append(names, a.Name)
		}
	}
	return names
}

// AuthorityFile is where an authority's certificate lies in a ceremony directory:
// under its family's name, or, where that has several, under its own.
func (p *Plan) AuthorityFile(a Authority) string {
	if len(p.OfFamily(a.Family)) > 1 {
		return "authorities/" + a.Name + ".crt"
	}
	return "authorities/" + string(a.Family) + ".crt"
}

// The names of schedule entries and of a station's keys that an authority
// cannot have.
var Reserved = map[string]bool{ReleaseName: true, "transcript": true, "default": true}

// Families in the order of the schedule. The last two, an online signer's, a plan has
// only if it names them.
var Families = []kubepki.Authority{kubepki.Root, kubepki.KubernetesAuthority, kubepki.EtcdAuthority,
	kubepki.FrontProxyAuthority, kubepki.KubeletServingAuthority, kubepki.KubeletClientAuthority}

// Has says whether the plan names an authority of a family, also before the families
// that it leaves out are put in.
func (p *Plan) Has(f kubepki.Authority) bool {
	return slices.ContainsFunc(p.Authorities, func(a Authority) bool {
		return cmp.Or(a.Family, kubepki.Authority(a.Name)) == f
	})
}

// Issuing returns the authority that issues for a family, or nil.
func (p *Plan) Issuing(f kubepki.Authority) *Authority {
	for _, a := range p.OfFamily(f) {
		if a.Use != Trust {
			return a
		}
	}
	return nil
}

// OfFamily returns a family's authorities, in the plan's order.
func (p *Plan) OfFamily(f kubepki.Authority) []*Authority {
	var list []*Authority
	for i := range p.Authorities {
		if p.Authorities[i].Family == f {
			list = append(list, &p.Authorities[i])
		}
	}
	return list
}

// IssuingFirst is a family's authorities, the one that issues before the others.
func (p *Plan) IssuingFirst(f kubepki.Authority) []*Authority {
	list := p.OfFamily(f)
	slices.SortStableFunc(list, func(a, b *Authority) int {
		return cmp.Compare(a.Use, b.Use) // Issue is before Trust
	})
	return list
}

// Named returns an authority by its name, or nil.
func (p *Plan) Named(name string) *Authority {
	for i := range p.Authorities {
		if p.Authorities[i].Name == name {
			return &p.Authorities[i]
		}
	}
	return nil
}

// AdoptedBy returns the authority of a family that the plan adopts, or nil.
func (p *Plan) AdoptedBy(f kubepki.Authority) *Authority {
	for _, a := range p.OfFamily(f) {
		if a.Adopted {
			return a
		}
	}
	return nil
}

// Adopts says whether the plan adopts a cluster that no ceremony made: whether
// it has an authority that is adopted.
func (p *Plan) Adopts() bool {
	for _, a := range p.Authorities {
		if a.Adopted {
			return true
		}
	}
	return false
}

// Keeps says whether a family's certificates are still those of an adopted
// authority. Its key is nobody's to use here, so each is carried over.
func (p *Plan) Keeps(f kubepki.Authority) bool {
	a := p.Issuing(f)
	return a != nil && a.Adopted
}

// RootOf returns the root that certifies an authority which is made, or nil.
func (p *Plan) RootOf(a *Authority) *Authority {
	if a.Root == "" {
		return p.Issuing(kubepki.Root)
	}
	for _, r := range p.OfFamily(kubepki.Root) {
		if r.Name == a.Root {
			return r
		}
	}
	return nil
}
