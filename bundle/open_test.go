package bundle_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"officiant/bundle"
	"officiant/bundle/bundletest"
)

// refusedFor demands that err refuses and names file.
func refusedFor(t *testing.T, err error, file string) {
	t.Helper()
	list := bundle.Refusals(err)
	if len(list) == 0 {
		t.Fatalf("not refused: %v", err)
	}
	if file != "" && !slices.ContainsFunc(list, func(r *bundle.Refusal) bool { return r.File == file }) {
		t.Fatalf("refused without naming %s: %v", file, err)
	}
}

// open opens a bundle and checks its signature, as every user does.
func open(p *bundletest.PKI, path string) error {
	b, err := bundle.Open(path)
	if err != nil {
		return err
	}
	return b.CheckSignature(p.Release.Public())
}

func TestOneBitChangedInEachFile(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	b := p.Bundle(t, p.NewNode(t, bundletest.First()), 1)
	dir := bundletest.Scatter(t, b)
	if err := open(p, dir); err != nil {
		t.Fatal(err)
	}
	archive, err := b.Tar()
	if err != nil {
		t.Fatal(err)
	}
	r := tar.NewReader(bytes.NewReader(archive))
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		path := strings.TrimPrefix(h.Name, "cp-1/")
		flip(t, filepath.Join(dir, path))
		want := path
		if path == bundle.SumsFile {
			want = "" // by its signature, or by the line
		}
		refusedFor(t, open(p, dir), want)
		flip(t, filepath.Join(dir, path))

		at := bytes.Index(archive, []byte(h.Name+"\x00")) + 512 + len(content)/2
		archive[at] ^= 1
		bad := filepath.Join(t.TempDir(), "cp-1.tar")
		bundletest.WriteFile(t, bad, archive)
		refusedFor(t, open(p, bad), want)
		archive[at] ^= 1
	}
	if err := open(p, dir); err != nil {
		t.Fatal(err)
	}
}

