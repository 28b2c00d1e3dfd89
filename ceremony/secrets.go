package ceremony

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"slices"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/phrase"
	"officiant/bundle/seal"
	"officiant/ceremony/history"
	"officiant/ceremony/transcript"
	"officiant/signer"
)

// secrets are what is made in memory and leaves it sealed: the service-account pair,
// and the keys of nodes that cannot make their own.
type secrets struct {
	common
	past *history.History // of the ceremonies this one continues
}

// sealServiceAccount makes the service-account pair in memory and leaves it
// sealed to the control-plane nodes.
func (r *secrets) sealServiceAccount(_ context.Context) error {
	if r.progress.Sealed != nil {
		return r.checkSealed(*r.progress.Sealed)
	}
	return r.sealPair(transcript.ServiceAccount, sealedKeyFile, r.plan.Plan.ServiceAccount.Create, r.recipients(false))
}

// sealNextServiceAccount makes the pair that signs after a later ceremony. Also
// nodes that have the present one by a peer will open it.
func (r *secrets) sealNextServiceAccount(_ context.Context) error {
	if r.progress.Next != nil {
		return r.checkSealed(*r.progress.Next)
	}
	return r.sealPair(transcript.NextServiceAccount, nextKeyFile, r.plan.Plan.ServiceAccount.Next.Create, r.recipients(true))
}

// sealPair makes a pair in memory and leaves it sealed. Only a sealed file that
// is on record is used: one without its line belonged to a process that was
// killed, and its pair is made anew.
func (r *secrets) sealPair(secret, file string, a signer.Algorithm, recipients []string) error {
	key, err := newKey(a, r.rand)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	defer clear(der)
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	defer clear(text)
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	sealed, err := seal.Seal(recipients, text)
	if err != nil {
		return err
	}
	if err := r.dir.replaceSecret(file, sealed); err != nil {
		return err
	}
	r.observer.Say(fmt.Sprintf("sealed to %s", phrase.Count(len(recipients), "node")))
	_, err = r.progress.Record(transcript.Sealed{
		Secret: secret, File: file, SHA256: fingerprint.Of(sealed), Recipients: recipients, PublicKey: public,
	})
	return err
}

// carryServiceAccount takes over the pair a predecessor had sealed, with what
// that ceremony's record says of it, and what peers sealed to those that
// joined later. It refuses a node that could open neither.
func (r *secrets) carryServiceAccount(_ context.Context) error {
	if r.progress.Sealed == nil {
		carried, err := r.carried(transcript.ServiceAccount, r.plan.Plan.ServiceAccount.Sealed)
		if err != nil {
			return err
		}
		for _, recipient := range r.recipients(false) {
			if !slices.Contains(carried.Recipients, recipient) {
				return &Refused{[]string{fmt.Sprintf("%s is not sealed to %s: a control-plane node could not open it",
					carried.File, fingerprint.Recipient(recipient))}}
			}
		}
		if carried.Former, err = r.formerAccounts(); err != nil {
			return err
		}
		if _, err := r.progress.Record(transcript.Carried(carried)); err != nil {
			return err
		}
	}
	return r.passOn(r.progress.Sealed.PublicKey)
}

// carryNextServiceAccount takes over the pair that a predecessor made for later.
// Nobody opens it yet, so a node that could not is told when it signs.
func (r *secrets) carryNextServiceAccount(_ context.Context) error {
	if r.progress.Next != nil {
		return nil
	}
	carried, err := r.carried(transcript.NextServiceAccount, r.plan.Plan.ServiceAccount.Next.Sealed)
	if err != nil {
		return err
	}
	_, err = r.progress.Record(transcript.Carried(carried))
	return err
}

