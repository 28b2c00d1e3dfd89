//go:build cgo

package pkcs11

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	pkcs11uri "github.com/stefanberger/go-pkcs11uri"

	"officiant/bundle/nearest"
	"officiant/signer"
)

// address is a URI taken apart. Empty fields were not given.
type address struct {
	token, serial, model, manufacturer string
	object                             string
	id                                 []byte
	modulePath, moduleName             string
	pin                                pinSource
	officer                            pinSource // of the security officer's PIN, who makes keys in slots
	attestation                        string    // file of certificates
}

// pinSource says where a PIN is read from; the zero value is: ask for it.
type pinSource struct {
	file string
	fd   int // when hasFD
	has  bool
}

// The attributes of RFC 7512 section 2.3 that Officiant understands. Others
// would narrow the choice of a token without being looked at. "attestation" is ours:
// a file of certificates with the maker's word for keys of the token.
var (
	pathAttributes  = []string{"token", "serial", "model", "manufacturer", "object", "id", "type"}
	queryAttributes = []string{"module-path", "module-name", "pin-source", "so-pin-source", "attestation"}
)

// narrowing are attributes of RFC 7512 that tell a module or a slot.
var narrowing = []string{"library-manufacturer", "library-description", "library-version", "slot-manufacturer",
	"slot-description"}

// parseURI takes a URI apart. Errors name attributes and never the URI itself,
// which may hold what it should not.
func parseURI(uri string) (address, error) {
	a, err := takeApart(uri)
	return a, signer.BadURI(err)
}

func takeApart(uri string) (address, error) {
	scheme, rest, _ := strings.Cut(uri, ":")
	if !strings.EqualFold(scheme, "pkcs11") {
		return address{}, errors.New("pkcs11 URI: does not begin with \"pkcs11:\"")
	}
	if err := checkNames(rest); err != nil {
		return address{}, fmt.Errorf("pkcs11 URI: %w", err)
	}
	if err := checkModulePath(rest); err != nil {
		return address{}, fmt.Errorf("pkcs11 URI: %w", err)
	}
	parsed := pkcs11uri.New()
	if err := parsed.Parse("pkcs11:" + rest); err != nil {
		return address{}, fmt.Errorf("pkcs11 URI: %w", err)
	}
	path := func(name string) string { v, _ := parsed.GetPathAttribute(name, false); return v }
	query := func(name string) string { v, _ := parsed.GetQueryAttribute(name, false); return v }
	a := address{
		token: path("token"), serial: path("serial"), model: path("model"), manufacturer: path("manufacturer"),
		object: path("object"), id: []byte(path("id")),
		modulePath: query("module-path"), moduleName: query("module-name"),
	}
	if a.token == "" && a.serial == "" {
		return address{}, errors.New("pkcs11 URI: names no token: token=LABEL or serial=SERIAL is needed")
	}
	if t := path("type"); t != "" && t != "private" {
		return address{}, fmt.Errorf("pkcs11 URI: type %q: only private keys are opened", t)
	}
	if a.attestation = query("attestation"); a.attestation != "" && !filepath.IsAbs(a.attestation) {
		return address{}, errors.New("pkcs11 URI: attestation: not an absolute path")
	}
	if strings.ContainsRune(a.moduleName, '/') {
		return address{}, errors.New("pkcs11 URI: module-name has a slash; a path is given as module-path")
	}
	var err error
	if a.pin, err = parsePINSource(query("pin-source")); err != nil {
		return address{}, fmt.Errorf("pkcs11 URI: pin-source: %w", err)
	}
	if a.officer, err = parsePINSource(query("so-pin-source")); err != nil {
		return address{}, fmt.Errorf("pkcs11 URI: so-pin-source: %w", err)
	}
	return a, nil
}

