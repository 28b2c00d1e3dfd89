package ceremony

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/online/grant"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
)

// grantsFor are the signer names that an online signer's authorities sign for, in the
// grant's order.
var grantsFor = []struct {
	signerName string
	family     kubepki.Authority
}{
	{grant.KubeletClient, kubepki.KubeletClientAuthority},
	{grant.KubeletServer, kubepki.KubeletServingAuthority},
	{grant.Client, kubepki.KubeletClientAuthority}, // where there are users
}

// grantOf is the plan's grant with what a ceremony adds: the authorities as they are
// certified, and from when on it holds. refused are keys that are never certified beside
// those that the plan names. Its bytes are checked as a signer would.
func grantOf(c *schedule.Ceremony, certificate func(name string) *x509.Certificate, refused []fingerprint.SHA256,
	from time.Time) ([]byte, error) {
	p := &c.Plan.Grant
	g := &grant.Grant{APIVersion: "officiant/v1", Kind: "Grant", Cluster: c.Cluster.Name, Sequence: c.Sequence,
		NotBefore: from, NotAfter: from.Add(time.Duration(p.Validity)), JournalKey: p.Journal,
		KeyAlgorithms: p.KeyAlgorithms, RefusedKeys: append(slices.Clone(p.RefusedKeys), refused...),
		Nodes: []grant.Node{}, Users: []grant.User{}}
	for _, by := range grantsFor {
		a := c.Plan.Issuing(by.family)
		if a == nil || by.signerName == grant.Client && len(p.Users) == 0 {
			continue
		}
		cert := certificate(a.Name)
		if cert == nil {
			return nil, fmt.Errorf("the grant: authority %s has no certificate", a.Name)
		}
		if cert.NotAfter.Before(g.NotAfter) {
			g.NotAfter = cert.NotAfter.UTC()
		}
		g.Authorities = append(g.Authorities, grant.Authority{SignerName: by.signerName, Name: a.Name,
			Certificate: string(certificatePEM(cert)), Life: time.Duration(p.Life).String()})
	}
	names, networks := c.Reserved()
	g.Reserved = grant.Reserved{DNSNames: listed(names), Networks: listed(networks)}
	addMembers(g, p)
	slices.SortFunc(g.RefusedKeys, func(a, b fingerprint.SHA256) int { return slices.Compare(a[:], b[:]) })
	g.RefusedKeys = slices.Compact(g.RefusedKeys)
	data, err := g.Marshal()
	if err != nil {
		return nil, err
	}
	_, err = grant.Parse(schedule.GrantFile, data)
	return data, err
}

// addMembers adds nodes and users. A grant has lists, not null, where there is nothing.
func addMembers(g *grant.Grant, p *plan.Grant) {
	for _, n := range p.Nodes {
		node := grant.Node{Name: n.Name, DNSNames: listed(n.DNSNames), IPAddresses: listed(n.IPAddresses),
			SignaturesPerDay: n.SignaturesPerDay, Bootstrap: n.Bootstrap}
		for _, r := range n.Roles {
			node.Roles = append(node.Roles, string(r))
		}
		g.Nodes = append(g.Nodes, node)
	}
	for _, u := range p.Users {
		g.Users = append(g.Users, grant.User{Name: u.Name, Groups: listed(u.Groups), Requester: u.Requester,
			SignaturesPerDay: u.SignaturesPerDay})
	}
}

func listed[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// grant says why the grant would be refused; empty when it would not.
func (d *hierarchy) grant() []string {
	if !d.plan.Plan.Grant.Given() {
		return nil
	}
	_, err := grantOf(d.plan, func(name string) *x509.Certificate { return d.certificates[name] }, nil, d.base)
	if err != nil {
		return []string{err.Error()}
	}
	return nil
}

// grant is the ceremony's grant, as the record has what is in it.
func (r *outputs) grant() ([]byte, error) {
	certificates := map[string]*x509.Certificate{}
	refused := []fingerprint.SHA256{r.progress.Keys[r.plan.ReleaseKey()].SPKI}
	for _, a := range r.plan.Plan.Authorities {
		c, err := r.authority(a.Name)
		if err != nil {
			return nil, err
		}
		certificates[a.Name] = c
		refused = append(refused, fingerprint.Of(c.RawSubjectPublicKeyInfo))
	}
	return grantOf(r.plan, func(name string) *x509.Certificate { return certificates[name] }, refused,
		r.progress.NotBefore)
}

// signGrant has the release key sign the grant.
func (r *outputs) signGrant(ctx context.Context) error {
	lines := slices.Collect(r.plan.All(schedule.GrantSignature))
	if len(lines) != 1 {
		return errors.New("the schedule has no line for the grant's signature")
	}
	data, err := r.grant()
	if err != nil {
		return err
	}
	sum := fingerprint.Of(data)
	r.observer.Fingerprint("grant", sum)
	if r.progress.Signed(schedule.GrantName) {
		return nil
	}
	return r.signFiles(ctx, lines, []fingerprint.SHA256{sum}, r.stepCount(1))
}

// writeGrant leaves the grant and its signature, as a signer is given them.
func (r *outputs) writeGrant() error {
	signed, ok, err := r.progress.Signature(schedule.GrantName)
	if !ok || err != nil {
		return err
	}
	data, err := r.grant()
	if err != nil {
		return err
	}
	if fingerprint.Of(data) != signed.SHA256 {
		return errors.New("the grant comes out with other bytes than those signed")
	}
	if err := r.dir.ensure(r.dir.named(schedule.GrantFile), data); err != nil {
		return err
	}
	return r.dir.ensure(r.dir.named(schedule.GrantFile+".sig"), signed.Bytes)
}