// carried is what a previous ceremony's record says of a sealed file of the plan: as
// the pair in use, or as the next one by then.
func (r *secrets) carried(secret, file string) (transcript.Sealed, error) {
	// Where there is no record of the pair, nodes that have it sealed it to each other.
	unrecorded := r.plan.Sequence == 1 && r.plan.Plan.Adopts() || r.plan.Plan.Previous.Lost != nil
	if unrecorded && secret == transcript.ServiceAccount {
		return r.adoptedAccount()
	}
	sum := fingerprint.Of(r.plan.Inputs[file])
	if s, ok := r.past.Sealed(sum); ok {
		s.Secret, s.File, s.Former = secret, file, nil
		return s, nil
	}
	return transcript.Sealed{}, &Refused{[]string{file + " is not the sealed file of any previous ceremony's record"}}
}

// formerAccounts are the public keys that the plan keeps in sa.pub, as DER.
func (r *secrets) formerAccounts() (former [][]byte, err error) {
	for _, file := range r.plan.Plan.ServiceAccount.Former {
		block, _ := pem.Decode(r.plan.Inputs[file]) // the plan was read: it is one PUBLIC KEY
		pub, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		der, err := x509.MarshalPKIXPublicKey(pub)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		former = append(former, der)
	}
	return former, nil
}

// passOn records the files that peers sealed to nodes that joined later.
// Nobody here can look into them; the node that opens one wants public's key.
func (r *secrets) passOn(public []byte) error {
	var records []transcript.Record
	for _, n := range r.plan.Plan.Nodes {
		if n.Sealed == "" || r.progress.Shared[n.Name] {
			continue
		}
		records = append(records, transcript.Shared{
			Secret: transcript.ServiceAccount, Node: n.Name, File: n.Sealed, SHA256: fingerprint.Of(r.plan.Inputs[n.Sealed]),
			Recipient: r.plan.Recipient(n.Name), PublicKey: public,
		})
	}
	if len(records) == 0 {
		return nil
	}
	r.observer.Say(fmt.Sprintf("%s the key as a peer sealed it", phrase.Count(len(records), "node")+" will get"))
	_, err := r.progress.Record(records...)
	return err
}

// checkSealed holds a sealed file against its record.
func (r *secrets) checkSealed(s transcript.Sealed) error {
	data, err := os.ReadFile(r.dir.file(s.File))
	if err != nil {
		return err
	}
	if got := fingerprint.Of(data); got != s.SHA256 {
		return fmt.Errorf("%s: SHA-256 %s, the record says %s", s.File, got, s.SHA256)
	}
	return nil
}

// recipients are the age recipients of the control-plane nodes, in plan order;
// those that get the pair in use from a peer only when told so.
func (r *secrets) recipients(all bool) []string {
	var out []string
	for i, n := range r.plan.Nodes {
		if n.Has(kubepki.ControlPlane) && (all || r.plan.Plan.Nodes[i].Sealed == "") {
			// Nodes whose keys were made here may share one.
			if to := r.plan.Recipient(n.Name); !slices.Contains(out, to) {
				out = append(out, to)
			}
		}
	}
	return out
}

// serviceAccount returns the sealed private key and the public ones, as a node's
// bundle holds them: made here, carried over, or shared by a peer.
func (r *secrets) serviceAccount(node string) (sealed, public []byte, err error) {
	if r.progress.Sealed == nil {
		return nil, nil, nil
	}
	sa := r.plan.Plan.ServiceAccount
	if sealed, err = r.sealedKey(node); err != nil {
		return nil, nil, err
	}
	keys := transcript.AccountKeys{InUse: *r.progress.Sealed, Next: r.progress.Next}.Public()
	if len(keys) == 1 && sa.Sealed != "" {
		return sealed, r.plan.Inputs[sa.Public], nil // as it was given
	}
	for _, der := range keys {
		public = append(public, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})...)
	}
	return sealed, public, nil
}

// sealedKey is the file of the pair in use that a node can open.
func (r *secrets) sealedKey(node string) ([]byte, error) {
	for _, n := range r.plan.Plan.Nodes {
		if n.Name == node && n.Sealed != "" {
			return r.plan.Inputs[n.Sealed], nil
		}
	}
	if file := r.plan.Plan.ServiceAccount.Sealed; file != "" {
		return r.plan.Inputs[file], nil
	}
	return os.ReadFile(r.dir.file(sealedKeyFile))
}
