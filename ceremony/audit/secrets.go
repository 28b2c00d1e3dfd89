package audit

import (
	"archive/tar"
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"io"
	"math/big"
	"slices"

	"officiant/bundle/fingerprint"
)

// leakAudit looks for private keys.
type leakAudit struct {
	*view
	bundles *bundleAudit // has looked through what is in bundles; nil: it has not
}

// secrets looks for private keys in every file, expected or not, in the
// entries of tars, and inside base64 however deep.
func (a *leakAudit) secrets(c *Check) {
	names := a.tree.names()
	found := make([]Check, len(names))
	var todo []int
	for i, name := range names {
		said, ok := a.bundles.scanned[name]
		if !ok {
			todo = append(todo, i)
		}
		found[i].Problems = said
	}
	a.parallel(len(todo), func(k int) {
		i := todo[k]
		data, err := a.tree.read(names[i])
		if err != nil {
			found[i].problem("%v", err)
			return
		}
		each(names[i], data, func(name string, data []byte) {
			for _, what := range a.privateKeys(data) {
				found[i].problem("%s: holds %s", name, what)
			}
		})
	})
	for _, f := range found {
		c.Problems = append(c.Problems, f.Problems...)
	}
	c.Detail = count(a.files(), "file")
}

// each calls look with a tar's entries and with what lies between them, or
// with the whole of any other file.
func each(name string, data []byte, look func(name string, data []byte)) {
	const magic = 257 // where "ustar" stands in a tar's first block
	if len(data) < magic+5 || string(data[magic:magic+5]) != "ustar" {
		look(name, data)
		return
	}
	between := slices.Clone(data)
	source := bytes.NewReader(data)
	for r := tar.NewReader(source); ; {
		h, err := r.Next()
		if err != nil {
			break // its end, or not a tar from here on
		}
		start := len(data) - source.Len()
		content, err := io.ReadAll(r)
		if err != nil {
			break
		}
		look(name+": "+h.Name, content)
		if end := start + len(content); end <= len(between) {
			clear(between[start:end])
		}
	}
	look(name, between)
}

// privateKeys says which private keys data holds, and whose they are.
func (a *leakAudit) privateKeys(data []byte) []string {
	var out []string
	layers(data, func(layer []byte) { out = a.inLayer(out, layer) })
	return out
}

// inLayer adds to out what is in one layer, and not in out yet.
func (a *leakAudit) inLayer(out []string, layer []byte) []string {
	add := func(what string) {
		if !slices.Contains(out, what) {
			out = append(out, what)
		}
	}
	for _, m := range marks {
		if m.in(layer) {
			add(m.what)
		}
	}
	for _, public := range derKeys(layer) {
		add(a.owner(public))
	}
	return out
}

// owner names the key on record, if any, whose private half was found.
func (a *leakAudit) owner(public crypto.PublicKey) string {
	if public == nil || a.ledger == nil {
		return "a private key"
	}
	spki, err := fingerprint.SPKI(public)
	if err != nil {
		return "a private key"
	}
	if name := a.keyName(spki); name != "" {
		return "the private key of the " + name + " key"
	}
	for _, s := range a.ledger.sealed {
		if fingerprint.Of(s.PublicKey) == spki {
			return "the service-account private key"
		}
	}
	for _, s := range a.ledger.certificates {
		if s.issued != nil && s.issued.spki == spki {
			return "the private key of " + s.name
		}
	}
	return "a private key"
}

// mark is text or bytes that only files with a private key have.
type mark struct {
	what string
	in   func([]byte) bool
}

func contains(all ...string) func([]byte) bool {
	return func(data []byte) bool {
		for _, s := range all {
			if !bytes.Contains(data, []byte(s)) {
				return false
			}
		}
		return true
	}
}

var marks = []mark{
	{`the words "PRIVATE KEY"`, contains("PRIVATE KEY")},
	{"an age identity", func(data []byte) bool {
		return bytes.Contains(data, []byte("AGE-SECRET-KEY-")) || bytes.Contains(data, []byte("age-secret-key-"))
	}},
	{"an OpenSSH private key", contains("openssh-key-v1\x00")},
	{"a PuTTY private key", contains("PuTTY-User-Key-File-")},
	{"a JSON private key", contains(`"kty"`, `"d"`)},
	{"an encrypted private key (PKCS #5)", contains("\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x05")},
	{"a PKCS #12 container", contains("\x2a\x86\x48\x86\xf7\x0d\x01\x0c")},
}

// maxDepth is how many times over something may be base64.
const maxDepth = 4

// layers calls visit with data and with all that it holds as base64, at any
// alignment, over one line or several.
func layers(data []byte, visit func([]byte)) { peel(data, maxDepth, visit) }

