package bundle

import (
	"archive/tar"
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"officiant/bundle/privatekey"
)

// KeysFile holds the private keys of a node that could not make its own, sealed
// to the recipient the plan names. What is sealed is a tar, which goes into the
// node's state directory as it is: keys/NAME.key, PKCS #8 PEM.
const KeysFile = "officiant/keys.age"

// PackKeys is what gets sealed: keys by Leaf.Name. The caller clears it.
func PackKeys(keys map[string]crypto.Signer) ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		data, err := privatekey.PEM(keys[name])
		if err != nil {
			return nil, fmt.Errorf("key %s: %w", name, err)
		}
		defer clear(data)
		h := &tar.Header{Typeflag: tar.TypeReg, Name: keyEntry(name), Size: int64(len(data)), Mode: 0o600, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR}
		if err := w.WriteHeader(h); err != nil {
			return nil, fmt.Errorf("key %s: %w", name, err)
		}
		if _, err := w.Write(data); err != nil {
			return nil, fmt.Errorf("key %s: %w", name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func keyEntry(name string) string { return "keys/" + name + ".key" }

// UnpackKeys reads what PackKeys wrote. Errors say nothing of what is in it.
func UnpackKeys(secret []byte) (map[string]crypto.Signer, error) {
	keys := map[string]crypto.Signer{}
	for r := tar.NewReader(bytes.NewReader(secret)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return keys, nil
		}
		if err != nil {
			return nil, errors.New("is not a tar of keys")
		}
		name, in := strings.CutPrefix(h.Name, "keys/")
		name, is := strings.CutSuffix(name, ".key")
		if !in || !is || name == "" || h.Typeflag != tar.TypeReg || h.Size > maxKey || keys[name] != nil {
			return nil, errors.New("is not a tar of keys/NAME.key, once each")
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return nil, errors.New("is not a tar of keys")
		}
		key, err := privatekey.Parse(data)
		clear(data)
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", name, err)
		}
		keys[name] = key
	}
}

const maxKey = 64 << 10
