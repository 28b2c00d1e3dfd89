package ceremony

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"

	"officiant/bundle/phrase"
	"officiant/ceremony/issue"
	"officiant/ceremony/lint"
	"officiant/ceremony/profile"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

// signList makes one revocation list: check and lint, put the intent on disk,
// sign, record. A list whose result is not known may have been signed, so its
// number is not used again.
func (r *issuing) signList(ctx context.Context, e schedule.Entry) error {
	if r.progress.Lists[e.Name] != nil {
		r.observer.Say("on record already")
		return nil
	}
	issuer, err := r.authority(e.Signer)
	if err != nil {
		return err
	}
	number := e.Number
	if used := r.progress.Numbers[e.Name]; used != nil {
		number = new(big.Int).Add(used, big.NewInt(1))
	}
	checked, err := checkList(r.checker, r.plan, e, number, r.progress.NotBefore, issuer)
	if err != nil {
		return err
	}
	seq, err := r.progress.Record(transcript.CRLIntent{Entry: e.N, Name: e.Name, Signer: e.Signer,
		Family: string(family(r.plan, e.Signer)), TBS: checked.TBS()})
	if err != nil {
		return err
	}
	der, err := issue.SignCRL(ctx, checked, r.tokens.keys[e.Signer])
	if err != nil {
		return err
	}
	if _, err := r.progress.Record(transcript.CRL{Intent: seq, List: der}); err != nil {
		return err
	}
	r.observer.Say(fmt.Sprintf("number %d, %s", number, phrase.Count(len(e.Revoked), "revoked certificate")))
	return nil
}

// checkList makes a list's template and checks it.
func checkList(checker *issue.Checker, c *schedule.Ceremony, e schedule.Entry, number *big.Int, base time.Time,
	issuer *x509.Certificate) (*issue.CheckedCRL, error) {
	template, err := profile.RevocationList(e, number, base, issuer)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.Name, err)
	}
	in := lint.CRLContext{Name: e.Name, Authority: family(c, e.Signer), Former: new(big.Int).Sub(number, big.NewInt(1))}
	return checker.CheckCRL(template, issuer, issuer.PublicKey, in)
}

// carryLists puts the previous lists on record that no list of this ceremony follows:
// whoever continues it finds the newest of each authority here.
func (r *issuing) carryLists(_ context.Context) error {
	for _, f := range r.plan.Lists {
		if r.progress.CarriedLists[f.Signer] {
			continue
		}
		if _, err := r.progress.Record(transcript.CRLCarried{Signer: f.Signer, Family: string(f.Family),
			List: f.DER}); err != nil {
			return err
		}
		r.observer.Say(fmt.Sprintf("list %d of %s, %s", f.List.Number, f.Signer,
			phrase.Count(len(f.List.RevokedCertificateEntries), "revoked certificate")))
	}
	return nil
}

// etcdList is the list that etcd nodes get: made here, or carried over; nil when
// there is none.
func (r *outputs) etcdList() []byte {
	if made := r.progress.Lists["crl "+r.plan.EtcdList]; made != nil {
		return made
	}
	if former := r.plan.FormerList(r.plan.EtcdList); former != nil {
		return former.DER
	}
	return nil
}

// writeLists writes the lists that were made, as DER and as PEM.
func (r *outputs) writeLists() error {
	for e := range r.plan.All(schedule.CRLSignature) {
		der := r.progress.Lists[e.Name]
		if err := r.dir.ensure(r.dir.named(listFile(e.Signer)), der); err != nil {
			return err
		}
		if err := r.dir.ensure(r.dir.named(listFile(e.Signer)+".pem"), pem.EncodeToMemory(&pem.Block{Type: "X509 CRL",
			Bytes: der})); err != nil {
			return err
		}
	}
	return nil
}
