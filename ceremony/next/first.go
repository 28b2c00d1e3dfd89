package next

import (
	"crypto/x509"
	"fmt"
	"slices"

	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
)

// FirstOptions are what only a cluster's first ceremony can have.
type FirstOptions struct {
	External *File         // certificate of an external root; nil: the root is made
	Lists    plan.Duration // every authority that is made signs a list, and the next one is due then; zero: none
}

// First is a cluster's first ceremony.
func First(a Asked, o FirstOptions) (*Proposal, error) {
	d, err := a.begin()
	if err != nil {
		return nil, err
	}
	if o.External != nil {
		if err := d.externalRoot(*o.External); err != nil {
			return nil, err
		}
	}
	d.lists(o.Lists)
	return d.end(a, 1)
}

// lists has etcd's authority sign a revocation list from the first day; zero: it does
// not. etcd alone looks at lists, so a list of any other authority would only have to
// be made anew in time, the root's with its token on the table.
func (d *draft) lists(next plan.Duration) {
	if next != 0 {
		d.p.CRLs = append(d.p.CRLs, plan.CRL{Authority: string(kubepki.EtcdAuthority), NextUpdate: next})
	}
}

// externalRoot makes the plan's root external.
func (d *draft) externalRoot(f File) error {
	list, err := schedule.ParseCertificates(f.Data)
	if err == nil && len(list) > 1 { // a company's chain has its root in it
		list = slices.DeleteFunc(list, func(c *x509.Certificate) bool { return kubepki.SelfSigned(c) != nil })
		if len(list) != 1 {
			err = fmt.Errorf("holds several certificates, %d of them self-signed, and it is not known which is the root: "+
				"leave that one alone in the file", len(list))
		}
	}
	if err != nil {
		return refuse("%s: %w", f.Name, err)
	}
	root := plan.Authority{Name: string(kubepki.Root), Family: kubepki.Root, External: true, Certificate: "root.crt"}
	d.p.Authorities = append(d.p.Authorities, root)
	return d.in.add(root.Certificate, certificatePEM(list[0]))
}
