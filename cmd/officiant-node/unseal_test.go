package main

import (
	"crypto"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
	"officiant/bundle/seal"
	"officiant/cmd/internal/exit"
)

// TestUnsealRefuses: whoever sealed the keys, they are those of the bundle's
// certificates, one for each, or nothing is left on the node.
func TestUnsealRefuses(t *testing.T) {
	d := newDesk(t, bundletest.Worker())
	identity := filepath.Join(d.stick, "key.txt")
	bundletest.WriteFile(t, identity, []byte("# of "+d.node.Recipient+"\n"+d.node.Identity+"\n"))
	with := func(change func(map[string]crypto.Signer)) []byte {
		keys := map[string]crypto.Signer(maps.Clone(d.node.Keys))
		change(keys)
		secret, err := bundle.PackKeys(keys)
		d.must(err)
		return secret
	}
	for what, c := range map[string]struct {
		code   int
		want   string
		secret []byte
	}{
		"them":        {exit.Done, "1 private key", with(func(map[string]crypto.Signer) {})},
		"no archive":  {exit.Unverified, "officiant/keys.age: what is sealed in it ", []byte("keys")},
		"another key": {exit.Unverified, "the key of kubelet.conf is not in it, or is not that of its certificate", with(func(k map[string]crypto.Signer) { k["kubelet.conf"] = bundletest.Key(t) })},
		"none":        {exit.Unverified, "the key of kubelet.conf is not in it", with(func(k map[string]crypto.Signer) { delete(k, "kubelet.conf") })},
		"one more":    {exit.Unverified, "holds 2 keys, the node has 1 certificates", with(func(k map[string]crypto.Signer) { k["apiserver"] = bundletest.Key(t) })},
	} {
		t.Run(what, func(t *testing.T) {
			d.t, d.root = t, t.TempDir()
			parts := d.pki.Parts(t, d.node)
			var err error
			parts.Request = fingerprint.SHA256{}
			parts.KeysSealed, err = seal.Seal([]string{d.node.Recipient}, c.secret)
			d.must(err)
			b, err := bundle.Build(d.pki.Header(d.node, 1), parts)
			d.must(err)
			d.pki.Seal(t, b)
			dir := filepath.Join(t.TempDir(), b.Node)
			d.must(b.WriteDir(&durable.Disk{}, dir))
			d.run(c.code, c.want, "unseal", dir, "--identity", identity, "--release-key", d.release, "--root", d.root)
			if _, err := os.Stat(filepath.Join(d.root, "var")); c.code != exit.Done && !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("something was left on the node: %v", err)
			}
		})
	}
	d.t, d.root = t, t.TempDir()
	unseal := func(file string) []string {
		return []string{"unseal", d.bundle(1), "--identity", file, "--release-key", d.release, "--root", d.root}
	}
	d.run(exit.Unverified, "has no sealed keys: the node made its own", unseal(identity)...)
}

// TestUnsealIdentity shows what is no identity file.
func TestUnsealIdentity(t *testing.T) {
	d := newDesk(t, bundletest.Worker())
	file := filepath.Join(d.stick, "key.txt")
	unseal := []string{"unseal", d.bundle(1), "--identity", file, "--release-key", d.release, "--root", d.root}
	d.run(exit.Usage, "--identity: "+file, unseal...)
	bundletest.WriteFile(t, file, []byte(d.node.Identity+"\n"+d.node.Identity+"\n"))
	d.run(exit.Failure, "holds more than one identity", unseal...)
	d.must(os.WriteFile(file, []byte("# nothing\n"), 0o600))
	d.run(exit.Failure, "--identity "+file+": ", unseal...)
}
