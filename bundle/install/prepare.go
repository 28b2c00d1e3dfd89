package install

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"officiant/bundle"
	"officiant/bundle/fingerprint"
	"officiant/bundle/kubeconfig"
	"officiant/bundle/kubepki"
	"officiant/bundle/privatekey"
	"officiant/bundle/seal"
)

// accepted is a bundle that passed every check against this node, with the files
// it becomes here.
type accepted struct {
	bundle *bundle.Bundle
	facts  *bundle.Facts
	files  []kubepki.File
	pins   *Pins // as they will be
	before *Pins // as they are; nil at the first install
	roots  []*x509.Certificate
	next   *fingerprint.SHA256 // the release key it announces
	left   []string            // files with keys of authorities it adopts
	first  bool                // nothing was pinned before
	again  bool                // the very bundle whose sequence is the highest seen
	tree   []placed
}

// preparation checks a bundle for this node, and makes its files of it.
type preparation struct {
	credentials
	record
	trust  pinning
	search keySearch
	now    func() time.Time
}

// accept checks a bundle against release key, facts and this node. It writes nothing.
func (p preparation) accept(b *bundle.Bundle, o Options) (*accepted, error) {
	if err := b.CheckSignature(o.Release); err != nil {
		return nil, err
	}
	facts, err := b.Facts()
	if err != nil {
		return nil, &Refused{nameOf(b), b.Check(bundle.CheckOptions{Now: p.now()})}
	}
	if err := p.meant(b); err != nil {
		return nil, err
	}
	a := &accepted{bundle: b, facts: facts}
	if b.Sequence < o.MinSequence {
		return nil, refusedf(nameOf(b), bundle.SumsFile, "sequence %d is older than %d, the least asked for", b.Sequence, o.MinSequence)
	}
	if err := p.trust.pin(a, o); err != nil {
		return nil, err
	}
	leaves, err := kubepki.Leaves(facts.Cluster, facts.Node)
	if err != nil {
		return nil, refusedf(nameOf(b), bundle.FactsFile, "%v", err)
	}
	if a.files, err = kubepki.Files(facts.Cluster, facts.Node); err != nil {
		return nil, refusedf(nameOf(b), bundle.FactsFile, "%v", err)
	}
	keys, err := p.keys(leaves)
	if err != nil {
		return nil, err
	}
	public := map[string]crypto.PublicKey{}
	for name, key := range keys {
		public[name] = key.Public()
	}
	findings := b.Check(bundle.CheckOptions{Now: p.now(), Root: &a.pins.Root, Keys: public})
	if len(findings) > 0 {
		return nil, &Refused{nameOf(b), findings}
	}
	if err := p.inPlaceAlready(a); err != nil {
		return nil, err
	}
	if a.left, err = p.search.none(b); err != nil {
		return nil, err
	}
	if err := p.strangers(a); err != nil {
		return nil, err
	}
	a.tree, err = p.complete(a, keys)
	return a, err
}

// meant refuses another node's bundle by name, before the certificates say it.
func (p preparation) meant(b *bundle.Bundle) error {
	asked, err := p.state.asked()
	if err != nil {
		return err
	}
	if len(asked) > 0 && !slices.Contains(asked, b.Node) {
		return refusedf(nameOf(b), bundle.SumsFile, "is for node %s, but this node made its request as %s", b.Node, asked[0])
	}
	return nil
}

// keys finds this node's private keys. Keys that are not there are left out:
// Check names each.
func (p preparation) keys(leaves []kubepki.Leaf) (map[string]crypto.Signer, error) {
	keys := map[string]crypto.Signer{}
	for _, l := range leaves {
		key, err := p.key(l)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", l.Name, err)
		}
		keys[l.Name] = key
	}
	return keys, nil
}

// complete turns the bundle's files into the node's: keys from the node,
// kubeconfigs with their keys, the service-account key opened.
func (p preparation) complete(a *accepted, keys map[string]crypto.Signer) ([]placed, error) {
	var tree []placed
	for _, f := range a.files {
		data, err := p.content(a.bundle, f, keys)
		if err != nil {
			return nil, err
		}
		tree = append(tree, placed{path: placeOf(f), data: data, mode: f.Mode})
	}
	return tree, nil
}

