package install_test

import (
	"archive/tar"
	"bytes"
	"crypto"
	crand "crypto/rand"
	"crypto/sha256"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/durable"
	"officiant/bundle/install"
	"officiant/bundle/install/installtest"
)

const mutations = 10_000

// mutant makes bundles that are almost one. Its seed is fixed: a mutation has a number.
type mutant struct {
	*rand.Rand
	t     *testing.T
	good  *bundle.Bundle
	tar   []byte
	other crypto.Signer // not the release key
}

// games are what is done to a bundle's archive.
var games = []struct {
	name string
	play func(m *mutant) []byte
}{
	{"bits flipped", (*mutant).flipped},
	{"blocks moved", (*mutant).blocks},
	{"a header patched", (*mutant).patchedHeader},
	{"entries otherwise", (*mutant).entriesOtherwise},
	{"list otherwise", (*mutant).listOtherwise},
	{"contents otherwise, signed by another", (*mutant).contentsOtherwise},
}

func (m *mutant) flipped() []byte {
	data := slices.Clone(m.tar)
	for range 1 + m.IntN(4) {
		data[m.IntN(len(data))] ^= 1 << m.IntN(8)
	}
	return data
}

// blocks cuts, repeats, drops and swaps blocks of 512 bytes.
func (m *mutant) blocks() []byte {
	data := slices.Clone(m.tar)
	n := len(data) / 512
	a, b := m.IntN(n)*512, m.IntN(n)*512
	switch m.IntN(5) {
	case 0:
		return data[:m.IntN(len(data))]
	case 1:
		return slices.Insert(data, a, data[b:b+512]...)
	case 2:
		return slices.Delete(data, a, a+512)
	case 3:
		return append(data, make([]byte, 512*(1+m.IntN(20)))...)
	}
	block := slices.Clone(data[a : a+512])
	copy(data[a:], data[b:b+512])
	copy(data[b:], block)
	return data
}

// fields are places of a tar header: offset, length.
var fields = [][2]int{{0, 100}, {100, 8}, {108, 8}, {116, 8}, {124, 12}, {136, 12}, {156, 1}, {157, 100}, {257, 6}, {263, 2}, {265, 32}, {297, 32}, {329, 8}, {345, 155}, {500, 12}}

var fieldValues = []string{"../../etc/passwd\x00", "/etc/passwd\x00", "1", "2", "3", "5", "6", "7", "g", "x", "S", "L", "K", "\x00", "77777777777\x00", "00000000000\x00",
	"\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "GNU  \x00", "ustar\x00", "ustar  \x00", "worker-1/pki/CA.crt\x00", "worker-2/x\x00", " ", "\\"}

// patchedHeader writes something into a header, and its checksum anew.
func (m *mutant) patchedHeader() []byte {
	data := slices.Clone(m.tar)
	var headers []int
	for at := 0; at+512 <= len(data); at += 512 {
		if string(data[at+257:at+262]) == "ustar" {
			headers = append(headers, at)
		}
	}
	at := headers[m.IntN(len(headers))]
	f := fields[m.IntN(len(fields))]
	value := fieldValues[m.IntN(len(fieldValues))]
	if m.IntN(4) == 0 {
		value = string([]byte{byte(m.IntN(256)), byte(m.IntN(256))})
	}
	copy(data[at+f[0]:at+f[0]+f[1]], value)
	copy(data[at+148:at+156], "        ")
	sum := 0
	for _, b := range data[at : at+512] {
		sum += int(b)
	}
	copy(data[at+148:at+156], fmt.Sprintf("%06o\x00 ", sum))
	return data
}

var paths = []string{"../x", "/etc/passwd", "a/../../x", "worker-1/../x", "worker-1/pki/CA.crt", "worker-1/PKI/ca.crt", "worker-1/x", "worker-2/x", "worker-1/.x", "worker-1/pki",
	"worker-1/pki/ca.crt/x", "./worker-1/x", "worker-1//x", `worker-1\x`, "", "worker-1/" + strings.Repeat("a/", 200) + "x", "worker-1/\x1b[2J"}

// entriesOtherwise writes the archive with entries of other kinds, names and orders.
func (m *mutant) entriesOtherwise() []byte {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	names := append(slices.Sorted(maps.Keys(m.good.Files)), bundle.SumsFile, bundle.SignatureFile)
	odd := m.IntN(len(names))
	for i, name := range names {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: m.good.Node + "/" + name, Mode: 0o644, Size: int64(len(m.file(name)))}
		if i == odd {
			if !m.oddEntry(w, h) {
				continue
			}
		}
		if w.WriteHeader(h) == nil && h.Typeflag == tar.TypeReg {
			w.Write(m.file(name))
		}
	}
	w.Close()
	return out.Bytes()
}

