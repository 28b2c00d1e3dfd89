package ceremony

import (
	"context"
	"crypto"
	"crypto/x509"
	"fmt"
	"os"

	"officiant/bundle"
	"officiant/bundle/fingerprint"
	"officiant/bundle/phrase"
	"officiant/bundle/seal"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

// makeNodeKeys makes the keys of nodes that cannot make their own, in memory,
// and leaves them sealed to the recipients the plan names: seal, sync, record,
// only then certify. Sealed files without their line belonged to a process that
// was killed; nothing was certified of them, and the keys are made anew.
func (r *secrets) makeNodeKeys(ctx context.Context) error {
	for _, n := range r.plan.Plan.Nodes {
		if n.Keys.Create == "" {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if made, ok := r.progress.NodeKeys[n.Name]; ok {
			if _, err := r.sealedNodeKeys(made); err != nil {
				return err
			}
			continue
		}
		if err := r.makeKeysOf(n); err != nil {
			return fmt.Errorf("keys of node %s: %w", n.Name, err)
		}
	}
	return nil
}

func (r *secrets) makeKeysOf(n plan.Node) error {
	keys := map[string]crypto.Signer{}
	record := transcript.NodeKeys{Node: n.Name, Algorithm: string(n.Keys.Create), File: nodeKeysFile(n.Name),
		Recipient: n.Keys.Recipient}
	for _, name := range r.plan.LeavesOf(n.Name) {
		key, err := newKey(n.Keys.Create, r.rand)
		if err != nil {
			return err
		}
		public, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			return err
		}
		keys[name] = key
		record.Keys = append(record.Keys, transcript.NodeKey{Name: name, PublicKey: public})
	}
	secret, err := bundle.PackKeys(keys)
	if err != nil {
		return err
	}
	defer clear(secret)
	sealed, err := seal.Seal([]string{n.Keys.Recipient}, secret)
	if err != nil {
		return err
	}
	if err := r.dir.replaceSecret(record.File, sealed); err != nil {
		return err
	}
	record.SHA256 = fingerprint.Of(sealed)
	r.observer.Say(fmt.Sprintf("%s of node %s made here and sealed to %s", phrase.Count(len(keys), "key"), n.Name,
		fingerprint.Recipient(n.Keys.Recipient)))
	_, err = r.progress.Record(record)
	return err
}

// sealedNodeKeys reads a sealed file back, and holds it against its record.
func (r *secrets) sealedNodeKeys(made transcript.NodeKeys) ([]byte, error) {
	data, err := os.ReadFile(r.dir.file(made.File))
	if err != nil {
		return nil, err
	}
	if got := fingerprint.Of(data); got != made.SHA256 {
		return nil, fmt.Errorf("%s: SHA-256 %s, the record says %s", made.File, got, made.SHA256)
	}
	return data, nil
}

// madeKey is the public key of an entry whose key was made here.
func (r *issuing) madeKey(e schedule.Entry) (crypto.PublicKey, error) {
	for _, k := range r.progress.NodeKeys[e.Node].Keys {
		if k.Name == e.Leaf.Name {
			return x509.ParsePKIXPublicKey(k.PublicKey)
		}
	}
	return nil, fmt.Errorf("%s: its key is not on record", e.Name)
}

func hasMadeKeys(c *schedule.Ceremony) int {
	n := 0
	for _, node := range c.Plan.Nodes {
		if node.Keys.Create != "" {
			n++
		}
	}
	return n
}
