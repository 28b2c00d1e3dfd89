package audit

import (
	"crypto/x509"
	"encoding/pem"
	"slices"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/history"
	"officiant/ceremony/plan"
	"officiant/ceremony/revocation"
)

// revokedInUse wants no revoked certificate in a bundle, no compromised key in a
// new certificate, and nothing signed by a revoked authority.
func (a *listAudit) revokedInUse(c *Check, former map[string]*formerList, onRecord map[string]*history.Certificate) {
	reasons := map[string]plan.Reason{}
	for _, f := range former {
		for serial, e := range f.entries {
			reasons[serial] = revocation.OfCode(e.ReasonCode)
		}
	}
	for _, v := range a.plan.Plan.Revocations {
		reasons[v.Serial.Text(16)] = v.Reason
	}
	compromised := map[fingerprint.SHA256]string{}
	for serial, reason := range reasons {
		if cert := onRecord[serial]; cert != nil && reason == revocation.KeyCompromise {
			compromised[cert.SPKI] = serial
		}
	}
	for _, n := range a.plan.Nodes {
		if len(reasons) == 0 {
			break
		}
		leaves := a.leaves(n.Name)
		for _, name := range sortedKeys(leaves) {
			if _, ok := reasons[leaves[name].SerialNumber.Text(16)]; ok {
				c.problem("bundles/%s: its certificate %s is revoked", n.Name, name)
			}
			if serial := compromised[fingerprint.Of(leaves[name].RawSubjectPublicKeyInfo)]; serial != "" {
				c.problem(
					"bundles/%s: its certificate %s is for the key by which %s was revoked as compromised",
					n.Name,
					name,
					serial,
				)
			}
		}
	}
	for _, s := range slices.Concat(a.ledger.certificates, a.ledger.lists) {
		issuer := a.plan.Certificates[s.signer]
		if a.plan.Renewed[s.signer] != nil {
			issuer = a.plan.Renewed[s.signer]
		}
		if issuer != nil {
			if _, ok := reasons[issuer.SerialNumber.Text(16)]; ok {
				c.problem("line %d: %s was to be signed by %s, which is revoked", s.seq, s.name, s.signer)
			}
		}
	}
}

// etcdList is the list that etcd nodes get: that of the etcd authority that issues,
// or, when nothing is on it, the first with something on it of those that nodes trust
// beside it.
func (a *listAudit) etcdList() []byte {
	var first, full *x509.RevocationList
	for _, use := range []plan.Use{plan.Issue, plan.Trust} {
		for _, p := range a.plan.Plan.Authorities {
			if p.Family != kubepki.EtcdAuthority || p.Use != use {
				continue
			}
			list := a.listOf(p.Name)
			if first == nil {
				first = list
			}
			if full == nil && list != nil && len(list.RevokedCertificateEntries) > 0 {
				full = list
			}
		}
	}
	switch {
	case full != nil:
		return full.Raw
	case first != nil:
		return first.Raw
	}
	return nil
}

// etcdHasList wants etcd to go on having a list once it has had one: without the
// file it is told of, it turns everybody away.
func (a *listAudit) etcdHasList(c *Check, former map[string]*formerList) {
	runs := false
	for _, n := range a.plan.Nodes {
		runs = runs || n.Has(kubepki.Etcd)
	}
	for _, key := range sortedKeys(former) {
		if f := former[key]; runs && f.family == string(kubepki.EtcdAuthority) && a.etcdList() == nil {
			c.problem("%s: etcd had list %d of %s, and gets none now", planFile, f.Number, f.Issuer)
		}
	}
}

// listOf is an authority's list: made here, or else the newest former one.
func (a *listAudit) listOf(authority string) *x509.RevocationList {
	issuer := a.authority(authority)
	if issuer == nil {
		return nil
	}
	for _, s := range a.ledger.lists {
		if s.list != nil && issuerKey(s.list) == subjectKey(issuer) {
			return s.list
		}
	}
	if f := a.formerLists()[subjectKey(issuer)]; f != nil {
		return f.RevocationList
	}
	return nil
}

// listFiles holds the files of crls/ against the record.
func (a *listAudit) listFiles(c *Check) {
	for _, s := range a.ledger.lists {
		if s.list == nil {
			continue
		}
		der, text := a.marked("crls/"+s.signer+".crl"), a.marked("crls/"+s.signer+".crl.pem")
		a.expect(der, text)
		for name, want := range map[string][]byte{der: s.list.Raw, text: pem.EncodeToMemory(&pem.Block{Type: "X509 CRL",
			Bytes: s.list.Raw})} {
			if err := a.same(name, want); err != nil {
				c.problem("%v", err)
			}
		}
	}
	if now := a.o.Now; !now.IsZero() {
		for _, s := range a.ledger.lists {
			if s.list != nil && now.After(s.list.NextUpdate.Add(time.Second)) {
				c.note("the list of %s was to be followed by another on %s", s.signer, stamp(s.list.NextUpdate))
			}
		}
	}
}
