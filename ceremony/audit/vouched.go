package audit

import (
	"officiant/bundle/fingerprint"
	"officiant/ceremony/history"
	"officiant/ceremony/plan"
	"officiant/ceremony/revocation"
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
	revoked := a.revokedSerials()
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
		name := n.Name + "/" + cert.Name
		if !a.onRecordAs(cert.SHA256, name) {
			a.requires(
				c,
				"node %s: %s vouches for its request, and no former record has that certificate under this name",
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

// renewedKeys looks at a node that is renewed without a new request: by its keys on
// record. What was only superseded says nothing against its key.
func (a *vouchAudit) renewedKeys(c *Check, n plan.Node, revoked map[string]plan.Reason) {
	for _, e := range a.nodes[n.Name] {
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
	for _, r := range a.past.own {
		if found, ok := r.WithSHA256(sum); ok && found.Name == name {
			return true
		}
	}
	return false
}
