package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"officiant/bundle/install"
	"officiant/bundle/kubepki"
	"officiant/bundle/request"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/infile"
)

// inUse finds the keys of the leaves that stand below /etc/kubernetes. That
// there is none, there and in the state directory, is refused: whoever asks to
// keep keys must not get new ones unseen.
func (r *requestOptions) inUse(state *install.State, leaves []kubepki.Leaf) (request.Keys, error) {
	node, found, any := r.node(), request.Keys{}, false
	for _, l := range leaves {
		u, err := node.InUse(l)
		if err != nil {
			hints := []string{"no key was made and nothing was written"}
			if l.Name == "kubelet.conf" {
				hints = append(hints, "a kubelet that rotates its certificate keeps key and certificate elsewhere; those of a bundle are in the file itself")
			}
			return nil, &exit.Error{Code: exit.Refused, Err: err, Hints: hints}
		}
		if u.Key != nil {
			found[l.Name] = u.Key
		}
		_, err = state.Key(l.Name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		any = any || u.Key != nil || err == nil
	}
	if !any {
		return nil, &exit.Error{Code: exit.Refused,
			Err:   fmt.Errorf("--reuse-keys: this node has no key of its certificates, neither in %s nor in %s", filepath.Join(r.root, "etc/kubernetes"), state.Dir()),
			Hints: []string{"leave --reuse-keys out to have keys made"}}
	}
	return found, nil
}

// voucher is the node's present certificate with its key, when it has one that
// can vouch for it. why says what is wrong with the one there is.
func (r *requestOptions) voucher(f *facts, leaves []kubepki.Leaf) (p *request.Present, why error) {
	for _, name := range request.VouchingLeaves(f.node) {
		i := slices.IndexFunc(leaves, func(l kubepki.Leaf) bool { return l.Name == name })
		if i < 0 {
			continue
		}
		u, err := r.node().InUse(leaves[i])
		switch {
		case err != nil:
			return nil, err
		case u.Key == nil || len(u.Chain) == 0:
			continue
		case u.Chain[0].Subject.CommonName != leaves[i].CommonName:
			return nil, fmt.Errorf("%s: is of %q, not %q", u.File, u.Chain[0].Subject.CommonName, leaves[i].CommonName)
		case r.Now().After(u.Chain[0].NotAfter):
			return nil, fmt.Errorf("%s: expired on %s", u.File, u.Chain[0].NotAfter.UTC().Format(time.DateOnly))
		}
		return &request.Present{Leaf: name, Chain: u.Chain, Key: u.Key}, nil
	}
	return nil, nil
}

// hostKey reads the SSH key of --sign-with; nil without one.
func (r *requestOptions) hostKey(ctx context.Context) (ssh.Signer, error) {
	if r.signWith == "" {
		return nil, nil
	}
	data, err := infile.ReadFile(ctx, r.signWith, 64<<10)
	if err != nil {
		return nil, fmt.Errorf("--sign-with: %w", err)
	}
	defer clear(data)
	key, err := ssh.ParsePrivateKey(data)
	if _, locked := errors.AsType[*ssh.PassphraseMissingError](err); locked {
		return nil, &exit.Error{Code: exit.Refused, Err: fmt.Errorf("--sign-with %s: the key has a passphrase; a host key has none", r.signWith)}
	}
	if err != nil { // what it says could repeat what is in the file
		return nil, &exit.Error{Code: exit.Refused, Err: fmt.Errorf("--sign-with %s: is not an SSH private key", r.signWith)}
	}
	return key, nil
}

// sayVouched tells whether the request carries the signature of a key that is
// known already.
func (r *requestOptions) sayVouched(p *request.Present, why error, host ssh.Signer) {
	switch {
	case p != nil:
		c := p.Chain[0]
		fmt.Fprintf(r.Stderr, "signed by the node's present key, of %s (serial number %x, until %s)\n", p.Leaf, c.SerialNumber, c.NotAfter.UTC().Format(time.DateOnly))
	case why != nil:
		fmt.Fprintf(r.Stderr, "not signed by the node's present key: %v\n", why)
	}
	if host != nil {
		pub := host.PublicKey()
		fmt.Fprintf(r.Stderr, "signed by the SSH key %s (%s), for a known_hosts file that has it as this node's\n", ssh.FingerprintSHA256(pub), pub.Type())
	}
}

func (r *requestOptions) node() *install.Node {
	return &install.Node{Root: r.root, Disk: r.Disk, Now: r.Now}
}
