package audit

import (
	"fmt"
	"slices"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/history"
	"officiant/ceremony/plan"
	"officiant/ceremony/revocation"
	"officiant/ceremony/schedule"
)

// vouchAudit proves what vouches for requests.
type vouchAudit struct{ *view }

// vouchers looks at the certificates whose keys vouch for requests in the place of
// people: each has to be on record, as that node's, and not revoked: not on any list
// before, nor in this plan. Who holds the key of what was revoked may be anybody.
func (a *vouchAudit) vouchers(c *Check) {
	if a.t.Open().Rehearsal {
		return // told of the real one
	}
	d := a.doubts()
	revoked := d.revoked
	for _, n := range a.plan.Plan.Nodes {
		request := a.plan.Requests[n.Name]
		if request == nil || n.Fingerprint != (fingerprint.SHA256{}) && !n.Renews() {
			continue // a person compared it, or its keys are made here
		}
		if n.Renews() {
			a.renewedKeys(c, n, revoked)
			continue
		}
		if request.HostKey {
			continue // known_hosts says whose that is; the plan's expansion has looked
		}
		cert := request.Voucher
		if cert == nil {
			a.requires(c, "node %s: nobody vouches for its request", n.Name)
			continue
		}
		for _, why := range a.believed(n.Name, cert, d) {
			a.requires(c, "node %s: the certificate %s vouches for its request, and %s", n.Name, cert.Serial, why)
		}
		name := n.Name + "/" + cert.Name
		if !a.onRecordAs(cert.SHA256, name) {
			a.requires(
				c,
				"node %s: %s vouches for its request, and no previous record has that certificate under this name",
				n.Name,
				name,
			)
		}
		if reason, ok := revoked[cert.Serial.String()]; ok {
			a.requires(
				c,
				"node %s: the certificate %s vouches for its request, and is revoked (%s)",
				n.Name,
				cert.Serial,
				reason,
			)
		}
	}
}

// doubts are what takes belief from keys on record: revoked authorities, nodes one of
// whose present keys others may have, and those that have left.
type doubts struct {
	revoked map[string]plan.Reason // by serial number in hex
	signers map[string]plan.Reason // authorities, by name
	nodes   map[string]string      // certificates that are revoked as compromised, by node
	left    map[string]string      // by node: which ceremony says so
}

func (a *vouchAudit) doubts() doubts {
	d := doubts{a.revokedSerials(), map[string]plan.Reason{}, map[string]string{}, map[string]string{}}
	for _, r := range slices.Backward(a.past.own) { // oldest first
		for _, node := range r.Left {
			d.left[node] = r.String()
		}
		for c := range r.Certificates() {
			reason, bad := d.revoked[c.Serial.String()]
			if c.Node() != "" && c.State == history.Issued && !slices.Contains(r.Left, c.Node()) {
				delete(d.left, c.Node()) // it came back
			}
			switch {
			case !bad:
			case c.CA:
				d.signers[c.Name] = reason
			case reason == revocation.KeyCompromise && a.newestIs(c):
				d.nodes[c.Node()] = c.Name
			}
		}
	}
	return d
}

// believed says why a certificate's key says nothing of its node.
func (a *vouchAudit) believed(node string, by *schedule.Voucher, d doubts) (why []string) {
	cert, ok := a.issuedAs(by.SHA256, node+"/"+by.Name)
	if !ok {
		return nil // told where it is on no record
	}
	if a.t.Open().NotBefore.After(cert.NotAfter) || cert.NotBefore.After(a.t.Lines[0].Time) {
		why = append(why, fmt.Sprintf("is valid from %s to %s", stamp(cert.NotBefore), stamp(cert.NotAfter)))
	}
	if reason, bad := d.signers[cert.Signer]; bad {
		why = append(why, fmt.Sprintf("its authority %s is revoked (%s)", cert.Signer, reason))
	}
	if name := d.nodes[node]; name != "" && name != cert.Name {
		why = append(why, name+" is revoked as compromised: whoever has one key of a node may have all")
	}
	if r := d.left[node]; r != "" {
		why = append(why, "the node has left the cluster, by "+r)
	}
	return why
}

// issuedAs finds a certificate of this cluster's records, by its name there.
func (a *vouchAudit) issuedAs(sum fingerprint.SHA256, name string) (history.Certificate, bool) {
	for _, r := range a.past.own {
		if found, ok := r.WithSHA256(sum); ok && found.Name == name {
			return found, true
		}
	}
	return history.Certificate{}, false
}

// newestIs says whether a certificate is what its node has now, or for the same key.
func (a *vouchAudit) newestIs(c history.Certificate) bool {
	newest, ok := a.past.newest(c.Name, history.Issued, history.Adopted)
	return ok && newest.SPKI == c.SPKI
}

// renewedKeys looks at a node that is renewed without a new request: by its keys on
// record. What was only superseded says nothing against its key.
func (a *vouchAudit) renewedKeys(c *Check, n plan.Node, revoked map[string]plan.Reason) {
	for e := range a.leavesOf(n.Name) {
		cert, ok := a.past.newest(e.Name, history.Issued, history.Adopted)
		if !ok {
			continue // told where certificates are carried over
		}
		if reason, bad := revoked[cert.Serial.String()]; bad && reason != revocation.Superseded {
			a.requires(
				c,
				"node %s: the key of %s is taken from certificate %s, which is revoked (%s)",
				n.Name,
				e.Name,
				cert.Serial,
				reason,
			)
		}
	}
}

// revokedSerials are all that is revoked, by serial number in hex: on any list of
// the records here, and in this plan.
func (a *vouchAudit) revokedSerials() map[string]plan.Reason {
	all := map[string]plan.Reason{}
	for _, r := range a.past.records {
		for _, l := range r.Lists {
			for _, e := range l.RevokedCertificateEntries {
				all[e.SerialNumber.Text(16)] = revocation.OfCode(e.ReasonCode)
			}
		}
	}
	for _, v := range a.plan.Plan.Revocations {
		all[v.Serial.Text(16)] = v.Reason
	}
	return all
}

// onRecordAs says whether a record of this cluster has a certificate under a name.
func (a *vouchAudit) onRecordAs(sum fingerprint.SHA256, name string) bool {
	_, ok := a.issuedAs(sum, name)
	return ok
}