// oddEntry changes a header or adds an entry before it; false drops the entry.
func (m *mutant) oddEntry(w *tar.Writer, h *tar.Header) bool {
	path := paths[m.IntN(len(paths))]
	switch m.IntN(8) {
	case 0:
		return false
	case 1:
		h.Name = path
	case 2:
		h.Typeflag, h.Linkname, h.Size = []byte{tar.TypeLink, tar.TypeSymlink, tar.TypeChar, tar.TypeBlock, tar.TypeDir, tar.TypeFifo}[m.IntN(6)], path, 0
	case 3:
		w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: path, Linkname: "/"})
	case 4:
		h.PAXRecords = map[string]string{[]string{"GNU.sparse.major", "path", "linkpath", "SCHILY.xattr.x", "mtime"}[m.IntN(5)]: "1"}
	case 5:
		w.WriteHeader(&tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"path": path}})
	case 6:
		w.WriteHeader(h)
		w.Write(m.file(strings.TrimPrefix(h.Name, m.good.Node+"/")))
	case 7:
		h.Mode, h.Uid, h.Uname = 0o4777, 1, "x"
	}
	return true
}

func (m *mutant) file(name string) []byte {
	switch name {
	case bundle.SumsFile:
		return m.good.Sums
	case bundle.SignatureFile:
		return m.good.Signature
	}
	return m.good.Files[name]
}

// listOtherwise changes SHA256SUMS and keeps the signature, or has another key sign.
func (m *mutant) listOtherwise() []byte {
	b := bundletest.Clone(m.good)
	lines := strings.SplitAfter(string(b.Sums), "\n")
	i, k := m.IntN(len(lines)-1), m.IntN(len(lines)-1)
	switch m.IntN(8) {
	case 0:
		lines[i], lines[k] = lines[k], lines[i]
		if i == k || lines[i] == lines[k] {
			lines[i] = "\n"
		}
	case 1:
		lines = slices.Delete(lines, i, i+1)
	case 2:
		lines = slices.Insert(lines, i, lines[k])
	case 3:
		lines[i] = strings.Replace(lines[i], "\n", "\r\n", 1)
	case 4:
		lines[i] += strings.Repeat("0", 64) + "  " + paths[m.IntN(len(paths))] + "\n"
	case 5:
		lines[5] = fmt.Sprintf("# sequence: %d\n", 3+m.IntN(1000))
	case 6:
		lines[2] = "# node: " + []string{"cp-1", "..", "", "worker-1 "}[m.IntN(4)] + "\n"
	case 7:
		at := m.IntN(len(lines[i]))
		lines[i] = lines[i][:at] + string(rune(m.IntN(128))) + lines[i][at:]
	}
	b.Sums = []byte(strings.Join(lines, ""))
	if m.IntN(2) == 0 {
		m.sign(b)
	}
	return m.archive(b)
}

// contentsOtherwise changes a file, lists it rightly, and has another key sign; the
// old signature; or something that is none.
func (m *mutant) contentsOtherwise() []byte {
	b := bundletest.Clone(m.good)
	names := slices.Sorted(maps.Keys(b.Files))
	name := names[m.IntN(len(names))]
	data := b.Files[name]
	switch m.IntN(6) {
	case 0:
		delete(b.Files, name)
	case 1:
		b.Files[name] = data[:m.IntN(len(data))]
	case 2:
		b.Files[name] = append(data, b.Files[names[m.IntN(len(names))]]...)
	case 3:
		b.Files[name] = b.Files[names[m.IntN(len(names))]]
	case 4:
		b.Files["pki/x.crt"] = data
	default:
		data[m.IntN(len(data))] ^= 1 << m.IntN(8)
	}
	b.Sums = bundletest.Sums(b.Header, b.Files)
	switch m.IntN(4) {
	case 0:
		b.Signature[m.IntN(len(b.Signature))] ^= 1 << m.IntN(8)
	case 1:
	default:
		m.sign(b)
	}
	return m.archive(b)
}

func (m *mutant) sign(b *bundle.Bundle) {
	digest := sha256.Sum256(b.Sums)
	sig, err := m.other.Sign(crand.Reader, digest[:], crypto.SHA256)
	must(m.t, err)
	b.Signature = sig
}

