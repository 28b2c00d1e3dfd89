package station

import (
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"officiant/bundle/nearest"
	"officiant/bundle/visible"
	"officiant/signer"
)

// schemes are those of the backends there are; a build may lack some of them.
var schemes = []string{"pkcs11", "gcpkms", "awskms"}

var (
	variable = regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`)
	secret   = regexp.MustCompile(`PASSWORD|PASSWD|PASSPHRASE|SECRET|(^|_)S?O?PIN(_|$)|(^|_)PASS(_|$)`)
	// What changes how programs are found and linked is not a token's business.
	machine = regexp.MustCompile(`^(PATH|HOME|SHELL|IFS|LD_.*|DYLD_.*|GO.*|GODEBUG|AWS_.*|GOOGLE_.*|` +
		`OPENSSL_.*|SSL_.*|GNUTLS_.*|GCONV_PATH|GLIBC_.*|MALLOC_.*|LOCPATH|NLSPATH|` +
		`XDG_CONFIG_.*|XDG_DATA_.*|PYTHON.*|JAVA_.*|BASH_.*|ENV)$`)
)

// check says where and why a station is not as it must be.
func (s *Station) check() (path []string, reason string) {
	switch {
	case s.APIVersion != apiVersion:
		return []string{"apiVersion"}, fmt.Sprintf("apiVersion is %q; this program reads %s", s.APIVersion, apiVersion)
	case s.Kind != kind:
		return []string{"kind"}, fmt.Sprintf("kind is %q, not %s", s.Kind, kind)
	case !label.MatchString(s.Name):
		return []string{
				"name",
			}, fmt.Sprintf(
				"name is %q; it is 1 to 63 lower-case letters, digits and dashes, with a letter or digit at both ends",
				s.Name,
			)
	case len(s.Keys) == 0:
		return []string{"keys"}, "keys is empty: it says where each key lives"
	}
	used := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(s.Keys)) {
		if reason := checkKey(name, s.Keys[name], used); reason != "" {
			return []string{"keys", name}, reason
		}
	}
	for _, name := range s.BackedUp() {
		if reason := s.checkBackup(name); reason != "" {
			return []string{"backups", name}, reason
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Environment)) {
		if reason := checkVariable(name, s.Environment[name]); reason != "" {
			return []string{"environment", name}, reason
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Evidence)) {
		if reason := checkEvidence(name, s.Evidence[name]); reason != "" {
			return []string{"evidence", name}, reason
		}
	}
	if name, reason := s.Preflight.Problem(); reason != "" {
		return []string{"preflight", name}, reason
	}
	if d, err := time.ParseDuration(s.Timeout); s.Timeout != "" && (err != nil || d < minTimeout || d > maxTimeout) {
		return []string{"timeout"}, fmt.Sprintf("timeout is %q; it is from 1s to 1h, with a unit", s.Timeout)
	}
	return nil, ""
}

// A token that answers slower than a second is common, one that needs an hour hangs.
const minTimeout, maxTimeout = time.Second, time.Hour

func checkEvidence(name string, g signer.Grade) string {
	if !label.MatchString(name) {
		return fmt.Sprintf("evidence: %q is not a name that a plan can give a key", name)
	}
	if !g.AtLeast(signer.Software) {
		return fmt.Sprintf("evidence of %s is %q; it is attested, consistent or software", name, g)
	}
	return ""
}

// checkKey looks at what every backend shares; the rest of a URI is the
// backend's to judge. used holds the places that are taken.
func checkKey(name, uri string, used map[string]string) string {
	if !label.MatchString(name) {
		return fmt.Sprintf("key %q is not a name that a plan can give a key", name)
	}
	scheme, rest, ok := strings.Cut(uri, ":")
	if !ok || !slices.Contains(schemes, scheme) {
		return fmt.Sprintf("key %s: its URI begins with none of pkcs11:, gcpkms:, awskms:", name)
	}
	if pinValue.MatchString(rest) {
		return fmt.Sprintf("key %s: its URI holds a PIN (pin-value); use pin-source, or type it", name)
	}
	if scheme != "pkcs11" {
		if !namesKey(scheme, rest) {
			return ""
		}
		if name == defaultKey {
			return "default: this KMS URI names one key, so it cannot hold for several"
		}
		token, err := signer.TokenOf(uri)
		if err != nil {
			return fmt.Sprintf("key %s: %v", name, err)
		}
		place, _, _ := strings.Cut(uri, "?") // other attributes do not make it another key
		return taken(name, token+" "+place, used)
	}
	path, query, _ := strings.Cut(rest, "?")
	attributes, reason := attributes(name, path, query)
	if reason != "" {
		return reason
	}
	object := attributes["object"] != "" || attributes["id"] != ""
	if object && name == defaultKey {
		return "default: object and id name one key, so they cannot hold for several"
	}
	if !object {
		return ""
	}
	token, err := signer.TokenOf(uri)
	if err != nil {
		return fmt.Sprintf("key %s: %v", name, err)
	}
	return taken(name, token+" "+attributes["object"]+" "+attributes["id"], used)
}

// checkBackup wants a clone to be in a token of its own: one that is lost with
// the key backs nothing up.
func (s *Station) checkBackup(name string) string {
	uri := s.Backups[name]
	if name == defaultKey {
		return "backups: default is not a key; name each key that has a clone"
	}
	if reason := checkKey(name, uri, map[string]string{}); reason != "" {
		return "backups: " + reason
	}
	own, ok := s.Keys[name]
	if !ok {
		own, ok = s.Keys[defaultKey]
	}
	if !ok {
		return fmt.Sprintf("backups: %s is not a key of this station", name)
	}
	key, err := signer.TokenOf(own)
	clone, e := signer.TokenOf(uri)
	if err == nil && e == nil && key == clone {
		return fmt.Sprintf("backups: the clone of %s is in the token that holds the key", name)
	}
	return ""
}

// namesKey says whether a KMS URI names a key. One that ends at a Google key
// ring, or names no more than AWS, leaves it to the label.
func namesKey(scheme, rest string) bool {
	path, _, _ := strings.Cut(rest, "?")
	if scheme == "gcpkms" {
		return strings.Contains(path, "/cryptoKeys/")
	}
	return path != "///"
}

func taken(name, place string, used map[string]string) string {
	if other, ok := used[place]; ok {
		return fmt.Sprintf("key %s: lives where %s does; every key needs its own place", name, other)
	}
	used[place] = name
	return ""
}

// pinValue is a PIN in a URI, whatever the case, and however its dash is written. A value
// with these letters in it is none.
var pinValue = regexp.MustCompile(`(?i)(^|[;?&])\s*pin(-|%2d)value|pin(-|%2d)value=`)

// attributes splits a pkcs11 URI and refuses what may not stand in a station.
func attributes(name, path, query string) (map[string]string, string) {
	out := map[string]string{}
	for _, query := range []string{"module-path", "module-name", "pin-source", "so-pin-source"} {
		if strings.HasPrefix(path, query+"=") || strings.Contains(path, ";"+query+"=") {
			return nil, fmt.Sprintf(
				"key %s: %s belongs after the question mark: pkcs11:token=LABEL?%[2]s=…", name, query)
		}
	}
	parts := strings.Split(path, ";")
	if query != "" {
		parts = append(parts, strings.Split(query, "&")...)
	}
	for _, part := range parts {
		attribute, value, ok := strings.Cut(part, "=")
		if !ok || value == "" {
			return nil, fmt.Sprintf("key %s: its URI has an attribute without a value", name)
		}
		if strings.HasPrefix(attribute, "slot-") {
			return nil, fmt.Sprintf(
				"key %s: its URI has %s; slots are renumbered at each start; name the token by serial or token",
				name,
				attribute,
			)
		}
		if _, double := out[attribute]; double {
			return nil, fmt.Sprintf("key %s: its URI has %s twice", name, attribute)
		}
		if text, err := url.PathUnescape(value); err == nil && attribute != "id" { // which is bytes
			if r, ok := visible.Hidden(text); !ok {
				return nil, fmt.Sprintf("key %s: %s of its URI contains the invisible character %U", name, attribute, r)
			}
		}
		out[attribute] = value
	}
	if out["token"] == "" && out["serial"] == "" {
		for given := range out {
			if near := nearest.Among(given, "token", "serial"); near != "" {
				return nil, fmt.Sprintf("key %s: its URI names no token: unknown attribute %q%s", name, given, near)
			}
		}
		return nil, fmt.Sprintf("key %s: its URI names no token: token=LABEL or serial=SERIAL is needed", name)
	}
	for _, given := range []string{"pin-source", "so-pin-source"} {
		if source, ok := out[given]; ok && !pinSource(source) {
			return nil, fmt.Sprintf("key %s: %s is neither an absolute path, nor file:/PATH, nor fd:N", name, given)
		}
	}
	if module, ok := out["module-path"]; ok && !absolute(module) {
		return nil, fmt.Sprintf("key %s: module-path is not an absolute path", name)
	}
	return out, ""
}

// absolute looks at a path that may be escaped, as a URI has it.
func absolute(path string) bool {
	plain, err := url.PathUnescape(path)
	return err == nil && filepath.IsAbs(plain)
}

// pinSource accepts a path and a file descriptor: "/abs/pin", "file:/abs/pin", "fd:3".
func pinSource(s string) bool {
	if n, ok := strings.CutPrefix(s, "fd:"); ok {
		_, err := strconv.ParseUint(n, 10, 16)
		return err == nil
	}
	s = strings.TrimPrefix(s, "file:")
	return strings.HasPrefix(s, "/") || strings.HasPrefix(strings.ToLower(s), "%2f")
}

func checkVariable(name, value string) string {
	switch {
	case !variable.MatchString(name):
		return fmt.Sprintf("environment: %q is not a name of upper-case letters, digits and _", name)
	case secret.MatchString(name):
		return fmt.Sprintf("environment: %s looks like a secret, and a station holds none", name)
	case machine.MatchString(name):
		return fmt.Sprintf("environment: %s is not a PKCS#11 module's and cannot be set", name)
	case value != inherited && !filepath.IsAbs(value):
		return fmt.Sprintf("environment: %s is not an absolute path, nor %q for what is exported before the run", name,
			inherited)
	}
	return ""
}
