package main

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"officiant/bundle"
	"officiant/bundle/install"
	"officiant/bundle/kubepki"
	"officiant/bundle/phrase"
	"officiant/bundle/request"
	"officiant/bundle/seal"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/infile"
)

func newUnsealCommand(o *options) *cobra.Command {
	var root, releaseKey, identity string
	c := &cobra.Command{
		Use:   "unseal BUNDLE --identity FILE --release-key FILE",
		Short: "Put keys that the ceremony created where install finds them",
		Long: `Unseal is for nodes that cannot create their own keys. The plan asked the ceremony to
create them, and the bundle has them sealed to the recipient that the plan names. Unseal
verifies the bundle's signature, opens the keys with the recipient's identity (a file as
age-keygen writes it), and puts them into the node's state directory, where install finds
them. If the node has no identity, this one becomes the node's, because it also opens the
service-account key. With --root, it works on another machine. Then copy what install
leaves there to the node.`,
		Example: "  officiant-node unseal appliance-1.tar --identity key.txt --release-key release.pub --root out\n" +
			"  officiant-node install appliance-1.tar --release-key release.pub --root out",
		Args: exit.ExactArgs(1, "one bundle"),
		RunE: func(c *cobra.Command, args []string) error {
			if releaseKey == "" || identity == "" {
				return exit.Usagef("unseal needs --identity, the recipient's, and --release-key, the ceremony's release.pub")
			}
			return o.unseal(c.Context(), args[0], releaseKey, identity, root)
		},
	}
	c.Flags().StringVar(&identity, "identity", "", "age identity `FILE` that the keys are sealed to")
	c.Flags().StringVar(&releaseKey, "release-key", "", "the ceremony's release.pub, from a source you trust")
	c.Flags().StringVar(&root, "root", "/", "keep the node's state below this directory")
	return c
}

func (o *options) unseal(ctx context.Context, file, releaseKey, identityFile, root string) error {
	release, err := readReleaseKey(ctx, releaseKey)
	if err != nil {
		return err
	}
	b, err := bundle.Open(file)
	if err != nil {
		return refused(err)
	}
	if err := b.CheckSignature(release); err != nil {
		return refused(err)
	}
	secret, recipient, err := readIdentity(ctx, identityFile)
	if err != nil {
		return err
	}
	keys, err := sealedKeys(b, secret)
	if err != nil {
		return &exit.Error{Code: exit.Unverified, Err: err, Hints: []string{"nothing on this node was changed"}}
	}
	state := install.OpenState(root, o.Disk)
	node := &install.Node{Root: root, Disk: o.Disk, Now: o.Now}
	if err := pinned(node, b, release); err != nil {
		return err
	}
	if err := state.Init(); err != nil {
		return err
	}
	hold, err := node.Hold()
	if err != nil {
		return err
	}
	defer hold()
	done, err := rememberKeys(state, keys)
	if err != nil {
		return err
	}
	if _, err := state.Identity(); errors.Is(err, fs.ErrNotExist) {
		if err := state.WriteIdentity(secret, recipient); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	_, err = fmt.Fprintf(o.Stdout, "node %s of cluster %s: %s in %s, %d there already\n", b.Node, b.Cluster,
		phrase.Count(done.copied, "private key"), filepath.Join(state.Dir(), "keys"), done.kept)
	return err
}

// pinned refuses the keys of a bundle that install would refuse by its pins: keys
// that are there once are used for requests, too.
func pinned(node *install.Node, b *bundle.Bundle, release crypto.PublicKey) error {
	pins, err := node.State().Pins()
	if err != nil || pins == nil {
		return err
	}
	reason, err := node.Takes(release)
	if err != nil {
		return err
	}
	switch {
	case b.Cluster != pins.Cluster || b.Node != pins.Node:
		err = fmt.Errorf(
			"the bundle is for node %s of cluster %s; this is node %s of cluster %s",
			b.Node,
			b.Cluster,
			pins.Node,
			pins.Cluster,
		)
	case reason != "":
		err = fmt.Errorf("the bundle %s", reason)
	default:
		return nil
	}
	return &exit.Error{Code: exit.Unverified, Err: err, Hints: []string{"nothing on this node was changed"}}
}

// sealedKeys opens the keys in a bundle, and wants them to be those of its
// certificates, one for each.
func sealedKeys(b *bundle.Bundle, identity string) (request.Keys, error) {
	facts, err := b.Facts()
	if err != nil {
		return nil, err
	}
	if !facts.KeysMade {
		return nil, fmt.Errorf("the bundle of node %s has no sealed keys: the node made its own", b.Node)
	}
	secret, err := seal.Open(identity, b.Files[bundle.KeysFile])
	if errors.Is(err, seal.ErrNotForUs) {
		return nil, fmt.Errorf("%s: is not sealed to this identity", bundle.KeysFile)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", bundle.KeysFile, err)
	}
	defer clear(secret)
	keys, err := bundle.UnpackKeys(secret)
	if err != nil {
		return nil, fmt.Errorf("%s: what is sealed in it %w", bundle.KeysFile, err)
	}
	leaves, err := kubepki.Leaves(facts.Cluster, facts.Node)
	if err != nil {
		return nil, err
	}
	certificates, err := b.LeafCertificates()
	if err != nil {
		return nil, err
	}
	for _, l := range leaves {
		pub, ok := certificates[l.Name].PublicKey.(interface{ Equal(crypto.PublicKey) bool })
		if keys[l.Name] == nil || !ok || !pub.Equal(keys[l.Name].Public()) {
			return nil, fmt.Errorf("%s: the key of %s is not in it, or is not that of its certificate", bundle.KeysFile, l.Name)
		}
	}
	if len(keys) != len(leaves) {
		return nil, fmt.Errorf("%s: holds %d keys, the node has %d certificates", bundle.KeysFile, len(keys), len(leaves))
	}
	return keys, nil
}

// readIdentity reads a file as age-keygen writes it: comments, and one identity.
func readIdentity(ctx context.Context, file string) (identity, recipient string, err error) {
	data, err := infile.ReadFile(ctx, file, maxIdentity)
	if err != nil {
		return "", "", fmt.Errorf("--identity: %w", err)
	}
	defer clear(data)
	if identity, err = seal.IdentityIn(string(data)); err != nil {
		return "", "", fmt.Errorf("--identity %s: %w", file, err)
	}
	if identity == "" {
		return "", "", fmt.Errorf("--identity %s: holds no identity", file)
	}
	if recipient, err = seal.Recipient(identity); err != nil {
		return "", "", fmt.Errorf("--identity %s: %w", file, err)
	}
	return identity, recipient, nil
}
