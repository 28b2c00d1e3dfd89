package ceremony

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"sync"

	"officiant/bundle/kubepki"
	"officiant/ceremony/issue"
	"officiant/ceremony/lint"
	"officiant/ceremony/plan"
	"officiant/ceremony/profile"
	"officiant/ceremony/transcript"
	"officiant/signer"
)

// groupSize is how many certificates share one sync of the record.
const groupSize = 256

// issue makes the certificates of the entries that have none yet: check and
// lint all of a group, put their intents on disk, sign, record.
func (r *run) issue(ctx context.Context, entries []plan.Entry) error {
	var open []plan.Entry
	for _, e := range entries {
		if r.state.issued[e.Name] == nil {
			open = append(open, e)
		}
	}
	if done := len(entries) - len(open); done > 0 {
		r.Watch.Say(fmt.Sprintf("%d of %d on record already", done, len(entries)))
	}
	for len(open) > 0 {
		n := min(groupSize, len(open))
		if err := r.issueGroup(ctx, open[:n]); err != nil {
			return err
		}
		open = open[n:]
	}
	return nil
}

// issueGroup signs entries of one issuer. Results of a group are synced with
// the intents of the next: a result that is lost costs its entry a new serial.
func (r *run) issueGroup(ctx context.Context, entries []plan.Entry) error {
	checked, err := r.checkAll(entries)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	intents := make([]transcript.Record, len(entries))
	for i, e := range entries {
		intents[i] = transcript.Intent{Entry: e.N, Name: e.Name, Signer: e.Signer, TBS: checked[i].TBS()}
	}
	first, err := r.record(intents...)
	if err != nil {
		return err
	}
	certificates, failed := issue.SignAll(ctx, checked, r.keys[entries[0].Signer], r.sessions(entries[0].Signer))
	var issued []transcript.Record
	for i, der := range certificates {
		if der != nil {
			issued = append(issued, transcript.Issued{Intent: first + i, Certificate: der})
		}
	}
	if failed != nil {
		// What was signed goes on record; the rest is abandoned on resume.
		_, err := r.record(issued...)
		return errors.Join(failed, err)
	}
	_, err = r.append(issued...)
	return err
}

// sessions is how many signatures may be under way at once with a key: as many
// as its token says it can do.
func (r *run) sessions(name string) int {
	if p, ok := r.stores[name].(signer.Parallel); ok {
		return p.Sessions()
	}
	return 1
}

// checkAll turns entries into the only things that can be signed, on all
// workers: this, and not the token, is most of the work with fast keys.
func (r *run) checkAll(entries []plan.Entry) ([]*issue.Checked, error) {
	serials := make([]*big.Int, len(entries))
	for i := range entries {
		n, err := profile.Serial(r.Rand, r.state.serialUsed)
		if err != nil {
			return nil, err
		}
		serials[i] = n
		r.state.serials[n.String()] = true
	}
	checked := make([]*issue.Checked, len(entries))
	failed := make([]error, len(entries))
	var workers sync.WaitGroup
	for w := range r.Workers {
		workers.Go(func() {
			for i := w; i < len(entries); i += r.Workers {
				checked[i], failed[i] = r.check(entries[i], serials[i])
			}
		})
	}
	workers.Wait()
	return checked, errors.Join(failed...)
}

func (r *run) check(e plan.Entry, serial *big.Int) (*issue.Checked, error) {
	subject, err := r.publicKey(e)
	if err != nil {
		return nil, err
	}
	issuer, issuerKey, err := r.issuer(e)
	if err != nil {
		return nil, err
	}
	return checkEntry(r.checker, r.plan, e, subject, serial, r.base, issuer, issuerKey)
}

// issuer is the certificate and public key an entry is signed with; a root has
// no certificate yet.
func (r *run) issuer(e plan.Entry) (*x509.Certificate, crypto.PublicKey, error) {
	if e.Kind == plan.RootCertificate {
		k, ok := r.keys[e.Signer]
		if !ok {
			return nil, nil, fmt.Errorf("%s: the %s key is not open", e.Name, e.Signer)
		}
		return nil, k.Public(), nil
	}
	c, err := r.authority(e.Signer)
	if err != nil {
		return nil, nil, err
	}
	return c, c.PublicKey, nil
}

// authority is an authority's certificate: made in this ceremony, or an input.
func (r *run) authority(name string) (*x509.Certificate, error) {
	if c := r.state.issued[name]; c != nil {
		return c, nil
	}
	if c := r.plan.Certificates[name]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("authority %s has no certificate yet", name)
}

// closeIssuing says on record that no CA key signs any more. The hash of that
// line stands in every bundle.
func closeIssuing(_ context.Context, r *run) error {
	if r.state.closing != nil {
		return nil
	}
	n := 0
	for _, e := range r.plan.Entries {
		switch e.Kind {
		case plan.RootCertificate, plan.AuthorityCertificate, plan.LeafCertificate:
			if r.state.issued[e.Name] == nil {
				return fmt.Errorf("entry %d, %s, has no certificate on record", e.N, e.Name)
			}
			n++
		}
	}
	if len(r.state.issued) != n {
		return errors.New("the record holds certificates the schedule does not have")
	}
	if _, err := r.record(transcript.IssuingClosed{Certificates: n, Abandoned: r.state.abandoned}); err != nil {
		return err
	}
	head := r.log.Head()
	r.state.closing = &head
	return nil
}

// authorities are the present certificates by family, as bundles hold them.
func (r *run) authorities() (map[kubepki.Authority]*x509.Certificate, error) {
	out := map[kubepki.Authority]*x509.Certificate{}
	for _, a := range r.plan.Plan.Authorities {
		c, err := r.authority(a.Name)
		if err != nil {
			return nil, err
		}
		out[a.Family] = c
	}
	return out, nil
}

func certificatePEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// lintContext is what the rules need to know about an entry.
func lintContext(c *plan.Ceremony, e plan.Entry) lint.Context {
	in := lint.Context{Name: e.Name, Cluster: c.Cluster, Authority: family(c, e.Signer)}
	switch e.Kind {
	case plan.RootCertificate:
		in.Kind = lint.Root
	case plan.AuthorityCertificate:
		in.Kind, in.Subject = lint.Intermediate, family(c, e.Name)
	case plan.LeafCertificate:
		in.Kind, in.Leaf = lint.Leaf, &e.Leaf
	}
	return in
}
