package install

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"slices"

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

// accept checks a bundle against release key, facts and this node. It writes nothing.
func (n *Node) accept(b *bundle.Bundle, o Options) (*accepted, error) {
	if err := b.CheckSignature(o.Release); err != nil {
		return nil, err
	}
	facts, err := b.Facts()
	if err != nil {
		return nil, &Refused{nameOf(b), b.Check(bundle.CheckOptions{Now: n.Now()})}
	}
	if err := n.meant(b); err != nil {
		return nil, err
	}
	a := &accepted{bundle: b, facts: facts}
	if b.Sequence < o.MinSequence {
		return nil, refusedf(nameOf(b), bundle.SumsFile, "sequence %d is older than %d, the least asked for", b.Sequence, o.MinSequence)
	}
	if err := n.pin(a, o); err != nil {
		return nil, err
	}
	leaves, err := kubepki.Leaves(facts.Cluster, facts.Node)
	if err != nil {
		return nil, refusedf(nameOf(b), bundle.FactsFile, "%v", err)
	}
	if a.files, err = kubepki.Files(facts.Cluster, facts.Node); err != nil {
		return nil, refusedf(nameOf(b), bundle.FactsFile, "%v", err)
	}
	keys, err := n.keys(leaves)
	if err != nil {
		return nil, err
	}
	public := map[string]crypto.PublicKey{}
	for name, key := range keys {
		public[name] = key.Public()
	}
	findings := b.Check(bundle.CheckOptions{Now: n.Now(), Root: &a.pins.Root, Keys: public})
	if len(findings) > 0 {
		return nil, &Refused{nameOf(b), findings}
	}
	if err := n.inPlaceAlready(a); err != nil {
		return nil, err
	}
	if a.left, err = n.noAuthorityKeys(b); err != nil {
		return nil, err
	}
	a.tree, err = n.complete(a, keys)
	return a, err
}

// meant refuses another node's bundle by name, before the certificates say it.
func (n *Node) meant(b *bundle.Bundle) error {
	asked, err := n.State().asked()
	if err != nil {
		return err
	}
	if len(asked) > 0 && !slices.Contains(asked, b.Node) {
		return refusedf(nameOf(b), bundle.SumsFile, "is for node %s, but this node made its request as %s", b.Node, asked[0])
	}
	return nil
}

// pin compares the bundle with what earlier installs pinned, and says what is
// pinned after this one.
func (n *Node) pin(a *accepted, o Options) error {
	b := a.bundle
	roots, err := rootsOf(b)
	if err != nil {
		return err
	}
	if err := comparedRelease(b, o); err != nil {
		return err
	}
	if err := comparedRoot(b, roots, o.NewRoot); err != nil {
		return err
	}
	spki, err := fingerprint.SPKI(o.Release)
	if err != nil {
		return fmt.Errorf("release key: %w", err)
	}
	if a.next = announcedBy(b); a.next != nil && *a.next == spki {
		return refusedf(nameOf(b), bundle.NextReleaseFile, "announces the very key that signed the bundle")
	}
	a.pins = &Pins{
		APIVersion: apiVersion, Kind: pinsKind, Cluster: b.Cluster, Node: b.Node, Root: fingerprint.Of(roots[0].Raw), Release: spki,
		HighestSequence: b.Sequence, HighestBundle: fingerprint.Of(b.Sums),
	}
	old, err := n.State().Pins()
	if err != nil {
		return err
	}
	a.roots = roots
	if old == nil {
		a.first = true
		return nil
	}
	a.before = old
	return n.follows(a, o)
}

// follows refuses what is not by those this node pinned, or older than what it
// has seen; a root that follows the pinned one goes into the pins.
func (n *Node) follows(a *accepted, o Options) error {
	b, old := a.bundle, a.before
	var f []bundle.Finding
	add := func(file, format string, args ...any) {
		f = append(f, bundle.Finding{File: file, Problem: fmt.Sprintf(format, args...)})
	}
	if b.Cluster != old.Cluster || b.Node != old.Node {
		add(bundle.SumsFile, "is for node %s of cluster %s; this is node %s of cluster %s", b.Node, b.Cluster, old.Node, old.Cluster)
	}
	root, reason, err := n.rootAfter(old.Root, a.roots, o.NewRoot)
	if err != nil {
		return err
	}
	if reason != "" {
		add(bundle.RootFile, "%s", reason)
	}
	a.pins.Root = root
	if o.NewRelease == nil {
		reason, err := n.Takes(o.Release)
		if err != nil {
			return err
		}
		if reason != "" {
			add(bundle.SignatureFile, "%s", reason)
		}
	}
	switch {
	case b.Sequence < old.HighestSequence:
		add(bundle.SumsFile, "sequence %d is older than %d, the newest this node has seen", b.Sequence, old.HighestSequence)
	case b.Sequence == old.HighestSequence && a.pins.HighestBundle != old.HighestBundle:
		add(bundle.SumsFile, "is another bundle of sequence %d than the one this node has seen", b.Sequence)
	case b.Sequence == old.HighestSequence:
		a.again = true
	}
	if len(f) > 0 {
		return &Refused{nameOf(b), f}
	}
	return nil
}

// keys finds this node's private keys. Keys that are not there are left out:
// Check names each.
func (n *Node) keys(leaves []kubepki.Leaf) (map[string]crypto.Signer, error) {
	keys := map[string]crypto.Signer{}
	for _, l := range leaves {
		key, err := n.key(l.Name, l.KeyFile, l.File)
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

// readKey reads a private key from a file of its own.
func (n *Node) readKey(at string) (crypto.Signer, error) { return readKey(n.files(), at) }

// configKey reads the private key out of a kubeconfig, as `kubeadm certs
// generate-csr` leaves it there.
func (n *Node) configKey(at string) (crypto.Signer, error) {
	data, err := n.files().ReadFile(at)
	if err != nil {
		return nil, err
	}
	defer clear(data)
	c, err := kubeconfig.Read(at, data)
	if err != nil {
		return nil, err
	}
	if len(c.Key) == 0 {
		return nil, fmt.Errorf("%s: no private key in it: %w", at, fs.ErrNotExist)
	}
	defer clear(c.Key)
	key, err := privatekey.Parse(c.Key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	return key, nil
}

// complete turns the bundle's files into the node's: keys from the node,
// kubeconfigs with their keys, the service-account key opened.
func (n *Node) complete(a *accepted, keys map[string]crypto.Signer) ([]placed, error) {
	var tree []placed
	for _, f := range a.files {
		data, err := n.content(a.bundle, f, keys)
		if err != nil {
			return nil, err
		}
		tree = append(tree, placed{path: kubernetesDir + "/" + f.Path, data: data, mode: f.Mode})
	}
	return tree, nil
}

func (n *Node) content(b *bundle.Bundle, f kubepki.File, keys map[string]crypto.Signer) ([]byte, error) {
	switch f.Kind {
	case kubepki.KeyFile:
		return privatekey.PEM(keys[f.Leaf])
	case kubepki.KubeconfigFile:
		return completed(b, f, keys[f.Leaf])
	case kubepki.ServiceAccountKey:
		return n.serviceAccountKey(b, f)
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
func (n *Node) serviceAccountKey(b *bundle.Bundle, f kubepki.File) ([]byte, error) {
	sealed := f.Path + bundle.SealedSuffix
	identity, err := n.State().Identity()
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
