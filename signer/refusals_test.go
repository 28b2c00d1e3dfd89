package signer_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode/utf16"

	"officiant/signer"
)

// refuses fails unless err says want; with an empty one, unless there is no error.
func refuses(t *testing.T, what string, err error, want string) {
	t.Helper()
	if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("%s: %v, want %q", what, err, want)
	}
}

// TestPINLineRefusals: what a PIN's source holds besides the PIN, by what put it there, and
// each after what the refusal says was done. No refusal repeats the PIN.
func TestPINLineRefusals(t *testing.T) {
	wide := func(s string, at ...int) string {
		var b strings.Builder
		for _, u := range utf16.Encode([]rune(s)) {
			b.Write([]byte{byte(u >> at[0]), byte(u >> at[1])})
		}
		return b.String()
	}
	for _, row := range []struct{ of, content, says string }{
		{"echo", "4711\n", ""},
		{"an editor of Windows", "4711\r\n", ""},
		{"printf", "4711", ""},
		{"letters with accents", "Gr\u00fc\u00dfe 4711", ""},
		{"bytes that are no text", "47\xff11", ""},
		{"nothing", "\n", "holds no PIN"},
		{"a mark", "\xef\xbb\xbf4711\r\n",
			"begins with a byte order mark, as editors of Windows write it; save it as plain text"},
		{"PowerShell", wide("\ufeff4711\r\n", 0, 8), "is UTF-16, as PowerShell writes it; save it as plain text"},
		{"the other order", wide("\ufeff4711\r\n", 8, 0), "is UTF-16, as"},
		{"UTF-16 without a mark", wide("4711", 0, 8), "is UTF-16, as"},
		{"two lines", "4711\n4712\n", "holds more than one line"},
		{"a space before", " 4711\n", "begins or ends with a space, which nobody sees"},
		{"a space behind", "4711 \n", "begins or ends with a space, which nobody sees"},
		{"a space within", "47 11\n", ""},
		{"a tab", "4711\t\n", "holds a character that cannot be seen"},
		{"a space of no width", "47\u200b11\n", "holds a character that cannot be seen"},
	} {
		line, err := signer.PINLine([]byte(row.content))
		refuses(t, row.of, err, row.says)
		if err != nil && strings.Contains(err.Error(), "4711") ||
			err == nil && strings.ContainsAny(string(line), "\r\n") {
			t.Errorf("%s: %q, %v", row.of, line, err)
		}
	}
}

// TestOwnPINFileRefusals: whose a PIN's file may be, and who may read it; each after the
// command that the refusal names.
func TestOwnPINFileRefusals(t *testing.T) {
	dir := t.TempDir()
	path, pipe := filepath.Join(dir, "pin"), filepath.Join(dir, "pipe")
	if err := os.WriteFile(path, []byte("4711\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	of := func(path string) error {
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return signer.OwnPINFile(path, st)
	}
	refuses(t, "a folder", of(dir), dir+": is a directory")
	for _, file := range []string{path, pipe} {
		refuses(t, "its user's own", of(file), "")
		for _, mode := range []os.FileMode{0o640, 0o604, 0o620} {
			if err := os.Chmod(file, mode); err != nil {
				t.Fatal(err)
			}
			refuses(t, mode.String(), of(file),
				fmt.Sprintf("%s: mode %04o lets others read the PIN; set 0600", file, mode))
		}
		if err := os.Chmod(file, 0o600); err != nil {
			t.Fatal(err)
		}
		refuses(t, "with mode 0600", of(file), "")
	}
	refuses(t, "a device, which is no file's content", of(os.DevNull), "")
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{path, pipe, link} {
		chmod(t, dir, 0o777)
		refuses(t, "in everybody's folder", of(file), "everybody may put another file in its place, since the folder "+
			dir+" has mode 0777; chmod o-w "+dir)
		chmod(t, dir, 0o777|os.ModeSticky)
		refuses(t, "in a folder such as /tmp", of(file), "")
		chmod(t, dir, 0o775)
		refuses(t, "in a folder of the user's own group", of(file), "")
		chmod(t, dir, 0o755)
	}
	chmod(t, filepath.Dir(dir), 0o777)
	refuses(t, "below everybody's folder", of(path), "chmod o-w "+filepath.Dir(dir))
	chmod(t, filepath.Dir(dir), 0o755)
	if os.Getuid() != 0 {
		t.Skip("only root can give a file away")
	}
	if err := os.Chown(path, 1, -1); err != nil {
		t.Fatal(err)
	}
	refuses(t, "another user's", of(path),
		"belongs to user 1, who may read and change the PIN; chown it to who runs this")
	if err := os.Chown(path, os.Geteuid(), -1); err != nil {
		t.Fatal(err)
	}
	refuses(t, "given back", of(path), "")
	own := func(uid, gid int) {
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	chmod(t, dir, 0o775)
	own(-1, 1)
	refuses(t, "in a group's folder", of(path), "group 1 may put another file in its place, since the folder "+dir+
		" has mode 0775; chmod g-w "+dir)
	chmod(t, dir, 0o755)
	refuses(t, "after chmod g-w", of(path), "")
	own(1, 0)
	refuses(t, "in another user's folder", of(path), "user 1 may put another file in its place, since the folder "+dir+
		" is theirs; move the PIN file")
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// TestFileKeyRefusals: which keys a release can have.
func TestFileKeyRefusals(t *testing.T) {
	const kinds = "a release key is P-256, or RSA of 2048 bits and more"
	ec := func(c elliptic.Curve) crypto.PublicKey {
		k, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k.Public()
	}
	of := func(bits int) crypto.PublicKey {
		k, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			t.Fatal(err)
		}
		return k.Public()
	}
	refuses(t, "P-256", signer.FileKey(ec(elliptic.P256())), "")
	refuses(t, "P-384", signer.FileKey(ec(elliptic.P384())), kinds)
	refuses(t, "RSA 2048", signer.FileKey(of(2048)), "")
	refuses(t, "RSA 1024", signer.FileKey(of(1024)), kinds)
	refuses(t, "none", signer.FileKey(nil), kinds)
}
