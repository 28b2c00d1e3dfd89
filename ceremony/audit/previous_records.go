package audit

import (
	"crypto/x509"
	"slices"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/history"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

// past is what the records of previous ceremonies say that the plan names, each
// read once, by package history, when the plan was. Nothing of the ceremony that is audited is in it.
type past struct {
	records map[string]*history.Record // by the plan's file
	given   map[string]*history.Record // of ceremonies that were given up, likewise
	broken  map[string]error           // why one does not read
	own     []*history.Record          // of this cluster, newest first, as far as the plan names them
	heads   []*history.Record          // those that this one continues, in the plan's order
}

func newPast() *past {
	return &past{
		records: map[string]*history.Record{}, given: map[string]*history.Record{}, broken: map[string]error{},
	}
}

func readPast(p *schedule.Ceremony) *past {
	before := newPast()
	for _, named := range p.Plan.Previous.Ceremonies {
		for _, file := range append([]string{named.Transcript}, named.Earlier...) {
			r, err := schedule.RecordOf(p, file)
			if err != nil {
				before.broken[file] = err
				continue
			}
			before.records[file] = r
			if named.Cluster == p.Cluster.Name {
				before.own = append(before.own, r)
			}
		}
		for _, file := range named.Abandoned {
			if r, err := schedule.RecordOf(p, file); err != nil {
				before.broken[file] = err
			} else {
				before.given[file] = r
			}
		}
		if r := before.records[named.Transcript]; r != nil {
			before.heads = append(before.heads, r)
		}
	}
	return before
}

// newest is the newest certificate of a name on this cluster's records, in one of
// these states; of a record that has it in several, in the first of them.
func (p *past) newest(name string, states ...history.State) (history.Certificate, bool) {
	for _, r := range p.own {
		for _, state := range states {
			var last history.Certificate
			for c := range r.Named(name) {
				if c.State == state {
					last = c
				}
			}
			if last.Of != nil {
				return last, true
			}
		}
	}
	return history.Certificate{}, false
}

// certificate is newest, read again; nil: no record has it.
func (p *past) certificate(name string, states ...history.State) *x509.Certificate {
	found, ok := p.newest(name, states...)
	if !ok {
		return nil
	}
	cert, err := found.Parse()
	if err != nil {
		return nil // it was read whole, a moment before
	}
	return cert
}

// accounts are the service-account pairs of the last ceremony of this cluster that had any.
func (p *past) accounts() transcript.AccountKeys {
	for _, r := range p.own {
		if hasAccount(r) {
			return *r.Accounts
		}
	}
	return transcript.AccountKeys{}
}

func hasAccount(r *history.Record) bool {
	return r.Accounts != nil && len(r.Accounts.InUse.PublicKey) > 0
}

// sealed says whether a record tells the same of a sealed file: as of the pair in
// use then, or of the next one.
func (p *past) sealed(s transcript.Sealed) bool {
	return slices.ContainsFunc(p.own, func(r *history.Record) bool {
		return hasAccount(r) &&
			(sameSecret(r.Accounts.InUse, s) || r.Accounts.Next != nil && sameSecret(*r.Accounts.Next, s))
	})
}

// release is what the last ceremony of this cluster says of release keys; nil: nothing.
func (p *past) release() *transcript.Closed {
	if len(p.own) == 0 {
		return nil
	}
	return p.own[0].Closed
}

// adopted says whether the last ceremony of this cluster adopted the same authority.
func (p *past) adopted(name string, cert *x509.Certificate) bool {
	if len(p.own) == 0 {
		return false
	}
	for c := range p.own[0].Named(name) {
		if c.State == history.Adopted && c.SHA256 == fingerprint.Of(cert.Raw) {
			return true
		}
	}
	return false
}

// opened says whether a record here had a key.
func (p *past) opened(spki fingerprint.SHA256) bool {
	for _, r := range p.records {
		if _, ok := r.Opened(spki); ok {
			return true
		}
	}
	return false
}
