package main

import (
	"crypto/x509"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/history"
	"officiant/ceremony/inventory"
	"officiant/ceremony/plan"
	"officiant/ceremony/revocation"
	"officiant/ceremony/schedule"
	"officiant/cmd/internal/exit"
)

// target is a certificate to be revoked.
type target struct {
	serial    string // hex
	name      string
	authority string // that issued it, as the last plan names it
	end       time.Time
	client    bool // somebody logs in to Kubernetes with it, not to etcd
}

// targets finds what is to be revoked on the chain's records: all of it that has
// not ended, abandoned certificates included, since they may exist.
func (o *revokeOptions) targets(chain []*predecessor) ([]target, error) {
	if o.refresh {
		return nil, nil
	}
	entries, err := issuedBy(chain)
	if err != nil {
		return nil, err
	}
	serials, requested := o.wantedSerials(), o.wantedRequests(chain)
	hit := map[string]bool{}
	var found []target
	var ended, before int
	for _, e := range entries {
		i := e.Item()
		switch key := fmt.Sprintf("%d/%s", i.Sequence, i.Name); {
		case i.Kind == inventory.CRL:
			continue
		case serials[i.Serial] != "":
			hit[serials[i.Serial]] = true
		case i.Node != "" && slices.Contains(o.nodes, i.Node):
			hit[i.Node] = true
		case requested[key] != "":
			hit[requested[key]] = true
		default:
			continue
		}
		switch {
		case i.NotAfter.Before(o.renewal.now):
			ended++
			continue
		case i.State == inventory.Revoked:
			before++
			continue
		}
		t, err := o.target(chain, i)
		if err != nil {
			return nil, err
		}
		found = append(found, t)
	}
	for _, what := range slices.Concat(o.serials, o.nodes, o.requests) {
		if !hit[what] {
			return nil, &exit.Error{Code: exit.Refused, Err: fmt.Errorf("%s: no certificate of that on these records", what),
				Hints: []string{"an older ceremony may have issued it: give its directory, too", "see what there is:  officiant ceremony inventory DIR..."}}
		}
	}
	if len(found) == 0 {
		return nil, refuse("nothing to revoke: of what was asked for, %d have ended and %d are revoked already", ended, before)
	}
	return found, nil
}

