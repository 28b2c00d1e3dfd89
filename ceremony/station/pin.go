package station

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"

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

// HasPINSource says whether the PIN of a URI is read from its pin-source, so that nobody
// is asked for it.
func HasPINSource(uri string) bool { return attribute(uri, "pin-source") != "" }

// PINFileProblem says why a PIN could not be read from a URI's pin-source or so-pin-source;
// empty when it could, or when it is asked for. What a file holds is looked at as well,
// and cleared; a FIFO or a descriptor could be read once only.
func PINFileProblem(uri string) string {
	for _, name := range []string{"pin-source", "so-pin-source"} {
		source := attribute(uri, name)
		if source == "" || strings.HasPrefix(source, "fd:") {
			continue
		}
		path := strings.TrimPrefix(source, "file:")
		if u, err := url.Parse(source); err == nil && u.Scheme == "file" {
			path = u.Path
		}
		if err := pinFile(path); err != nil {
			return name + ": " + err.Error()
		}
	}
	return ""
}

// HasOfficer says whether the URI of a key names where the PIN of its token's security
// officer is read from, such as the management key of a YubiKey.
func HasOfficer(ref signer.Ref) bool { return attribute(ref.URI, "so-pin-source") != "" }

func pinFile(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() && info.Mode().Type() != fs.ModeNamedPipe {
		return fmt.Errorf("%s is neither a file nor a FIFO", path)
	}
	if err := signer.OwnPINFile(path, info); err != nil || !info.Mode().IsRegular() {
		return err
	}
	switch {
	case info.Size() == 0:
		return fmt.Errorf("%s is empty", path)
	case info.Size() > signer.MaxPIN:
		return fmt.Errorf("%s has %d bytes; a PIN file is one line of at most %d", path, info.Size(), signer.MaxPIN)
	}
	content, err := os.ReadFile(path)
	defer clear(content)
	if err == nil {
		if _, err = signer.PINLine(content); err != nil {
			err = fmt.Errorf("%s: %w", path, err)
		}
	}
	return err
}

// NamesID says whether the URI of a key names its CKA_ID: that of a key to be made is
// the ceremony's to choose.
func NamesID(ref signer.Ref) bool { return attribute(ref.URI, "id") != "" }
