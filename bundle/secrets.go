package bundle

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"iter"
	"sync"

	"officiant/bundle/fingerprint"
	"officiant/bundle/privatekey"
)

// privateKeys looks into every file for something that opens a door.
func (c *checker) privateKeys() {
	for path, data := range c.b.Files {
		if c.holdsPrivateKey(data) {
			c.add(path, "holds a private key; none belongs into a bundle")
		}
	}
	if c.holdsPrivateKey(c.b.Signature) {
		c.add(SignatureFile, "holds a private key; none belongs into a bundle")
	}
}

// memo keeps whether files of some content hold a private key. It has room for what
// bundles have in common, which is in the first of them: of ten thousand nodes' own
// files nothing is kept.
type memo struct {
	one   sync.RWMutex
	known map[fingerprint.SHA256]bool
}

const memorized = 256

// holdsPrivateKey looks once into files of the same content: authorities'
// certificates are the same for every node.
func (k *Checker) holdsPrivateKey(data []byte) bool {
	sum := fingerprint.Of(data)
	k.secret.one.RLock()
	holds, known := k.secret.known[sum]
	k.secret.one.RUnlock()
	if known {
		return holds
	}
	holds = holdsPrivateKey(data)
	k.secret.one.Lock()
	defer k.secret.one.Unlock()
	if k.secret.known == nil {
		k.secret.known = map[fingerprint.SHA256]bool{}
	}
	if len(k.secret.known) < memorized {
		k.secret.known[sum] = holds
	}
	return holds
}

// holdsPrivateKey finds private keys by their PEM or age label, by what a PEM
// block of another label holds, and inside base64, as kubeconfigs have it.
func holdsPrivateKey(data []byte) bool {
	if labelled(data) || privatekey.IsDER(data) {
		return true
	}
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if privatekey.IsDER(block.Bytes) {
			return true
		}
	}
	for run := range base64Runs(data) {
		inner, err := base64.StdEncoding.DecodeString(string(run))
		if err != nil {
			inner, err = base64.RawStdEncoding.DecodeString(string(bytes.TrimRight(run, "=")))
		}
		if err == nil && (labelled(inner) || privatekey.IsDER(inner)) {
			return true
		}
	}
	return false
}

// base64Runs yields each stretch of at least 32 characters of base64, with up
// to two signs of its end.
func base64Runs(data []byte) iter.Seq[[]byte] {
	const shortest = 32
	return func(yield func([]byte) bool) {
		for start := 0; start < len(data); start++ {
			end := start
			for end < len(data) && inBase64[data[end]] {
				end++
			}
			run := end
			for end < len(data) && data[end] == '=' && end < run+2 {
				end++
			}
			if run-start >= shortest && !yield(data[start:end]) {
				return
			}
			start = max(start, run)
		}
	}
}

var inBase64 = func() (in [256]bool) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" {
		in[c] = true
	}
	return in
}()

func labelled(data []byte) bool {
	return bytes.Contains(data, []byte("PRIVATE KEY-----")) || bytes.Contains(bytes.ToUpper(data), []byte("AGE-SECRET-KEY-"))
}
