package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"officiant/bundle/install"
	"officiant/bundle/kubepki"
	"officiant/bundle/phrase"
	"officiant/bundle/request"
	"officiant/bundle/seal"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/infile"
)

const defaultAlgorithm = "ECDSA-P256"

// algorithms makes the kinds of keys kubeadm knows.
var algorithms = []struct {
	name string
	make func(io.Reader) (crypto.Signer, error)
}{
	{defaultAlgorithm, func(r io.Reader) (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), r) }},
	{"ECDSA-P384", func(r io.Reader) (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P384(), r) }},
	{"RSA-2048", func(r io.Reader) (crypto.Signer, error) { return rsa.GenerateKey(r, 2048) }},
	{"RSA-3072", func(r io.Reader) (crypto.Signer, error) { return rsa.GenerateKey(r, 3072) }},
	{"RSA-4096", func(r io.Reader) (crypto.Signer, error) { return rsa.GenerateKey(r, 4096) }},
}

func algorithmNames() []string {
	names := make([]string, len(algorithms))
	for i, a := range algorithms {
		names[i] = a.name
	}
	return names
}

// algorithmOf is the name of a key's kind, as --key-algorithm has it.
func algorithmOf(key crypto.Signer) string {
	switch pub := key.Public().(type) {
	case *ecdsa.PublicKey:
		return "ECDSA-P" + pub.Curve.Params().Name[len("P-"):]
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA-%d", pub.N.BitLen())
	}
	return fmt.Sprintf("%T", key.Public())
}

// nodeKeys are the keys of a request, and how many of them came from where.
type nodeKeys struct {
	all                request.Keys
	made, copied, kept int
}

// lines say what became of the keys.
func (k *nodeKeys) lines(algorithm string) []string {
	var lines []string
	if k.copied > 0 {
		lines = append(lines, "copied "+phrase.Count(k.copied, "private key"))
	}
	if k.made > 0 {
		lines = append(lines, fmt.Sprintf("made %s (%s)", phrase.Count(k.made, "private key"), algorithm))
	}
	if k.kept > 0 {
		lines = append(lines, "kept "+phrase.Count(k.kept, "private key")+" of an earlier run")
	}
	return lines
}

// identity reads the node's age identity, or makes it, and returns its recipient.
func (r *requestOptions) identity(ctx context.Context, state *install.State) (string, error) {
	identity, err := state.Identity()
	switch {
	case errors.Is(err, fs.ErrNotExist) && r.identityKey != "":
		return r.sshIdentity(ctx, state)
	case errors.Is(err, fs.ErrNotExist):
		identity, recipient, err := seal.NewIdentity()
		if err != nil {
			return "", err
		}
		return recipient, state.WriteIdentity(identity, recipient)
	case err != nil:
		return "", err
	}
	// Not what recipient.txt says: that file is for people.
	recipient, err := seal.Recipient(identity)
	if err != nil {
		return "", fmt.Errorf("%s: %w", filepath.Join(state.Dir(), "identity.txt"), err)
	}
	if r.identityKey != "" {
		if other, err := sshRecipient(ctx, r.identityKey); err != nil {
			return "", err
		} else if other != recipient {
			return "", &exit.Error{Code: exit.Refused, Err: fmt.Errorf("--identity %s: this node has another identity already, of recipient %s", r.identityKey, recipient),
				Hints: []string{"what is sealed to an identity opens with no other; leave --identity out to keep the one there is"}}
		}
	}
	return recipient, nil
}

// maxIdentity is above any file with a private key of SSH or age.
const maxIdentity = 64 << 10

// sshIdentity makes an SSH private key the node's identity.
func (r *requestOptions) sshIdentity(ctx context.Context, state *install.State) (string, error) {
	path, err := filepath.Abs(r.identityKey)
	if err != nil {
		return "", err
	}
	recipient, err := sshRecipient(ctx, path)
	if err != nil {
		return "", err
	}
	return recipient, state.WriteSSHIdentity(path, recipient)
}

