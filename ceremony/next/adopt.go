package next

import (
	"crypto/x509"
	"fmt"
	"slices"

	"officiant/bundle/kubepki"
	"officiant/bundle/request"
	"officiant/ceremony/plan"
	"officiant/signer"
)

// FormerSuffix ends the name of an authority that kubeadm made.
const FormerSuffix = "-former"

// Adopt takes over a cluster that runs already, whose CA keys lie on disks.
func Adopt(a Asked) (*Proposal, error) {
	d, err := a.begin()
	if err != nil {
		return nil, err
	}
	if err := holdsSeveral(d.kubeadm.KubernetesVersion); err != nil {
		return nil, err
	}
	if err := d.adopt(a.Evidence); err != nil {
		return nil, err
	}
	return d.end(a, 1)
}

// holdsSeveral refuses a release whose kubeadm takes no kubeconfig of two
// authorities, which every node has until the last stage.
func holdsSeveral(version string) error {
	v, err := kubepki.ParseVersion(version)
	if err != nil || kubepki.SeveralInKubeconfig(v) {
		return nil // none is said where the plan is checked
	}
	return &Refused{
		Err: fmt.Errorf(
			"the cluster is of Kubernetes %s, whose kubeadm takes a kubeconfig with exactly one authority in it; "+
				"until the last stage kubeconfigs hold two",
			v,
		),
		Hints: plainly("upgrade the cluster to v1.31.0 or later first, then make the requests and this plan anew"),
	}
}

// adopt puts the nodes' old authorities into the plan, each with its successor,
// and the service-account key as the nodes sealed it.
func (d *draft) adopt(evidence signer.Grade) error {
	nodes := d.nodes
	for i := range nodes {
		if nodes[i].request.Adoption == nil {
			return &Refused{
				Err: fmt.Errorf("%s: does not bring along what node %s has", nodes[i].node.Request, nodes[i].node.Name),
				Hints: append(by(AdoptRequest), plainly("for a node that is not part of the cluster yet: "+
					"adopt the cluster "+
					"first, then let it join")...),
			}
		}
	}
	for _, spec := range kubepki.Authorities(kubepki.Cluster{}) {
		former, err := formerOf(nodes, spec.Authority)
		if err != nil {
			return err
		}
		if former == nil {
			continue
		}
		name := string(spec.Authority)
		path := "adopted/" + name + ".crt"
		if err := d.in.add(path, certificatePEM(former)); err != nil {
			return err
		}
		d.p.Authorities = append(d.p.Authorities,
			plan.Authority{Name: name + FormerSuffix, Family: spec.Authority, Adopted: true, Certificate: path},
			plan.Authority{Name: name, Family: spec.Authority, Use: plan.Trust, Key: plan.Key{Create: signer.ECDSAP256},
				Validity: d.newLife(), Evidence: evidence})
	}
	return d.adoptedAccount()
}

// newLife is how long an authority that is made is valid; zero where the kubeadm file
// says it.
func (d *draft) newLife() plan.Duration {
	if d.p.AuthorityLife != 0 {
		return 0
	}
	return plan.Duration(authorityLife)
}

// formerOf is the authority of a family that the nodes trust now; nil when none
// has a trust file of it. They have to trust the same.
func formerOf(nodes []requester, family kubepki.Authority) (*x509.Certificate, error) {
	var former *x509.Certificate
	from := ""
	for _, n := range nodes {
		c := n.request.Adoption.Authorities[family]
		switch {
		case c == nil:
		case former == nil:
			former, from = c, n.node.Name
		case !former.Equal(c):
			return nil, &Refused{
				Err: fmt.Errorf(
					"nodes %s and %s trust different %s authorities: %s (serial number %x) and %s (%x)",
					from,
					n.node.Name,
					family,
					oneLine(former.Subject.String()),
					former.SerialNumber,
					oneLine(c.Subject.String()),
					c.SerialNumber,
				),
				Hints: plainly(
					"a node that is of another cluster, or was missed by an earlier change, has to be put right first",
				),
			}
		}
	}
	return former, nil
}

// adoptedAccount puts the service-account key into the plan as its nodes sealed
// it to themselves: the first one's as the plan's, each other's as its own.
func (d *draft) adoptedAccount() error {
	nodes := d.nodes
	var first *request.Adoption
	for i := range nodes {
		n := &nodes[i]
		if !slices.Contains(n.node.Roles, kubepki.ControlPlane) {
			continue
		}
		a := n.request.Adoption
		path := "adopted/" + n.node.Name + SharedSuffix
		if err := d.in.add(path, a.AccountSealed); err != nil {
			return err
		}
		n.node.Sealed = path
		if first != nil {
			if string(first.AccountPublic) != string(a.AccountPublic) {
				return &Refused{
					Err: fmt.Errorf(
						"node %s has another service-account key than %s: tokens one of them signs, the other refuses",
						n.node.Name,
						nodes[0].node.Name,
					),
				}
			}
			continue
		}
		first, n.node.Sealed = a, ""
		d.p.ServiceAccount = plan.ServiceAccount{Sealed: path, Public: "adopted/sa.pub"}
		if err := d.in.add(d.p.ServiceAccount.Public, a.AccountPublic); err != nil {
			return err
		}
	}
	return nil
}
