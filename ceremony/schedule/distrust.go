package schedule

import (
	"crypto/x509"
	"fmt"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/history"
	"officiant/ceremony/plan"
	"officiant/ceremony/revocation"
)

// distrust is what this plan revokes, and what any list on record does: nothing of it
// vouches for anybody.
type distrust struct {
	reasons     map[history.Serial]plan.Reason
	compromised map[fingerprint.SHA256]string // names of certificates, by keys that others may have
	nodes       map[string]string             // by node: a newest certificate of its, whose key others may have
	authorities []*x509.Certificate           // that are revoked
}

// distrusted gathers it.
func (b base) distrusted(past *records) (*distrust, error) {
	d := &distrust{
		reasons: map[history.Serial]plan.Reason{}, compromised: map[fingerprint.SHA256]string{}, nodes: map[string]string{},
	}
	for s, is := range past.Revocations() {
		if _, newer := d.reasons[s]; !newer {
			d.reasons[s] = is.Reason
		}
	}
	for _, v := range b.p.Revocations {
		if s, ok := history.SerialOf(v.Serial.Int); ok {
			d.reasons[s] = v.Reason
		}
	}
	for s, reason := range d.reasons {
		for c := range past.Find(s) {
			if err := d.take(past.History, c, reason); err != nil {
				return nil, err
			}
		}
	}
	return d, nil
}

func (d *distrust) take(past *history.History, c history.Certificate, reason plan.Reason) error {
	if c.CA && c.State != history.Abandoned {
		cert, err := c.Parse()
		if err != nil {
			return err
		}
		d.authorities = append(d.authorities, cert)
	}
	if reason != revocation.KeyCompromise && reason != revocation.CACompromise {
		return nil
	}
	d.compromised[c.SPKI] = c.Name
	if newest, ok := past.Newest(c.Name); ok && c.Node() != "" && newest.SPKI == c.SPKI {
		d.nodes[c.Node()] = c.File()
	}
	return nil
}

// reason says why a certificate is revoked; false: it is not.
func (d *distrust) reason(c *x509.Certificate) (plan.Reason, bool) {
	s, ok := history.SerialOf(c.SerialNumber)
	if !ok {
		return "", false
	}
	reason, is := d.reasons[s]
	return reason, is
}

// vouches says why a certificate's key does not vouch for a request of its node.
func (d *distrust) vouches(node string, c *x509.Certificate) error {
	if reason, is := d.reason(c); is {
		return fmt.Errorf("that certificate (serial number %x) is revoked: %s", c.SerialNumber, reason)
	}
	if spki, err := fingerprint.SPKI(c.PublicKey); err == nil && d.compromised[spki] != "" {
		return fmt.Errorf("that key is compromised, by which %s was revoked", d.compromised[spki])
	}
	for _, a := range d.authorities {
		if string(c.RawIssuer) == string(a.RawSubject) && string(c.AuthorityKeyId) == string(a.SubjectKeyId) {
			return fmt.Errorf("the authority that signed that certificate, %s, is revoked", a.Subject)
		}
	}
	return d.secret(node)
}

// secret says why no key that lies on a node vouches for it: whoever has one of them
// may have all.
func (d *distrust) secret(node string) error {
	if file := d.nodes[node]; file != "" {
		return fmt.Errorf("%s/%s is revoked as compromised, and who has one key of a node may have all", node, file)
	}
	return nil
}

// stays says why the record vouches for nothing of a node.
func stays(past *records, node string) error {
	if how, left := past.Left(node); left {
		return fmt.Errorf("it has left the cluster (%s), and comes back with a new request, for which people vouch", how)
	}
	return nil
}

// renews says why a certificate on record does not vouch for its key any more: it is
// revoked, and not because there is another in its place. Of a compromised key inUse
// says more.
func (d *distrust) renews(c *x509.Certificate) error {
	reason, is := d.reason(c)
	if !is || reason == revocation.Superseded || reason == revocation.KeyCompromise {
		return nil
	}
	return fmt.Errorf("its certificate on record (serial number %x) is revoked: %s; it needs a new request",
		c.SerialNumber, reason)
}

// notBelieved says why neither a present key nor an SSH key vouches for a node. Of a
// ceremony that was held it is not asked: it was not then.
func (b base) notBelieved(past *records, check func(*distrust) error) error {
	if b.held {
		return nil
	}
	if past.distrust == nil {
		var err error
		if past.distrust, err = b.distrusted(past); err != nil {
			return err
		}
	}
	return check(past.distrust)
}

// ahead is how far a node's clock may be before the room's.
const ahead = 24 * time.Hour

// fresh says why a key signed a request too early: an old one, whose keys may be
// anywhere by now, is signed as well as ever. Those of the last ceremony were all made
// before it began.
func (b *requestPass) fresh(created time.Time) error {
	if created.After(b.now.Add(ahead)) && !b.held {
		return fmt.Errorf("it says that it was made at %s, which is to come: one made for later may be sent by anybody",
			created.Format(time.RFC3339))
	}
	last := b.past.Last()
	if last == nil || !created.Before(last.Began.Truncate(time.Second)) { // as requests say when they were made
		return nil
	}
	return fmt.Errorf("it was made at %s, before the last ceremony began at %s, and may have been sent before",
		created.Format(time.RFC3339), last.Began.Truncate(time.Second).UTC().Format(time.RFC3339))
}
