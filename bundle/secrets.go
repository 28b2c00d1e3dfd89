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

// memo keeps what was found out about files of some content. It has room for what
// bundles have in common, which is in the first of them: of ten thousand nodes' own
// files nothing is kept.
type memo[T any] struct {
	one   sync.RWMutex
	known map[fingerprint.SHA256]T
}

const memorized = 256

// of is what is known of data, which find finds out once.
func (m *memo[T]) of(data []byte, find func([]byte) T) T {
	sum := fingerprint.Of(data)
	m.one.RLock()
	found, known := m.known[sum]
	m.one.RUnlock()
	if known {
		return found
	}
	found = find(data)
	m.one.Lock()
	defer m.one.Unlock()
	if m.known == nil {
		m.known = map[fingerprint.SHA256]T{}
	}
	if len(m.known) < memorized {
		m.known[sum] = found
	}
	return found
}

// holdsPrivateKey looks once into files of the same content: authorities'
// certificates are the same for every node.
func (k *Checker) holdsPrivateKey(data []byte) bool { return k.secret.of(data, holdsPrivateKey) }

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
	return bytes.Contains(data, []byte("PRIVATE KEY-----")) || ageIdentity(data)
}

// ageIdentity finds the label of an age identity, in whatever case. Few bytes are a
// hyphen after these letters, so little is changed to upper case.
func ageIdentity(data []byte) bool {
	const begin, label = "AGE", "AGE-SECRET-KEY-"
	for at := 0; ; at++ {
		next := bytes.IndexByte(data[at:], '-')
		if next < 0 {
			return false
		}
		at += next
		if at < len(begin) || !bytes.EqualFold(data[at-len(begin):at], []byte(begin)) {
			continue
		}
		from := data[at-len(begin):]
		if bytes.HasPrefix(bytes.ToUpper(from[:min(len(from), 2*len(label))]), []byte(label)) {
			return true
		}
	}
}