func (m *mutant) archive(b *bundle.Bundle) []byte {
	data, err := b.Tar()
	must(m.t, err)
	return data
}

// Of ten thousand bundles that are almost right, no node takes one, and none makes
// the program panic or touch the disk at all: neither a node that has seen no
// bundle, nor one with the bundle before.
func TestMutatedBundles(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	fresh := newMachine(t, p, bundletest.Worker())
	seen := fresh.copy(t)
	seen.place(t, p, p.Bundle(t, fresh.who, 1))
	m := &mutant{Rand: rand.New(rand.NewPCG(20, 26)), t: t, good: p.Bundle(t, fresh.who, 2), other: bundletest.Key(t)}
	m.tar = m.archive(m.good)
	touched := 0
	for _, node := range []machine{fresh, seen} {
		node.Disk.Gate = func(op durable.Op, path string) error {
			touched++
			return fmt.Errorf("%s %s", op, path)
		}
	}
	before := [2]map[string]string{tree(t, fresh.Root), tree(t, seen.Root)}
	parsed := map[string]int{}
	for i := range mutations {
		game := games[i%len(games)]
		data := game.play(m)
		for bytes.Equal(data, m.tar) { // a field had that value already
			data = game.play(m)
		}
		b, err := bundle.Parse("mutant.tar", data)
		if err != nil {
			continue
		}
		parsed[game.name]++
		for _, node := range []machine{fresh, seen} {
			if r, err := node.Install(b, install.Options{Release: p.Release.Public()}); err == nil || touched > 0 {
				t.Fatalf("mutation %d (%s): %+v, %v, %d operations", i, game.name, r, err, touched)
			}
		}
		if parsed[game.name]%4 == 0 {
			b.Check(bundle.CheckOptions{Now: bundletest.Now}) // must not panic
		}
	}
	if parsed["contents otherwise, signed by another"] < mutations/20 {
		t.Errorf("few mutations get as far as the signature: %v", parsed)
	}
	if d := append(unlike(before[0], tree(t, fresh.Root)), unlike(before[1], tree(t, seen.Root))...); len(d) > 0 {
		t.Errorf("these changed: %v", d)
	}
	// The bundle itself is taken: what was refused was refused for its mutation.
	fresh.Disk.Gate = nil
	fresh.place(t, p, m.good)
}

// The same in folders, as sticks have them.
func TestMutatedFolders(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	node := newMachine(t, p, bundletest.Worker())
	good := p.Bundle(t, node.who, 1)
	m := &mutant{Rand: rand.New(rand.NewPCG(20, 27)), t: t, good: good, other: bundletest.Key(t)}
	before := tree(t, node.Root)
	top := installtest.Folder(t)
	for i := range 500 {
		b := bundletest.Clone(good)
		names := slices.Sorted(maps.Keys(b.Files))
		name, other := names[m.IntN(len(names))], names[m.IntN(len(names))]
		dir := filepath.Join(top, fmt.Sprint(i))
		switch kind := m.IntN(6); kind {
		case 0:
			delete(b.Files, name)
		case 1:
			b.Files[name] = append(b.Files[name], '\n')
		case 2:
			b.Files[name+".bak"] = b.Files[name]
		case 3:
			b.Files[strings.ToUpper(name)+"x"] = nil
		case 4:
			b.Sums = bytes.Replace(b.Sums, []byte(name), []byte(other+"x"), 1)
		case 5:
			b.Files[name][m.IntN(len(b.Files[name]))] ^= 1
		}
		if m.IntN(2) == 0 {
			b.Sums = bundletest.Sums(b.Header, b.Files)
			m.sign(b)
		}
		bundletest.WriteFile(t, filepath.Join(dir, bundle.SumsFile), b.Sums)
		bundletest.WriteFile(t, filepath.Join(dir, bundle.SignatureFile), b.Signature)
		for path, data := range b.Files {
			bundletest.WriteFile(t, filepath.Join(dir, path), data)
		}
		if opened, err := bundle.Open(dir); err == nil {
			if _, err := node.Install(opened, install.Options{Release: p.Release.Public()}); err == nil {
				t.Fatalf("folder %d was installed", i)
			}
		}
		must(t, os.RemoveAll(dir))
	}
	if d := unlike(before, tree(t, node.Root)); len(d) > 0 {
		t.Errorf("these changed: %v", d)
	}
}
