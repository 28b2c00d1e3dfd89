package gcpkms

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"cloud.google.com/go/kms/apiv1/kmspb"

	"officiant/signer"
)

// google is the endpoint when a URI names none.
const google = "cloudkms.googleapis.com:443"

// address is a URI taken apart.
type address struct {
	project, location, ring string
	key, version            string // "" when the URI ends before them
	endpoint                string // HOST:PORT
	plaintext               bool   // a loopback address: no TLS, no credentials
	protection              kmspb.ProtectionLevel
	roots                   string // path of a PEM file; "": the built-in ones
}

// What Google allows in names (the API's reference, and projects.create for the
// project, with a domain before it in the old ones).
var (
	projectName = regexp.MustCompile(`^([a-z0-9.-]{1,62}:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$|^[0-9]{1,20}$`)
	location    = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)
	resource    = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,63}$`)
	versionName = regexp.MustCompile(`^[1-9][0-9]{0,8}$`)
)

// parts are the collections of a resource's name, in their order.
var parts = []struct {
	collection string
	name       *regexp.Regexp
}{
	{"projects", projectName}, {"locations", location}, {"keyRings", resource},
	{"cryptoKeys", resource}, {"cryptoKeyVersions", versionName},
}

// parseURI takes a URI apart. Nothing in it is escaped but the path of a file:
// no name needs it.
func parseURI(uri string) (address, error) {
	a, err := takeApart(uri)
	return a, signer.BadURI(err)
}

func takeApart(uri string) (address, error) {
	rest, ok := strings.CutPrefix(uri, "gcpkms://")
	if !ok {
		return address{}, errors.New("gcpkms URI: does not begin with \"gcpkms://\"")
	}
	path, query, hasQuery := strings.Cut(rest, "?")
	a := address{endpoint: google, protection: kmspb.ProtectionLevel_HSM}
	if err := a.parsePath(path); err != nil {
		return address{}, fmt.Errorf("gcpkms URI: %w", err)
	}
	if hasQuery {
		if err := a.parseQuery(query); err != nil {
			return address{}, fmt.Errorf("gcpkms URI: %w", err)
		}
	}
	return a, nil
}

func (a *address) parsePath(path string) error {
	segments := strings.Split(path, "/")
	if len(segments)%2 != 0 || len(segments) < 6 || len(segments) > 2*len(parts) {
		return errors.New("want projects/P/locations/L/keyRings/R, then /cryptoKeys/K and /cryptoKeyVersions/N for a key that exists")
	}
	fields := []*string{&a.project, &a.location, &a.ring, &a.key, &a.version}
	for i := 0; i < len(segments); i += 2 {
		want := parts[i/2]
		if segments[i] != want.collection {
			return fmt.Errorf("%q stands where %s belongs", segments[i], want.collection)
		}
		if !want.name.MatchString(segments[i+1]) {
			return fmt.Errorf("%q is no name in %s", segments[i+1], want.collection)
		}
		*fields[i/2] = segments[i+1]
	}
	return nil
}

func (a *address) parseQuery(query string) error {
	seen := map[string]bool{}
	for _, part := range strings.Split(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		if seen[name] {
			return fmt.Errorf("attribute %q stands there twice", name)
		}
		seen[name] = true
		switch name {
		case "endpoint":
			if err := a.parseEndpoint(value); err != nil {
				return fmt.Errorf("endpoint: %w", err)
			}
		case "protection":
			switch value {
			case "HSM":
			case "SOFTWARE":
				a.protection = kmspb.ProtectionLevel_SOFTWARE
			default:
				return fmt.Errorf("protection is %q: HSM or SOFTWARE", value)
			}
		case "attestation-roots":
			path, err := url.PathUnescape(value)
			if err != nil || !filepath.IsAbs(path) || strings.ContainsRune(path, 0) {
				return errors.New("attestation-roots is not an absolute path")
			}
			a.roots = path
		default:
			return fmt.Errorf("unknown attribute %q: one of endpoint, protection, attestation-roots", name)
		}
	}
	return nil
}

// parseEndpoint accepts Google's own names, and loopback addresses. Credentials
// are sent to whoever answers at an endpoint, so it must be one that only
// Google can have a certificate for; private endpoints have such names too.
func (a *address) parseEndpoint(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return errors.New("not HOST:PORT")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
		return errors.New("the port is no number from 1 to 65535")
	}
	a.endpoint = s
	if ip, err := netip.ParseAddr(host); err == nil {
		if !ip.IsLoopback() || ip.Zone() != "" {
			return errors.New("an address that is not loopback: TLS needs a name under googleapis.com")
		}
		a.plaintext = true
		return nil
	}
	if !endpointHost.MatchString(host) {
		return errors.New("neither a name under googleapis.com nor a loopback address; credentials would go there")
	}
	return nil
}

var endpointHost = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+googleapis\.com$`)

func (a address) locationName() string { return "projects/" + a.project + "/locations/" + a.location }
func (a address) ringName() string     { return a.locationName() + "/keyRings/" + a.ring }

// store is what the keys of one Store share.
func (a address) store() string { return a.ringName() + "?" + url.QueryEscape(a.endpoint) }

// place is where one key is, or is to be.
type place struct {
	address
	label   string
	derived bool // the key's name comes of the label
}

func (p place) keyName() string     { return p.ringName() + "/cryptoKeys/" + p.key }
func (p place) versionName() string { return p.keyName() + "/cryptoKeyVersions/" + p.version }

// labelForm is CLUSTER/NAME, each an RFC 1123 label.
var labelForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?/[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

// placeOf says where the key of ref lives. Without a key in its URI the key's
// name is made of the label.
func placeOf(ref signer.Ref) (place, error) {
	a, err := parseURI(ref.URI)
	if err != nil {
		return place{}, err
	}
	p := place{address: a, label: ref.Label}
	if p.key != "" {
		if p.label == "" {
			p.label = p.key
		}
		return p, nil
	}
	if !labelForm.MatchString(ref.Label) || len(ref.Label) > 63 {
		return place{}, fmt.Errorf("key %q: no name in Google Cloud KMS can be made of it; name the key in its URI: /cryptoKeys/NAME", ref.Label)
	}
	p.key, p.derived = strings.Replace(ref.Label, "/", "-", 1), true
	return p, nil
}
