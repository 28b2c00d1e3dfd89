package ceremony

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"officiant/bundle"
	"officiant/bundle/fingerprint"
	"officiant/bundle/seal"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
	"officiant/signer"
)

// nodeKeysFile is where a node's sealed keys lie in a ceremony directory.
func nodeKeysFile(node string) string { return "secrets/" + node + ".keys.age" }

// makeNodeKeys makes the keys of nodes that cannot make their own, in memory,
// and leaves them sealed to the recipients the plan names: seal, sync, record,
// only then certify. Sealed files without their line belonged to a process that
// was killed; nothing was certified of them, and the keys are made anew.
func makeNodeKeys(ctx context.Context, r *run) error {
	for _, n := range r.plan.Plan.Nodes {
		if n.Keys.Create == "" {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if made, ok := r.state.nodeKeys[n.Name]; ok {
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

func (r *run) makeKeysOf(n plan.Node) error {
	keys := map[string]crypto.Signer{}
	record := transcript.NodeKeys{Node: n.Name, Algorithm: string(n.Keys.Create), File: nodeKeysFile(n.Name), Recipient: n.Keys.Recipient}
	for _, name := range r.plan.LeavesOf(n.Name) {
		key, err := makeLeafKey(n.Keys.Create, r.Rand)
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
	if err := r.Disk.MkdirAll(filepath.Join(r.Dir, "secrets"), 0o755); err != nil {
		return err
	}
	if err := r.Disk.Replace(filepath.Join(r.Dir, filepath.FromSlash(record.File)), sealed, 0o644); err != nil {
		return err
	}
	record.SHA256 = fingerprint.Of(sealed)
	r.Watch.Say(fmt.Sprintf("%s of node %s made here and sealed to %s", count(len(keys), "key"), n.Name, n.Keys.Recipient))
	_, err = r.record(record)
	return err
}

// sealedNodeKeys reads a sealed file back, and holds it against its record.
func (r *run) sealedNodeKeys(made transcript.NodeKeys) ([]byte, error) {
	data, err := os.ReadFile(filepath.Join(r.Dir, filepath.FromSlash(made.File)))
	if err != nil {
		return nil, err
	}
	if got := fingerprint.Of(data); got != made.SHA256 {
		return nil, fmt.Errorf("%s: SHA-256 %s, the record says %s", made.File, got, made.SHA256)
	}
	return data, nil
}

// madeKey is the public key of an entry whose key was made here.
func (r *run) madeKey(e schedule.Entry) (crypto.PublicKey, error) {
	for _, k := range r.state.nodeKeys[e.Node].Keys {
		if k.Name == e.Leaf.Name {
			return x509.ParsePKIXPublicKey(k.PublicKey)
		}
	}
	return nil, fmt.Errorf("%s: its key is not on record", e.Name)
}

func makeLeafKey(a signer.Algorithm, rand io.Reader) (crypto.Signer, error) {
	switch a {
	case signer.ECDSAP256:
		return ecdsa.GenerateKey(elliptic.P256(), rand)
	case signer.ECDSAP384:
		return ecdsa.GenerateKey(elliptic.P384(), rand)
	case signer.RSA2048:
		return rsa.GenerateKey(rand, 2048)
	case signer.RSA3072:
		return rsa.GenerateKey(rand, 3072)
	case signer.RSA4096:
		return rsa.GenerateKey(rand, 4096)
	}
	return nil, fmt.Errorf("unknown algorithm %q", a)
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
