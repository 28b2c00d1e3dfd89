package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"officiant/bundle/refusaltest"
)

// TestRecipientOf is the catalogue of files that --person is given: what is no recipient
// is named, and what the command in it prints is taken. (There may be no age here.)
func TestRecipientOf(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	sh := func(script string) string { return refusaltest.Shell(t, dir, script) }
	sh("ssh-keygen -q -t ed25519 -N '' -C kim@desk -f k; ssh-keygen -e -f k.pub >k.ssh2")
	sh("openssl genpkey -algorithm ed25519 -out k.pem")
	public := sh("cat k.pub")
	utf16le := "\xff\xfe"
	for _, u := range utf16.Encode([]rune(public)) {
		utf16le += string([]byte{byte(u), byte(u >> 8)})
	}
	for _, row := range []struct{ of, data, says string }{
		{"an SSH key", public, ""},
		{"from a Windows editor", "\ufeff# kim\r\n" + strings.ReplaceAll(public, "\n", "\r\n"), ""},
		{"from PowerShell", utf16le, ""},
		{"its private half", sh("cat k"),
			"FILE.pub is what to seal to; `ssh-keygen -y -f FILE`"},
		{"another private key", sh("cat k.pem"), "which stays with its owner; seal to an SSH public key"},
		{"PuTTY's", "PuTTY-User-Key-File-3: ssh-ed25519\n", "PuTTYgen shows its public key"},
		{"an age identity", "# public key: age1x\nAGE-SECRET-KEY-1X\n",
			"`age-keygen -y FILE` prints the recipient"},
		{"a plugin's", "AGE-PLUGIN-YUBIKEY-1X\n", "not a recipient; the plugin printed the recipient"},
		{"the SSH2 form", sh("cat k.ssh2"), "is a public key in the SSH2 form; `ssh-keygen -i -f FILE`"},
		{"a public key in PEM", sh("openssl pkey -in k.pem -pubout"), "FILE is PEM; seal to an SSH public key"},
		{"nothing", "# kim\n", "holds no SSH public key and no age recipient"},
		{"something else", "kim\n", "recipient"},
	} {
		file := filepath.Join(dir, "FILE")
		must(t, os.WriteFile(file, []byte(row.data), 0o600))
		_, err := recipientOf(t.Context(), "FILE")
		if (err == nil) != (row.says == "") || err != nil && !strings.Contains(err.Error(), row.says) {
			t.Errorf("%s: %v, want %q", row.of, err, row.says)
		}
		if err == nil {
			continue
		}
		for _, command := range refusaltest.Commands(err.Error()) {
			if strings.HasPrefix(command, "age-keygen") {
				continue
			}
			must(t, os.WriteFile(file, []byte(sh(command)), 0o600))
			if _, err := recipientOf(t.Context(), "FILE"); err != nil {
				t.Errorf("%s: what %s prints: %v", row.of, command, err)
			}
		}
	}
}
