package kubeadm

import (
	"fmt"
	"net"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const ecdsaP256 = "ECDSA-P256"

// checked returns a text, changed as kubeadm changes it, once check is content.
func (r *reader) checked(d *document, path string, check func(string) (string, error)) string {
	v, ok := d.values[path]
	if !ok || v.text == "" || check == nil {
		return v.text
	}
	s, err := check(v.text)
	if err != nil {
		r.refuse(v.node, d.kind+"."+path, "%v", err)
	}
	return s
}

// sans reads a list of subject alternative names. change may be nil.
func (r *reader) sans(d *document, path string, change func(string) string) []string {
	var names []string
	for i, v := range d.values[path].texts {
		name := v.text
		if change != nil {
			name = change(name)
		}
		if err := checkSAN(name); err != nil {
			r.refuse(v.node, fmt.Sprintf("%s.%s[%d]", d.kind, path, i), "%v", err)
		}
		names = append(names, name)
	}
	return names
}

func (r *reader) address(d *document, path string) string {
	return r.checked(d, path, func(s string) (string, error) {
		a, err := netip.ParseAddr(s)
		switch {
		case err != nil || a.Zone() != "" || a.Is4In6():
			return "", fmt.Errorf("%q is not an IP address", s)
		case a.IsUnspecified():
			return "", nil
		}
		return a.String(), nil
	})
}

func (r *reader) duration(d *document, path string) time.Duration {
	v := d.values[path]
	if v.text == "" {
		return 0
	}
	validity, err := time.ParseDuration(v.text)
	if err != nil || validity <= 0 {
		r.refuse(v.node, d.kind+"."+path, "%q is not a duration such as 8760h", v.text)
	}
	return validity
}

var release = regexp.MustCompile(`^v?[0-9]+\.[0-9]+\.[0-9]+$`)

// checkRelease refuses labels such as "stable-1", which only the network can
// resolve: what certificates look like depends on the release.
func checkRelease(s string) (string, error) {
	if !release.MatchString(s) {
		return "", fmt.Errorf("%q does not name one release such as v1.37.2", s)
	}
	return s, nil
}

func checkAbsolute(s string) (string, error) {
	if !path.IsAbs(s) {
		return "", fmt.Errorf("%q is not an absolute path", s)
	}
	return path.Clean(s), nil
}

func checkAlgorithm(s string) (string, error) {
	known := []string{"RSA-2048", "RSA-3072", "RSA-4096", ecdsaP256, "ECDSA-P384"}
	if !slices.Contains(known, s) {
		return "", fmt.Errorf("%q is not one of %s", s, strings.Join(known, ", "))
	}
	return s, nil
}

func checkDomain(s string) (string, error) {
	if !isSubdomain(s) {
		return "", fmt.Errorf("%q is not a lower-case DNS name", s)
	}
	return s, nil
}

func checkNodeName(s string) (string, error) {
	name := strings.ToLower(strings.TrimSpace(s))
	if !isSubdomain(name) {
		return "", fmt.Errorf("%q is not a DNS name, which a node's name has to be", s)
	}
	return name, nil
}

func checkSubnets(s string) (string, error) {
	parts := strings.Split(s, ",")
	if len(parts) > 2 {
		return "", fmt.Errorf("%q has more than two subnets", s)
	}
	for _, p := range parts {
		if prefix, err := netip.ParsePrefix(p); err != nil || prefix.Masked() != prefix {
			return "", fmt.Errorf("%q is not a subnet such as 10.96.0.0/12", p)
		}
	}
	return s, nil
}

func checkEndpoint(s string) (string, error) {
	host := s
	if h, p, err := net.SplitHostPort(s); err == nil {
		if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
			return "", fmt.Errorf("%q is not host or host:port", s)
		}
		host = h
	}
	if strings.HasPrefix(host, "*") || checkSAN(host) != nil {
		return "", fmt.Errorf("%q is not host or host:port", s)
	}
	return s, nil
}

// checkSAN accepts what kubeadm puts into a certificate, and refuses what it
// would drop. A name that ends in a number is a mistyped address.
func checkSAN(s string) error {
	if a, err := netip.ParseAddr(s); err == nil {
		if a.Zone() != "" || a.Is4In6() || a.IsUnspecified() {
			return fmt.Errorf("%q is no address of a host that a certificate can carry", s)
		}
		return nil
	}
	name := strings.TrimPrefix(s, "*.")
	last := name[strings.LastIndexByte(name, '.')+1:]
	if !isSubdomain(name) || strings.Trim(last, "0123456789") == "" {
		return fmt.Errorf("%q is not an IP address, a lower-case DNS name, or *. before one", s)
	}
	return nil
}

var subdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$`)

func isSubdomain(s string) bool { return len(s) <= 253 && subdomain.MatchString(s) }