func (p preparation) content(b *bundle.Bundle, f kubepki.File, keys map[string]crypto.Signer) ([]byte, error) {
	switch f.Kind {
	case kubepki.KeyFile:
		return privatekey.PEM(keys[f.Leaf])
	case kubepki.KubeconfigFile:
		return completed(b, f, keys[f.Leaf])
	case kubepki.ServiceAccountKey:
		return p.serviceAccountKey(b, f)
	}
	return b.Files[f.Path], nil
}

func completed(b *bundle.Bundle, f kubepki.File, key crypto.Signer) ([]byte, error) {
	c, err := kubeconfig.Parse(f.Path, b.Files[f.Path])
	if err != nil {
		return nil, refusedf(nameOf(b), f.Path, "%v", err)
	}
	data, err := privatekey.PEM(key)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", f.Leaf, err)
	}
	defer clear(data)
	whole, err := c.Complete(data)
	if err != nil {
		return nil, refusedf(nameOf(b), f.Path, "%v", err)
	}
	return whole.Render(), nil
}

// serviceAccountKey opens sa.key and demands that it belongs to sa.pub, which the
// release key signed: whoever sealed something else to this node gets nowhere.
func (p preparation) serviceAccountKey(b *bundle.Bundle, f kubepki.File) ([]byte, error) {
	sealed := f.Path + bundle.SealedSuffix
	identity, err := p.state.Identity()
	if err != nil {
		return nil, err
	}
	secret, err := seal.Open(identity, b.Files[sealed])
	if err != nil {
		return nil, refusedf(nameOf(b), sealed, "is not sealed to this node, or damaged: %v", err)
	}
	key, err := privatekey.Parse(secret)
	if err != nil {
		return nil, refusedf(nameOf(b), sealed, "what is sealed in it: %v", err)
	}
	public, err := b.ServiceAccountPublic()
	if err != nil {
		return nil, refusedf(nameOf(b), f.Path, "%v", err)
	}
	if !sameKey(key.Public(), public) {
		return nil, refusedf(nameOf(b), sealed, "the key sealed in it does not belong to sa.pub")
	}
	return secret, nil
}

// inPlaceAlready refuses a bundle that has this node trust an authority of a
// cluster that is adopted, and which this node does not trust already: the
// release key alone must not be able to add one that no ceremony made.
func (p preparation) inPlaceAlready(a *accepted) error {
	if len(a.facts.Adopted) == 0 {
		return nil
	}
	before, err := p.adopted()
	if err != nil {
		return err
	}
	var findings []bundle.Finding
	for _, f := range a.files {
		want, ok := a.facts.Adopted[f.Authority]
		if f.Kind != kubepki.TrustFile || !ok {
			continue
		}
		now, err := p.read(placeOf(f))
		if err != nil {
			return err
		}
		if before[f.Authority] != want && (now == nil || !holdsCertificate(now.data, want)) {
			findings = append(findings, bundle.Finding{File: f.Path, Problem: fmt.Sprintf(
				"would have this node trust an authority that no ceremony made (SHA-256 %s), "+
					"and that it does not trust now", want)})
		}
	}
	if len(findings) > 0 {
		return &Refused{nameOf(a.bundle), findings}
	}
	return nil
}

// adopted are the authorities that the bundle in place adopts; a file of it that
// was lost can be put right.
func (p preparation) adopted() (map[kubepki.Authority]fingerprint.SHA256, error) {
	b, err := p.installed()
	var refusal *bundle.Refusal
	if errors.As(err, &refusal) || b == nil && err == nil {
		return nil, nil // what is not whole says nothing
	}
	if err != nil {
		return nil, err
	}
	facts, err := b.Facts()
	if err != nil {
		return nil, nil
	}
	return facts.Adopted, nil
}

// key finds a node's private key for a leaf. It lies in the state directory, or,
// when kubeadm made it, where Kubernetes reads it.
func (p preparation) key(l kubepki.Leaf) (crypto.Signer, error) {
	key, err := p.state.Key(l.Name)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if l.KeyPlace != "" {
		return p.readKey(p.at(l.KeyPlace))
	}
	return p.configKey(p.at(l.Place))
}