// issuedBy lists all that these ceremonies issued.
func issuedBy(chain []*predecessor) ([]*inventory.Entry, error) {
	var records []*inventory.Record
	for _, p := range chain {
		r, err := inventory.Read(history.Text(filepath.Join(p.dir, "transcript.jsonl"), p.raw))
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return inventory.List(records...)
}

func (o *revokeOptions) wantedSerials() map[string]string {
	wanted := map[string]string{} // as they were typed, by their one spelling
	for _, s := range o.serials {
		if n, err := revocation.ParseSerial(s); err == nil { // flags has looked
			wanted[n.Text(16)] = s
		}
	}
	return wanted
}

// wantedRequests names what the ceremonies made by requests, as SEQUENCE/NAME, and
// the fingerprint as it was typed.
func (o *revokeOptions) wantedRequests(chain []*predecessor) map[string]string {
	wanted := map[string]string{}
	for _, typed := range o.requests {
		var f fingerprint.SHA256
		if f.UnmarshalText([]byte(typed)) != nil {
			continue
		}
		for _, p := range chain {
			for _, e := range p.plan.Entries {
				if r := p.plan.Requests[e.Node]; e.Kind == schedule.LeafCertificate && r != nil && r.Fingerprint == f {
					wanted[fmt.Sprintf("%d/%s", p.open.Sequence, e.Name)] = typed
				}
			}
		}
	}
	return wanted
}

// target finds the authority of the last plan that issued a certificate, and has
// to be the one to revoke it.
func (o *revokeOptions) target(chain []*predecessor, i inventory.Item) (target, error) {
	t := target{serial: i.Serial, name: i.Name, authority: i.Authority, end: i.NotAfter}
	last := chain[0].plan.Plan
	at := slices.IndexFunc(last.Authorities, func(a plan.Authority) bool { return a.Name == i.Authority })
	switch {
	case i.Kind == inventory.Root:
		return t, &exit.Error{Code: exit.Refused, Err: fmt.Errorf("%s (%s) is a root: no list can say that of it", i.Name, i.Serial),
			Hints: []string{"it has to be replaced: officiant ceremony rollover (docs/rollover.md)"}}
	case at < 0:
		return t, refuse("%s (%s) was issued by authority %s, which nodes do not trust any more: nobody takes it", i.Name, i.Serial, i.Authority)
	case last.Authorities[at].External:
		return t, refuse("%s (%s) was certified by a root that lives elsewhere: it is revoked there", i.Name, i.Serial)
	case revokedItself(chain[0], i.Authority):
		return t, refuse("%s (%s) was issued by authority %s, which is revoked itself, and with it all it issued", i.Name, i.Serial, i.Authority)
	}
	t.client = last.Authorities[at].Family == kubepki.KubernetesAuthority || last.Authorities[at].Family == kubepki.FrontProxyAuthority
	return t, nil
}

// lists puts into the plan the lists that change, all that is on them, and the keys
// that sign them.
func (o *revokeOptions) lists(chain []*predecessor, p *plan.NewOptions, found []target) error {
	signs := map[string]bool{}
	for _, f := range found {
		signs[f.authority] = true
	}
	former := map[string]*x509.RevocationList{} // by authority
	for _, l := range chain[0].record.RevocationLists() {
		for _, a := range p.Authorities {
			name, c := a.Name, chain[0].certificate(a.Name)
			if c != nil && string(l.List.RawIssuer) == string(c.RawSubject) && string(l.List.AuthorityKeyId) == string(c.SubjectKeyId) {
				former[name] = l.List
			}
		}
	}
	if o.refresh {
		for name := range former {
			signs[name] = (len(o.authorities) == 0 || slices.Contains(o.authorities, name)) && !revokedItself(chain[0], name)
		}
		for _, name := range o.authorities {
			if former[name] == nil {
				return refuse("authority %s has no revocation list on these records", name)
			}
		}
		if len(former) == 0 {
			return refuse("there is no revocation list on these records to make anew")
		}
	}
	for i := range p.Authorities {
		a := &p.Authorities[i]
		if !signs[a.Name] {
			a.Key = plan.Key{}
			continue
		}
		spki, err := fingerprint.SPKI(chain[0].certificate(a.Name).PublicKey)
		if err != nil {
			return err
		}
		a.Key = plan.Key{Existing: spki}
		p.CRLs = append(p.CRLs, plan.CRL{Authority: a.Name, NextUpdate: o.until(former[a.Name])})
		if p.Revocations, err = again(p.Revocations, chain, a.Name, former[a.Name]); err != nil {
			return err
		}
	}
	if len(p.CRLs) == 0 {
		return refuse("no list can be made anew: what there are, are of authorities that are revoked themselves")
	}
	for _, f := range found {
		n, err := revocation.ParseSerial(f.serial)
		if err != nil {
			return err
		}
		p.Revocations = append(p.Revocations, plan.Revocation{Serial: plan.Serial{Int: n}, Authority: f.authority, Reason: o.reasonFor(f), Comment: o.comment})
	}
	return nil
}

// reasonFor is the reason, which has another name for an authority.
func (o *revokeOptions) reasonFor(f target) plan.Reason {
	r := revocation.Reason(o.reason)
	leaf := strings.Contains(f.name, "/")
	switch {
	case r == revocation.KeyCompromise && !leaf:
		return revocation.CACompromise
	case r == revocation.CACompromise && leaf:
		return revocation.KeyCompromise
	}
	return r
}

func (o *revokeOptions) until(former *x509.RevocationList) plan.Duration {
	switch {
	case o.next != 0:
		return o.next
	case former != nil:
		return plan.Duration(former.NextUpdate.Sub(former.ThisUpdate))
	}
	return plan.Duration(90 * 24 * time.Hour)
}

// again adds what was on a former list and had not ended when that was made; with
// the comments of the plans that revoked it.
func again(list []plan.Revocation, chain []*predecessor, authority string, former *x509.RevocationList) ([]plan.Revocation, error) {
	if former == nil {
		return list, nil
	}
	entries, err := issuedBy(chain)
	if err != nil {
		return nil, err
	}
	ends, comments := map[string]time.Time{}, map[string]string{}
	for _, e := range entries {
		ends[e.Item().Serial] = e.End()
	}
	for _, p := range slices.Backward(chain) { // oldest first
		for _, v := range p.plan.Plan.Revocations {
			comments[v.Serial.Text(16)] = v.Comment
		}
	}
	for _, e := range former.RevokedCertificateEntries {
		serial := e.SerialNumber.Text(16)
		if end, known := ends[serial]; known && end.Before(former.ThisUpdate) {
			continue
		}
		list = append(list, plan.Revocation{Serial: plan.Serial{Int: e.SerialNumber}, Authority: authority,
			Reason: revocation.OfCode(e.ReasonCode), Comment: comments[serial]})
	}
	return list, nil
}

// revokedItself says whether an authority is on a list of the root's: it signs nothing more.
func revokedItself(last *predecessor, authority string) bool {
	c := last.certificate(authority)
	return c != nil && revokedBy(last)[c.SerialNumber.Text(16)]
}

// revokedBy are the serial numbers on the newest lists, in hex.
func revokedBy(last *predecessor) map[string]bool {
	revoked := map[string]bool{}
	for _, l := range last.record.RevocationLists() {
		for _, e := range l.List.RevokedCertificateEntries {
			revoked[e.SerialNumber.Text(16)] = true
		}
	}
	return revoked
}

// etcdNodes puts the nodes of role etcd into the plan, with all the certificates
// they have, when etcd's list changes. It names those that cannot have a bundle: a
// certificate of theirs is revoked, or the ceremony made their keys.
func (o *revokeOptions) etcdNodes(chain []*predecessor, p *plan.NewOptions) (left []string, err error) {
	families := map[string]kubepki.Authority{}
	for _, a := range p.Authorities {
		families[a.Name] = a.Family
	}
	if !slices.ContainsFunc(p.CRLs, func(l plan.CRL) bool { return families[l.Authority] == kubepki.EtcdAuthority }) {
		return nil, nil
	}
	revoked := revokedBy(chain[0]) // on the lists that do not change, too
	for _, v := range p.Revocations {
		revoked[v.Serial.Text(16)] = true
	}
	for name, c := range present(chain) {
		if node, _, _ := strings.Cut(name, "/"); revoked[c.SerialNumber.Text(16)] {
			revoked[node] = true
		}
	}
	everybody, err := o.renewal.senders(chain)
	if err != nil {
		return nil, err
	}
	var senders []sender
	for _, s := range everybody {
		switch {
		case !slices.Contains(s.node.Roles, kubepki.Etcd):
		case revoked[s.node.Name] || s.request == nil:
			left = append(left, s.node.Name)
		default:
			s.node.Renew = []string{}
			senders = append(senders, s)
		}
	}
	err = serviceAccount(chain, p, o.renewal.in, senders) // which says what a node opens that joined later
	for _, s := range senders {
		p.Nodes = append(p.Nodes, s.node)
	}
	return left, err
}
