package audit

import (
	"archive/tar"
	"bytes"
	"crypto"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"slices"

	"officiant/bundle/fingerprint"
	"officiant/bundle/phrase"
	"officiant/bundle/privatekey"
)

// leakAudit looks for private keys.
type leakAudit struct {
	*view
	bundles *bundleAudit // has looked through what is in bundles
}

// secrets looks for private keys in every file, expected or not, in the
// entries of tars, and inside base64 however deep.
func (a *leakAudit) secrets(c *Check) {
	names := a.tree.names()
	todo := slices.DeleteFunc(names, func(name string) bool { return a.tree.files[name].searched })
	found := make([][]string, len(todo))
	a.parallel(len(todo), func(i int) { found[i] = a.leaks(todo[i]) })
	said := maps.Clone(a.bundles.leaks)
	for i, name := range todo {
		if len(found[i]) > 0 {
			if said == nil {
				said = map[string][]string{}
			}
			said[name] = found[i]
		}
	}
	for _, name := range sortedKeys(said) {
		c.Problems = append(c.Problems, said[name]...)
	}
	c.Detail = phrase.Count(a.files(), "file")
}

// leaks says what private keys one file holds.
func (a *leakAudit) leaks(name string) []string {
	data, err := a.tree.read(name)
	if err != nil {
		return []string{err.Error()}
	}
	var found Check
	why := each(name, data, func(name string, data []byte) {
		for _, what := range a.privateKeys(data) {
			found.problem("%s: holds %s", name, what)
		}
	})
	if why != "" {
		found.problem("%s: %s", name, why)
	}
	return found.Problems
}

// each calls look with a tar's entries and with what lies between them, or
// with the whole of any other file. It says why it could not look at an entry:
// entries that say they are longer than the file, as a sparse one of a few bytes
// may be of terabytes, are not read.
func each(name string, data []byte, look func(name string, data []byte)) (why string) {
	const magic = 257 // where "ustar" stands in a tar's first block
	if len(data) < magic+5 || string(data[magic:magic+5]) != "ustar" {
		look(name, data)
		return ""
	}
	between := slices.Clone(data)
	source := bytes.NewReader(data)
	left := int64(len(data))
	for r := tar.NewReader(source); ; {
		h, err := r.Next()
		if err != nil {
			break // its end, or not a tar from here on
		}
		start := len(data) - source.Len()
		if h.Size > left {
			why = fmt.Sprintf("its entry %q says it has %d bytes, more than the file has left: it was not checked",
				h.Name, h.Size)
			break
		}
		content, err := io.ReadAll(io.LimitReader(r, left))
		if err != nil {
			break
		}
		left -= int64(len(content))
		look(name+": "+h.Name, content)
		if end := start + len(content); end <= len(between) {
			clear(between[start:end])
		}
	}
	look(name, between)
	return why
}

// privateKeys says which private keys data holds, and whose they are.
func (a *leakAudit) privateKeys(data []byte) []string {
	var out []string
	if !layers(data, func(layer []byte) { out = a.inLayer(out, layer) }) {
		out = append(out, beyond)
	}
	return out
}

// beyond is what is said of a file that is not looked into all the way.
const beyond = "base64 in base64 beyond what is looked into; nothing of a ceremony is so"

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
	for _, key := range privatekey.Find(layer) {
		add(a.owner(key.Public))
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
		if s.issued != nil && s.issued.key == keyPrefix(spki) &&
			fingerprint.Of(s.issued.certificate().RawSubjectPublicKeyInfo) == spki {
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
// alignment, over one line or several; visit keeps nothing of what it is called with.
// Each layer has four readings, of three quarters its length: what comes to more than workFactor times the data is not
// looked at, and whole is false.
func layers(data []byte, visit func([]byte)) (whole bool) {
	p := &peeler{visit: visit, left: workFactor*len(data) + 1<<20}
	p.peel(data, maxDepth)
	return p.left >= 0
}

// workFactor is above what kubeconfigs come to, base64 of PEM: 1 + 3 + 2.25.
const workFactor = 10

type peeler struct {
	visit func([]byte)
	left  int                  // bytes that may still be looked at; negative: it was more
	inner [maxDepth + 1][]byte // room for what is decoded, by depth: one layer of each is looked at a time
}

func (p *peeler) peel(data []byte, depth int) {
	if p.left -= len(data); p.left < 0 {
		return
	}
	p.visit(data)
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
			if p.left < 0 {
				return
			}
			inner, err := base64.RawStdEncoding.AppendDecode(p.inner[depth][:0], text)
			if p.inner[depth] = inner; err == nil {
				p.peel(inner, depth-1)
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
	if !mayHoldRun(data) {
		return nil
	}
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

// mayHoldRun looks for a stretch as long as the shortest run, of bytes that can stand in
// one or around its lines. What base64 was taken from seldom has one, and this looks at
// a few of its bytes in a hundred.
func mayHoldRun(data []byte) bool {
	for i := 0; i+shortest <= len(data); {
		last := i + shortest - 1
		for last >= i && around[data[last]] {
			last--
		}
		if last < i {
			return true
		}
		i = last + 1
	}
	return false
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

// around is the alphabet, and what lines are trimmed of: white space, also that of
// several bytes, and padding.
var around = func() (in [256]bool) {
	for c := range in {
		in[c] = alphabet[c] || c == '=' || c == ' ' || '\t' <= c && c <= '\r' || c >= 0x80
	}
	return in
}()