// Every byte of the archive counts, headers and padding too.
func TestEveryByteOfTheTar(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	b := p.Bundle(t, p.NewNode(t, bundletest.Worker()), 1)
	archive, err := b.Tar()
	if err != nil {
		t.Fatal(err)
	}
	for i := range archive {
		archive[i] ^= 0x20
		got, err := bundle.Parse("worker-1.tar", archive)
		if err == nil {
			err = got.CheckSignature(p.Release.Public())
		}
		if bundle.Refusals(err) == nil {
			t.Fatalf("byte %d of %d: %v", i, len(archive), err)
		}
		archive[i] ^= 0x20
	}
	for _, n := range []int{0, 1, 511, 512, 1024, len(archive) - 1024, len(archive) - 512, len(archive) - 1} {
		if _, err := bundle.Parse("worker-1.tar", archive[:n]); bundle.Refusals(err) == nil {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
	if _, err := bundle.Parse("worker-1.tar", append(slices.Clone(archive), make([]byte, 512)...)); bundle.Refusals(err) == nil {
		t.Errorf("longer than it was written: %v", err)
	}
}

func TestEveryFaultOfAFolderIsNamed(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	dir := bundletest.Scatter(t, p.Bundle(t, p.NewNode(t, bundletest.First()), 1))
	flip(t, filepath.Join(dir, "pki", "ca.crt"))
	flip(t, filepath.Join(dir, "admin.conf"))
	if err := os.Remove(filepath.Join(dir, "pki", "sa.pub")); err != nil {
		t.Fatal(err)
	}
	bundletest.WriteFile(t, filepath.Join(dir, "pki", "extra.crt"), nil)
	_, err := bundle.Open(dir)
	for _, file := range []string{"pki/ca.crt", "admin.conf", "pki/sa.pub", "pki/extra.crt"} {
		refusedFor(t, err, file)
	}
	if n := len(bundle.Refusals(err)); n != 4 {
		t.Errorf("%d findings for 4 faults: %v", n, err)
	}
}

func TestRefusedFolders(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	first := p.Bundle(t, p.NewNode(t, bundletest.First()), 1)
	second := bundletest.First()
	second.Name, second.First = "cp-2", false
	other := p.Bundle(t, p.NewNode(t, second), 1)
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		file  string // named in the refusal
		spoil func(t *testing.T, dir string)
	}{
		"file added": {"pki/ca.key", func(t *testing.T, dir string) {
			bundletest.WriteFile(t, filepath.Join(dir, "pki/ca.key"), []byte("x"))
		}},
		"hidden file added": {"pki/.ca.key", func(t *testing.T, dir string) {
			bundletest.WriteFile(t, filepath.Join(dir, "pki/.ca.key"), []byte("x"))
		}},
		"leftover of a writer": {".officiant-tmp-1", func(t *testing.T, dir string) {
			bundletest.WriteFile(t, filepath.Join(dir, ".officiant-tmp-1"), []byte("x"))
		}},
		"release key added": {"release.pub", func(t *testing.T, dir string) {
			bundletest.WriteFile(t, filepath.Join(dir, "release.pub"), bundletest.PublicPEM(t, p.Release.Public()))
		}},
		"empty folder added": {"manifests", func(t *testing.T, dir string) { must(t, os.Mkdir(filepath.Join(dir, "manifests"), 0o755)) }},
		"file removed":       {"pki/sa.pub", func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, "pki/sa.pub"))) }},
		"list removed":       {bundle.SumsFile, func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, bundle.SumsFile))) }},
		"signature removed":  {bundle.SignatureFile, func(t *testing.T, dir string) { must(t, os.Remove(filepath.Join(dir, bundle.SignatureFile))) }},
		"signature emptied": {bundle.SignatureFile, func(t *testing.T, dir string) {
			must(t, os.Truncate(filepath.Join(dir, bundle.SignatureFile), 0))
		}},
		"renamed": {"pki/apiserver2.crt", func(t *testing.T, dir string) {
			must(t, os.Rename(filepath.Join(dir, "pki/apiserver.crt"), filepath.Join(dir, "pki/apiserver2.crt")))
		}},
		"renamed in case": {"pki/CA.crt", func(t *testing.T, dir string) {
			must(t, os.Rename(filepath.Join(dir, "pki/ca.crt"), filepath.Join(dir, "pki/CA.crt")))
		}},
		"two spellings": {"pki/ca.crt", func(t *testing.T, dir string) {
			bundletest.WriteFile(t, filepath.Join(dir, "pki/CA.crt"), first.Files["pki/ca.crt"])
		}},
		"two spellings of a folder": {"pki/apiserver-etcd-client.crt", func(t *testing.T, dir string) {
			bundletest.WriteFile(t, filepath.Join(dir, "PKI/x.crt"), []byte("x"))
		}},
		"swapped inside": {"pki/etcd/ca.crt", func(t *testing.T, dir string) {
			bundletest.WriteFile(t, filepath.Join(dir, "pki/etcd/ca.crt"), first.Files["pki/ca.crt"])
		}},
		"swapped between nodes": {"pki/apiserver.crt", func(t *testing.T, dir string) {
			bundletest.WriteFile(t, filepath.Join(dir, "pki/apiserver.crt"), other.Files["pki/apiserver.crt"])
		}},
		"another node's list": {bundle.FactsFile, func(t *testing.T, dir string) {
			bundletest.WriteFile(t, filepath.Join(dir, bundle.SumsFile), other.Sums)
			bundletest.WriteFile(t, filepath.Join(dir, bundle.SignatureFile), other.Signature)
		}},
		"another node's signature": {bundle.SignatureFile, func(t *testing.T, dir string) {
			bundletest.WriteFile(t, filepath.Join(dir, bundle.SignatureFile), other.Signature)
		}},
		"header changed": {bundle.SignatureFile, func(t *testing.T, dir string) {
			bundletest.WriteFile(t, filepath.Join(dir, bundle.SumsFile), bytes.Replace(first.Sums, []byte("sequence: 1"), []byte("sequence: 9"), 1))
		}},
		"symbolic link to the same content": {"pki/ca.crt", func(t *testing.T, dir string) {
			at := filepath.Join(dir, "pki/ca.crt")
			must(t, os.Rename(at, filepath.Join(dir, "../moved.crt")))
			must(t, os.Symlink("../../moved.crt", at))
		}},
		"symbolic link to a folder": {"pki", func(t *testing.T, dir string) {
			must(t, os.Rename(filepath.Join(dir, "pki"), filepath.Join(dir, "../pki")))
			must(t, os.Symlink("../pki", filepath.Join(dir, "pki")))
		}},
		"dangling link": {"loop", func(t *testing.T, dir string) { must(t, os.Symlink("nowhere", filepath.Join(dir, "loop"))) }},
		"hard link": {"pki/ca.crt", func(t *testing.T, dir string) {
			must(t, os.Link(filepath.Join(dir, "pki/ca.crt"), filepath.Join(dir, "../second.crt")))
		}},
		"named pipe": {"pki/pipe", func(t *testing.T, dir string) { must(t, syscall.Mkfifo(filepath.Join(dir, "pki/pipe"), 0o600)) }},
		"device": {"pki/zero", func(t *testing.T, dir string) {
			if err := syscall.Mknod(filepath.Join(dir, "pki/zero"), syscall.S_IFCHR|0o600, 1<<8|5); errors.Is(err, syscall.EPERM) {
				t.Skip("only root makes devices")
			} else {
				must(t, err)
			}
		}},
		"socket": {"pki/s", func(t *testing.T, dir string) {
			t.Chdir(filepath.Join(dir, "pki"))
			l, err := net.Listen("unix", "s")
			must(t, err)
			t.Cleanup(func() { l.Close() })
		}},
		"huge file": {"pki/ca.crt", func(t *testing.T, dir string) {
			must(t, os.Truncate(filepath.Join(dir, "pki/ca.crt"), 1<<40))
		}},
		"too many files": {"", func(t *testing.T, dir string) {
			for i := range 4100 {
				must(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("x%d", i)), nil, 0o644))
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := bundletest.Scatter(t, first)
			c.spoil(t, dir)
			refusedFor(t, open(p, dir), c.file)
		})
	}
}