func sshRecipient(ctx context.Context, file string) (string, error) {
	key, err := infile.ReadFile(ctx, file, maxIdentity)
	if err != nil {
		return "", fmt.Errorf("--identity: %w", err)
	}
	defer clear(key)
	recipient, err := seal.Recipient(string(key))
	if err != nil {
		return "", &exit.Error{Code: exit.Refused, Err: fmt.Errorf("--identity %s: %w", file, err)}
	}
	return recipient, nil
}

// makeKeys makes the keys that are not there yet, each on disk as soon as it is
// made. A kept key of another kind than asked for on the command line is refused.
func (r *requestOptions) makeKeys(ctx context.Context, state *install.State, leaves []kubepki.Leaf, algorithm string, keys *nodeKeys) error {
	var missing []string
	for _, l := range leaves {
		if keys.all[l.Name] != nil {
			continue
		}
		key, err := state.Key(l.Name)
		if errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, l.Name)
			continue
		}
		if err != nil {
			return err
		}
		if is := algorithmOf(key); r.algorithm != "" && is != algorithm {
			return &exit.Error{Code: exit.Refused,
				Err: fmt.Errorf("the key of %s is there already and is %s, not %s", l.Name, is, algorithm),
				Hints: []string{"leave --key-algorithm out to keep it; a key is never overwritten",
					"for new keys, move " + filepath.Join(state.Dir(), "keys") + " away; certificates in use need the old ones"}}
		}
		keys.all[l.Name] = key
		keys.kept++
	}
	if len(missing) > 0 && strings.HasPrefix(algorithm, "RSA") {
		fmt.Fprintf(r.Stderr, "making %s (%s); this can take a minute\n", phrase.Count(len(missing), "private key"),
			algorithm)
	}
	return generate(ctx, missing, algorithm, r.Rand, func(name string, key crypto.Signer) error {
		keys.all[name] = key
		keys.made++
		return state.WriteKey(name, key)
	})
}

// generate makes a key for each name on all processors and hands them out one
// by one, in the order of names.
func generate(ctx context.Context, names []string, algorithm string, rand io.Reader, done func(string, crypto.Signer) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	type result struct {
		key crypto.Signer
		err error
	}
	results := make([]chan result, len(names))
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := range names {
		results[i] = make(chan result, 1)
		go func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if err := ctx.Err(); err != nil {
				results[i] <- result{err: err}
				return
			}
			key, err := newKey(algorithm, rand)
			results[i] <- result{key, err}
		}()
	}
	for i, name := range names {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case r := <-results[i]:
			if r.err != nil {
				return r.err
			}
			if err := done(name, r.key); err != nil {
				return err
			}
		}
	}
	return nil
}

func newKey(algorithm string, rand io.Reader) (crypto.Signer, error) {
	for _, a := range algorithms {
		if a.name == algorithm {
			return a.make(rand)
		}
	}
	return nil, fmt.Errorf("no algorithm %s", algorithm)
}

// rememberKeys copies keys that lie elsewhere, in a generate-csr folder or in
// /etc/kubernetes, to where install looks. All are compared before one is written.
func rememberKeys(state *install.State, from request.Keys) (*nodeKeys, error) {
	keys := &nodeKeys{all: request.Keys{}}
	names := slices.Sorted(maps.Keys(from))
	for _, name := range names {
		there, err := state.Key(name)
		if err == nil && !samePublicKey(there, from[name]) {
			return nil, &exit.Error{Code: exit.Refused,
				Err:   fmt.Errorf("another key of %s is in %s already; a key is never overwritten", name, filepath.Join(state.Dir(), "keys")),
				Hints: []string{"move it away if no certificate in use needs it"}}
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if err == nil {
			keys.kept++
		}
	}
	for _, name := range names {
		keys.all[name] = from[name]
		err := state.WriteKey(name, from[name])
		switch {
		case err == nil:
			keys.copied++
		case !errors.Is(err, fs.ErrExist):
			return nil, err
		}
	}
	return keys, nil
}

func samePublicKey(a, b crypto.Signer) bool {
	pub, ok := a.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && pub.Equal(b.Public())
}
