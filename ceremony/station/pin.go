package station

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"
	"syscall"

	"officiant/signer"
)

// attribute is the value of an attribute of a "pkcs11:" URI, unescaped.
func attribute(uri, name string) string {
	scheme, rest, _ := strings.Cut(uri, ":")
	if !strings.EqualFold(scheme, "pkcs11") {
		return ""
	}
	for _, part := range strings.FieldsFunc(rest, func(r rune) bool { return r == ';' || r == '?' || r == '&' }) {
		if value, ok := strings.CutPrefix(part, name+"="); ok {
			if plain, err := url.PathUnescape(value); err == nil {
				return plain
			}
		}
	}
	return ""
}

// Object is what a key is called at its place: the object and id of its URI, or
// its label where the URI leaves the name open. A KMS URI is its own name.
func Object(ref signer.Ref) string {
	scheme, rest, _ := strings.Cut(ref.URI, ":")
	if !strings.EqualFold(scheme, "pkcs11") {
		if !namesKey(scheme, rest) {
			return ref.Label
		}
		place, _, _ := strings.Cut(ref.URI, "?") // other attributes do not make it another key
		return place
	}
	object, id := attribute(ref.URI, "object"), attribute(ref.URI, "id")
	if object == "" && id == "" {
		object = ref.Label
	}
	if id == "" {
		return object
	}
	return fmt.Sprintf("%s %x", object, id)
}

// PINFileProblem says why the PIN of a URI could not be read from its pin-source;
// empty when it could, or when it is asked for. The PIN itself is not read: from a
// FIFO or a descriptor it could be read once only.
func PINFileProblem(uri string) string {
	source := attribute(uri, "pin-source")
	if source == "" || strings.HasPrefix(source, "fd:") {
		return ""
	}
	path := strings.TrimPrefix(source, "file:")
	if u, err := url.Parse(source); err == nil && u.Scheme == "file" {
		path = u.Path
	}
	info, err := os.Stat(path)
	if err != nil {
		return "pin-source: " + err.Error()
	}
	switch mode := info.Mode(); {
	case mode.Type() == fs.ModeNamedPipe:
		return ""
	case !mode.IsRegular():
		return fmt.Sprintf("pin-source: %s is neither a file nor a FIFO", path)
	case mode.Perm()&0o077 != 0:
		return fmt.Sprintf("pin-source: %s: mode %04o lets others read the PIN; set 0600", path, mode.Perm())
	case info.Size() == 0:
		return fmt.Sprintf("pin-source: %s is empty", path)
	case info.Size() > maxPINFile:
		return fmt.Sprintf("pin-source: %s has %d bytes; a PIN file is one line of at most %d", path, info.Size(),
			maxPINFile)
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok && s.Uid != 0 && int(s.Uid) != os.Geteuid() {
		return fmt.Sprintf("pin-source: %s belongs to user %d, who can read and change the PIN", path, s.Uid)
	}
	f, err := os.Open(path)
	if err != nil {
		return "pin-source: " + err.Error()
	}
	f.Close()
	return ""
}

// maxPINFile is what a backend reads of one, in bytes.
const maxPINFile = 1024