// checkNames refuses attributes that are not known or have no value, and
// values with a NUL, which C would cut there.
func checkNames(rest string) error {
	path, query, hasQuery := strings.Cut(rest, "?")
	if holdsPIN(rest) { // before anything is repeated
		return errors.New("holds a PIN (pin-value); use pin-source, or type it")
	}
	check := func(s, separator string, known []string, kind string) error {
		seen := map[string]bool{}
		for _, part := range strings.Split(s, separator) {
			name, value, _ := strings.Cut(part, "=")
			other, wrong := joined(value, separator)
			switch {
			case part == "":
				return fmt.Errorf("a %s attribute is missing at a %q", kind, separator)
			case name == "slot-id":
				return errors.New("slot-id: slots are renumbered; name the token by its label or serial")
			case slices.Contains(narrowing, name):
				return fmt.Errorf("%s tells a module or a slot, and not the token: leave it out; "+
					"token or serial names the token, module-path the module", name)
			case wrong:
				return fmt.Errorf("a %s attribute is set apart by %q here, not by %q; in a value that is %s", kind,
					separator, other, url.QueryEscape(other))
			case seen[name]:
				return fmt.Errorf("%s attribute %q stands there twice", kind, name)
			case !slices.Contains(known, name) && slices.Contains(queryAttributes, name):
				return fmt.Errorf("%s belongs after the question mark: pkcs11:token=LABEL?%[1]s=…", name)
			case !slices.Contains(known, name) && slices.Contains(pathAttributes, name):
				return fmt.Errorf("%s belongs before the question mark: pkcs11:%[1]s=…?module-path=…", name)
			case !slices.Contains(known, name):
				return fmt.Errorf("unknown %s attribute %q: one of %s%s", kind, name, strings.Join(known, ", "),
					nearest.Among(name, known...))
			case value == "":
				return fmt.Errorf("%s attribute %q is empty", kind, name)
			case (strings.Contains(value, "%00") || strings.ContainsRune(value, 0)) && name != "id":
				return fmt.Errorf("%s attribute %q holds a NUL", kind, name)
			}
			seen[name] = true
		}
		return nil
	}
	if path != "" {
		if err := check(path, ";", pathAttributes, "path"); err != nil {
			return err
		}
	}
	if hasQuery {
		return check(query, "&", queryAttributes, "query")
	}
	return nil
}

// holdsPIN looks for a pin-value, however its name is written.
func holdsPIN(rest string) bool {
	return slices.ContainsFunc(strings.FieldsFunc(rest, func(r rune) bool { return strings.ContainsRune(";?&", r) }),
		func(part string) bool {
			name, _, _ := strings.Cut(part, "=")
			if plain, err := url.PathUnescape(name); err == nil {
				name = plain
			}
			return strings.EqualFold(strings.TrimSpace(name), "pin-value")
		})
}

// joined says whether a value holds another attribute, set apart by the other half's
// separator.
func joined(value, separator string) (other string, ok bool) {
	other = ";"
	if separator == ";" {
		other = "&"
	}
	for _, part := range strings.Split(value, other)[1:] {
		name, _, is := strings.Cut(part, "=")
		if is && (slices.Contains(pathAttributes, name) || slices.Contains(queryAttributes, name)) {
			return other, true
		}
	}
	return other, false
}

// checkModulePath refuses a path that depends on where a command is run.
func checkModulePath(rest string) error {
	_, query, _ := strings.Cut(rest, "?")
	for _, part := range strings.Split(query, "&") {
		value, ok := strings.CutPrefix(part, "module-path=")
		if path, err := url.PathUnescape(value); ok && err == nil && !filepath.IsAbs(path) {
			return fmt.Errorf("module-path %q is not absolute: write /path/to/module.so, or module-name for one "+
				"where modules usually lie", path)
		}
	}
	return nil
}

func parsePINSource(s string) (pinSource, error) {
	if s == "" {
		return pinSource{}, nil
	}
	if n, ok := strings.CutPrefix(s, "fd:"); ok {
		fd, err := strconv.ParseUint(n, 10, 16)
		if err != nil {
			return pinSource{}, errors.New("after fd: comes the number of an open file")
		}
		return pinSource{fd: int(fd), has: true}, nil
	}
	file := s
	if strings.HasPrefix(s, "file:") {
		u, err := url.Parse(s)
		if err != nil || u.Host != "" || u.Opaque != "" || u.RawQuery != "" || u.Fragment != "" {
			return pinSource{}, errors.New("not of the form file:/path")
		}
		file = u.Path
	}
	if !filepath.IsAbs(file) || strings.ContainsRune(file, 0) {
		return pinSource{}, errors.New("is none of file:/path, an absolute path, or fd:N; it is not shown, " +
			"as it may be a PIN")
	}
	return pinSource{file: file, has: true}, nil
}

// key returns how the key of ref is named on its token, and checks that it is
// this token's key.
func (a address) key(ref signer.Ref) (label string, id []byte, err error) {
	label = a.object
	if label == "" && len(a.id) == 0 {
		label = ref.Label
	}
	if label == "" && len(a.id) == 0 {
		return "", nil, errors.New("pkcs11 URI: names no key: object, id or a label is needed")
	}
	return label, a.id, nil
}

// String names the token for messages.
func (a address) String() string {
	var parts []string
	for _, p := range []struct{ name, value string }{
		{"label", a.token}, {"serial", a.serial}, {"model", a.model}, {"manufacturer", a.manufacturer},
	} {
		if p.value != "" {
			parts = append(parts, fmt.Sprintf("%s %q", p.name, p.value))
		}
	}
	return strings.Join(parts, ", ")
}