func TestFoldersMayBeReachedByALink(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	dir := bundletest.Scatter(t, p.Bundle(t, p.NewNode(t, bundletest.Worker()), 1))
	link := filepath.Join(t.TempDir(), "stick")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if err := open(p, link); err != nil {
		t.Error(err)
	}
	if _, err := bundle.Open(filepath.Join(dir, "nothing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing bundle: %v", err)
	}
}

// entry is one entry of a hand-made archive.
type entry struct {
	tar.Header
	content []byte
}

// entries are those of a good archive.
func entries(t *testing.T, b *bundle.Bundle) []entry {
	t.Helper()
	data, err := b.Tar()
	if err != nil {
		t.Fatal(err)
	}
	var list []entry
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, entry{*h, content})
	}
}

func pack(t *testing.T, list []entry) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, e := range list {
		e.Format = tar.FormatUnknown
		if e.Typeflag == tar.TypeReg {
			e.Size = int64(len(e.content))
		}
		if err := w.WriteHeader(&e.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestRefusedArchives(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	b := p.Bundle(t, p.NewNode(t, bundletest.Worker()), 1)
	good := entries(t, b)
	if _, err := bundle.Parse("good.tar", pack(t, good)); err != nil {
		t.Fatalf("the archive unchanged: %v", err)
	}
	extra := func(h tar.Header) func([]entry) []entry {
		return func(l []entry) []entry {
			h.Mode, h.ModTime = 0o644, time.Unix(0, 0)
			return append([]entry{{Header: h}}, l...)
		}
	}
	each := func(change func(*entry)) func([]entry) []entry {
		return func(l []entry) []entry {
			for i := range l {
				change(&l[i])
			}
			return l
		}
	}
	for name, c := range map[string]struct {
		file  string
		spoil func([]entry) []entry
	}{
		"symbolic link":  {"worker-1/a", extra(tar.Header{Typeflag: tar.TypeSymlink, Name: "worker-1/a", Linkname: "/etc/shadow"})},
		"hard link":      {"worker-1/a", extra(tar.Header{Typeflag: tar.TypeLink, Name: "worker-1/a", Linkname: "worker-1/kubelet.conf"})},
		"character":      {"worker-1/a", extra(tar.Header{Typeflag: tar.TypeChar, Name: "worker-1/a", Devmajor: 1, Devminor: 5})},
		"block device":   {"worker-1/a", extra(tar.Header{Typeflag: tar.TypeBlock, Name: "worker-1/a"})},
		"named pipe":     {"worker-1/a", extra(tar.Header{Typeflag: tar.TypeFifo, Name: "worker-1/a"})},
		"folder":         {"worker-1/", extra(tar.Header{Typeflag: tar.TypeDir, Name: "worker-1/"})},
		"two dots":       {"worker-1/../../etc/passwd", extra(tar.Header{Typeflag: tar.TypeReg, Name: "worker-1/../../etc/passwd"})},
		"two dots first": {"../worker-1/a", extra(tar.Header{Typeflag: tar.TypeReg, Name: "../worker-1/a"})},
		"absolute":       {"/etc/passwd", extra(tar.Header{Typeflag: tar.TypeReg, Name: "/etc/passwd"})},
		"without folder": {"a", extra(tar.Header{Typeflag: tar.TypeReg, Name: "a"})},
		"other folder":   {"worker-1/VERIFY.txt", extra(tar.Header{Typeflag: tar.TypeReg, Name: "worker-2/a"})},
		"unlisted":       {"a", extra(tar.Header{Typeflag: tar.TypeReg, Name: "worker-1/a"})},
		"other spelling": {"pki/ca.crt", extra(tar.Header{Typeflag: tar.TypeReg, Name: "worker-1/pki/CA.crt"})},
		"name not ASCII": {"worker-1/\u202eb", extra(tar.Header{Typeflag: tar.TypeReg, Name: "worker-1/\u202eb"})},
		"twice":          {"README.txt", func(l []entry) []entry { return append(l, l[0]) }},
		"twice, empty":   {"README.txt", func(l []entry) []entry { return append(l, entry{Header: l[0].Header}) }},
		"removed":        {"README.txt", func(l []entry) []entry { return l[1:] }},
		"empty":          {bundle.SumsFile, func(l []entry) []entry { return nil }},
		"other order":    {"", func(l []entry) []entry { slices.Reverse(l); return l }},
		"all renamed":    {bundle.SumsFile, each(func(e *entry) { e.Name = strings.Replace(e.Name, "worker-1", "worker-2", 1) })},
		"set-uid":        {"", each(func(e *entry) { e.Mode = 0o4755 })},
		"private modes":  {"", each(func(e *entry) { e.Mode = 0o600 })},
		"an owner":       {"", each(func(e *entry) { e.Uid, e.Uname = 1000, "ops" })},
		"a time":         {"", each(func(e *entry) { e.ModTime = time.Unix(1700000000, 0) })},
		"pax record":     {"", each(func(e *entry) { e.PAXRecords = map[string]string{"OFFICIANT.note": "x"} })},
		"sparse by pax":  {"", each(func(e *entry) { e.PAXRecords = map[string]string{"SCHILY.xattr.user.x": "x"} })},
		"too many files": {"", func(l []entry) []entry {
			return append(slices.Repeat([]entry{{Header: tar.Header{Typeflag: tar.TypeFifo, Name: "worker-1/p"}}}, 4100), l...)
		}},
		"contiguous file": {"", each(func(e *entry) { e.Typeflag = tar.TypeCont })},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "worker-1.tar")
			bundletest.WriteFile(t, path, pack(t, c.spoil(slices.Clone(good))))
			_, err := bundle.Open(path)
			refusedFor(t, err, c.file)
		})
	}
}

// A node's request is a tar as well, and the likeliest file to be taken for a bundle.
func TestRequestIsNoBundle(t *testing.T) {
	var files []entry
	for _, name := range []string{"recipient.txt", "request.json", "sig/kubelet.conf.sig"} {
		files = append(files, entry{Header: tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644}})
	}
	_, err := bundle.Parse("worker-1.req", pack(t, files))
	if err == nil || err.Error() != "worker-1.req: is a node's request, not a bundle" {
		t.Errorf("%v", err)
	}
}

// A header may promise any size; nothing is reserved for promises.
func TestHugeEntry(t *testing.T) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "worker-1/VERIFY.txt", Size: 1 << 40, Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 4096)); err != nil {
		t.Fatal(err)
	}
	_, err := bundle.Parse("huge.tar", out.Bytes())
	refusedFor(t, err, "VERIFY.txt")

	path := filepath.Join(t.TempDir(), "huge.tar")
	bundletest.WriteFile(t, path, nil)
	if err := os.Truncate(path, 1<<40); err != nil {
		t.Fatal(err)
	}
	_, err = bundle.Open(path)
	refusedFor(t, err, "")
}
