//go:build cgo

package pkcs11

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"officiant/bundle/refusaltest"
	"officiant/signer"
)

// TestWordsRefused is the catalogue of what a token's URI and a PIN's file are refused
// with, before any token is asked.
func TestWordsRefused(t *testing.T) {
	uri := func(data []byte) error { _, err := parseURI(string(data)); return err }
	key := func(data []byte) error {
		a, err := parseURI(string(data))
		if err == nil {
			_, _, err = a.key(signer.Ref{})
		}
		return err
	}
	dir := t.TempDir()
	file := func(mode os.FileMode) func(data []byte) error {
		return func(data []byte) error {
			at := filepath.Join(dir, "pin")
			if err := os.RemoveAll(at); err != nil {
				return err
			}
			if err := os.WriteFile(at, data, mode); err != nil {
				return err
			}
			if err := os.Chmod(at, mode); err != nil {
				return err
			}
			_, err := pinSource{file: at, has: true}.read(t.Context())
			return err
		}
	}
	pin := file(0o600)
	sources := []string{"uri.go", "pin.go", "../pin.go"}
	refusaltest.Hold(t, refusaltest.Table{Read: uri, Sources: sources, Rows: []refusaltest.Row{
		{Of: "another scheme", Data: "token=a", Says: `does not begin with "pkcs11:"`, Not: "PKCS11:token=a"},
		{
			Of:   "a PIN in it",
			Data: "pkcs11:token=a?pin-value=1",
			Says: "holds a PIN (pin-value)",
			Not:  "pkcs11:token=pin-value?pin-source=/p",
		},
		{
			Of:   "a PIN under an escape",
			Data: "pkcs11:token=a?pin%2DVALUE=1",
			Says: "holds a PIN (pin-value)",
			Not:  "pkcs11:token=a;object=x-pin-value=1",
		},
		{
			Of:   "twice",
			Data: "pkcs11:token=a;token=b",
			Says: `path attribute "token" stands there twice`,
			Not:  "pkcs11:token=a;serial=b",
		},
		{
			Of:   "the other separator",
			Data: "pkcs11:token=a&object=b",
			Says: `set apart by ";" here, not by "&"; in a value that is %26`,
			Not:  "pkcs11:token=a&b;object=b",
		},
		{
			Of:   "the other separator, behind the mark",
			Data: "pkcs11:token=a?module-path=/m;pin-source=/p",
			Says: `set apart by "&" here, not by ";"`,
			Not:  "pkcs11:token=a?module-path=/m&pin-source=/p",
		},
		{
			Of:   "a separator too many",
			Data: "pkcs11:token=a;",
			Says: `a path attribute is missing at a ";"`,
			Not:  "pkcs11:token=a;object=b",
		},
		{
			Of:   "an attestation's relative path",
			Data: "pkcs11:token=a?attestation=a.pem",
			Says: "attestation: not an absolute path",
			Not:  "pkcs11:token=a?attestation=/a.pem",
		},
		{
			Of:   "a library",
			Data: "pkcs11:library-manufacturer=a;token=b",
			Says: "library-manufacturer tells a module or a slot, and not the token",
			Not:  "pkcs11:manufacturer=a;token=b",
		},
		{
			Of:      "a slip",
			Data:    "pkcs11:tokn=a",
			Says:    "did you mean token?",
			Not:     "pkcs11:foo=a",
			Instead: `unknown path attribute "foo"`,
		},
		{
			Of:   "a module's relative path",
			Data: "pkcs11:token=a?module-path=lib/m.so",
			Says: `module-path "lib/m.so" is not absolute`,
			Not:  "pkcs11:token=a?module-path=/lib/m.so",
		},
		{Of: "no token", Data: "pkcs11:object=a", Says: "names no token", Not: "pkcs11:serial=1"},
		{
			Of:      "a slot",
			Data:    "pkcs11:slot-id=1",
			Says:    "slots are renumbered",
			Not:     "pkcs11:slot=1",
			Instead: "unknown path attribute",
		},
		{
			Of:   "a module before the mark",
			Data: "pkcs11:module-path=/m;token=a",
			Says: "module-path belongs after the question mark",
			Not:  "pkcs11:token=a?module-path=/m",
		},
		{
			Of:   "a token after it",
			Data: "pkcs11:token=a?serial=1",
			Says: "serial belongs before the question mark",
			Not:  "pkcs11:token=a;serial=1",
		},
		{
			Of:      "another attribute",
			Data:    "pkcs11:token=a;x-y=1",
			Says:    `unknown path attribute "x-y"`,
			Not:     "pkcs11:token=a?x=1",
			Instead: `unknown query attribute "x"`,
		},
		{Of: "nothing in it", Data: "pkcs11:token=", Says: `path attribute "token" is empty`,
			Not: "pkcs11:token=%20"},
		{Of: "a NUL", Data: "pkcs11:token=a%00", Says: "holds a NUL", Not: "pkcs11:token=a;id=%00"},
		{
			Of:   "a certificate",
			Data: "pkcs11:token=a;type=cert",
			Says: "only private keys are opened",
			Not:  "pkcs11:token=a;type=private",
		},
		{
			Of:   "a path for a name",
			Data: "pkcs11:token=a?module-name=/m.so",
			Says: "module-name has a slash",
			Not:  "pkcs11:token=a?module-name=m",
		},
		{
			Of:   "a descriptor",
			Data: "pkcs11:token=a?pin-source=fd:x",
			Says: "the number of an open file",
			Not:  "pkcs11:token=a?pin-source=fd:3",
		},
		{
			Of:   "a host",
			Data: "pkcs11:token=a?pin-source=file://h/p",
			Says: "not of the form file:/path",
			Not:  "pkcs11:token=a?pin-source=file:///p",
		},
		{
			Of:   "a management key's source that is none",
			Data: "pkcs11:token=a?so-pin-source=p",
			Says: "so-pin-source: is none of file:/path",
			Not:  "pkcs11:token=a?so-pin-source=/p",
		},
		{
			Of:   "a relative path",
			Data: "pkcs11:token=a?pin-source=p",
			Says: "an absolute path, or fd:N",
			Not:  "pkcs11:token=a?pin-source=/p",
		},
		{Of: "no key", Data: "pkcs11:token=a", Says: "names no key", Not: "pkcs11:token=a;id=%01", Read: key},

		{Of: "a PIN: nothing", Data: "\r\n", Says: "holds no PIN; no PIN was tried", Not: "1234\r\n", Read: pin},
		{Of: "a PIN: a mark", Data: "\ufeff1234", Says: "begins with a byte order mark", Not: "1234", Read: pin},
		{Of: "a PIN: a NUL at its end", Data: "1234\x00", Says: "holds a character that cannot be seen",
			Not:     "1\x002\x00",
			Instead: "is UTF-16", Read: pin},
		{Of: "a PIN: UTF-16", Data: "1\x002\x00", Says: "is UTF-16, as PowerShell writes it", Not: "12", Read: pin},
		{Of: "a PIN: two lines", Data: "1234\n5678\n", Says: "holds more than one line", Not: "1234 5678\n",
			Read: pin},
		{Of: "a PIN: a space behind", Data: "1234 \r\n", Says: "begins or ends with a space, which nobody sees",
			Not: "12 34\r\n", Read: pin},
		{Of: "a PIN: a tab", Data: "1234\t", Says: "holds a character that cannot be seen", Not: "1234\xff",
			Read: pin},
		{Of: "a PIN: a folder", Says: "is a directory", Read: func([]byte) error {
			_, err := pinSource{file: dir, has: true}.read(t.Context())
			return err
		}},
		{Of: "a PIN: others read it", Data: "1234", Says: "mode 0644 lets others read the PIN; set 0600",
			Read: file(0o644)},
		{
			Of:   "a PIN: too long",
			Data: strings.Repeat("1", 2000),
			Says: "longer than 1024 bytes",
			Not:  strings.Repeat("1", 1000),
			Read: pin,
		},
		{Of: "a PIN: a pipe nobody writes to", Says: "nobody wrote a PIN", Read: func([]byte) error {
			r, w, err := os.Pipe()
			if err != nil {
				return err
			}
			defer w.Close()
			defer r.Close()
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, err = pinSource{fd: int(r.Fd()), has: true}.read(ctx)
			return err
		}},
	}, Except: map[string]string{
		"%s: belongs to user %d":         "takes a second user; TestPINSourceRefused",
		"%s: %s may put another file":    "folders of others, and open to them: TestOwnPINFileRefusals of signer",
		"%sis theirs; move the PIN file": "folders of others, and open to them: TestOwnPINFileRefusals of signer",
		"%shas mode %04o; chmod o-w":     "folders of others, and open to them: TestOwnPINFileRefusals of signer",
		"%shas mode %04o; chmod g-w":     "folders of others, and open to them: TestOwnPINFileRefusals of signer",
	}})
}