func peel(data []byte, depth int, visit func([]byte)) {
	visit(data)
	if depth == 0 {
		return
	}
	runs := base64Runs(data)
	if bytes.Contains(data, []byte(`\n`)) { // text of several lines inside JSON or YAML
		runs = append(runs, base64Runs(lineEnds(data))...)
	}
	for _, run := range runs {
		for shift := range 4 {
			text := run[shift:]
			if len(text)%4 == 1 {
				text = text[:len(text)-1]
			}
			inner := make([]byte, base64.RawStdEncoding.DecodedLen(len(text)))
			if n, err := base64.RawStdEncoding.Decode(inner, text); err == nil {
				peel(inner[:n], depth-1, visit)
			}
		}
	}
}

// lineEnds undoes how JSON and YAML write the ends of lines.
func lineEnds(data []byte) []byte {
	return bytes.ReplaceAll(bytes.ReplaceAll(data, []byte(`\r`), nil), []byte(`\n`), []byte("\n"))
}

// shortest is less than the base64 of any private key that DER can hold.
const shortest = 40

// base64Runs returns the stretches of base64 text: within a line, and over
// lines that hold nothing else.
func base64Runs(data []byte) [][]byte {
	var runs [][]byte
	var block []byte
	flush := func() {
		if len(block) >= shortest {
			runs = append(runs, block)
		}
		block = nil
	}
	for len(data) > 0 {
		var line []byte
		line, data, _ = bytes.Cut(data, []byte("\n"))
		text := bytes.TrimRight(bytes.TrimSpace(line), "=")
		if len(text) > 0 && span(text) == len(text) {
			block = append(block, text...)
			continue
		}
		flush()
		for len(line) > 0 {
			n := span(line)
			if n >= shortest {
				runs = append(runs, line[:n])
			}
			line = line[min(n+1, len(line)):]
		}
	}
	flush()
	return runs
}

// span is how many bytes of base64's alphabet s begins with.
func span(s []byte) int {
	for i, c := range s {
		if !alphabet[c] {
			return i
		}
	}
	return len(s)
}

var alphabet = func() (in [256]bool) {
	for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/" {
		in[c] = true
	}
	return in
}()

// derKeys finds DER private keys anywhere in data: PKCS #8 and PKCS #1 begin
// with a version 0, SEC 1 with a version 1 and an octet string. It returns
// their public halves, nil where that is not known.
func derKeys(data []byte) []crypto.PublicKey {
	var out []crypto.PublicKey
	end := 0 // of the last one: a PKCS #8 key has a SEC 1 or PKCS #1 key inside
	for i := 0; i+3 <= len(data); i++ {
		n := bytes.Index(data[i:], []byte("\x02\x01"))
		if n < 0 {
			break
		}
		i += n
		if i < end || i+2 >= len(data) || data[i+2] > 1 {
			continue
		}
		if start, stop := sequence(data, i); stop > 0 {
			if public, ok := derKey(data[start:stop]); ok {
				out = append(out, public)
				end = stop
			}
		}
	}
	return out
}

// sequence returns where the DER SEQUENCE lies whose content begins at i; 0, 0
// when there is none.
func sequence(data []byte, i int) (start, stop int) {
	for _, header := range []int{2, 3, 4, 5} {
		start = i - header
		if start < 0 || data[start] != 0x30 {
			continue
		}
		length := int(data[start+1])
		if header > 2 {
			if length != 0x80+header-2 {
				continue
			}
			length = 0
			for _, b := range data[start+2 : i] {
				length = length<<8 | int(b)
			}
		} else if length >= 0x80 {
			continue
		}
		if length > 0 && i+length <= len(data) {
			return start, i + length
		}
	}
	return 0, 0
}

// derKey says whether der is a private key, whatever its algorithm.
func derKey(der []byte) (public crypto.PublicKey, ok bool) {
	type hasPublic interface{ Public() crypto.PublicKey }
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		if k, ok := key.(hasPublic); ok {
			return k.Public(), true
		}
		return nil, true
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key.Public(), true
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key.Public(), true
	}
	var pkcs8 struct {
		Version   int
		Algorithm pkix.AlgorithmIdentifier
		Key       []byte
	}
	var sec1 struct {
		Version int
		Key     []byte
	}
	var pkcs1 struct {
		Version          int
		N, E, D, P, Q, X *big.Int
	}
	for _, shape := range []any{&pkcs8, &sec1, &pkcs1} {
		if _, err := asn1.Unmarshal(der, shape); err == nil {
			return nil, shape != &sec1 || len(sec1.Key) >= 16
		}
	}
	return nil, false
}
