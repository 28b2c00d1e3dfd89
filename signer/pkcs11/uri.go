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

	"officiant/signer"
)

// address is a URI taken apart. Empty fields were not given.
type address struct {
	token, serial, model, manufacturer string
	object                             string
	id                                 []byte
	modulePath, moduleName             string
	pin                                pinSource
	attestation                        string // file of certificates
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
	queryAttributes = []string{"module-path", "module-name", "pin-source", "attestation"}
)

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
	if strings.Contains(strings.ToLower(rest), "pin-value") {
		return address{}, errors.New("pkcs11 URI: holds a PIN (pin-value); use pin-source, or type it")
	}
	if err := checkNames(rest); err != nil {
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
	return a, nil
}

// checkNames refuses attributes that are not known or have no value, and
// values with a NUL, which C would cut there.
func checkNames(rest string) error {
	path, query, hasQuery := strings.Cut(rest, "?")
	check := func(s, separator string, known []string, kind string) error {
		for _, part := range strings.Split(s, separator) {
			name, value, _ := strings.Cut(part, "=")
			switch {
			case name == "slot-id":
				return errors.New("slot-id: slots are renumbered; name the token by its label or serial")
			case !slices.Contains(known, name) && slices.Contains(queryAttributes, name):
				return fmt.Errorf("%s belongs after the question mark: pkcs11:token=LABEL?%[1]s=…", name)
			case !slices.Contains(known, name) && slices.Contains(pathAttributes, name):
				return fmt.Errorf("%s belongs before the question mark: pkcs11:%[1]s=…?module-path=…", name)
			case !slices.Contains(known, name):
				return fmt.Errorf("unknown %s attribute %q: one of %s", kind, name, strings.Join(known, ", "))
			case value == "":
				return fmt.Errorf("%s attribute %q is empty", kind, name)
			case (strings.Contains(value, "%00") || strings.ContainsRune(value, 0)) && name != "id":
				return fmt.Errorf("%s attribute %q holds a NUL", kind, name)
			}
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
		return pinSource{}, errors.New("file:/path, an absolute path, or fd:N")
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
