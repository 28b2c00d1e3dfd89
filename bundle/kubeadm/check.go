package kubeadm

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"officiant/bundle/nearest"
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
		if a, ok := parseAddr(name); ok {
			name = a.String()
		} else if err := checkSAN(name); err != nil {
			r.refuse(v.node, fmt.Sprintf("%s.%s[%d]", d.kind, path, i), "%v", err)
		}
		names = append(names, name)
	}
	return names
}

func (r *reader) address(d *document, path string) string {
	return r.checked(d, path, func(s string) (string, error) {
		a, ok := parseAddr(s)
		switch {
		case !ok:
			return "", fmt.Errorf("%q is not an IP address", s)
		case a.IsUnspecified():
			return "", nil
		}
		return a.String(), nil
	})
}

// parseAddr reads an IP address as kubeadm does: leading zeros mean nothing, and
// an IPv4 address in IPv6's clothes is that IPv4 address.
func parseAddr(s string) (netip.Addr, bool) {
	if strings.Contains(s, ".") && strings.Trim(s, "0123456789.") == "" {
		parts := strings.Split(s, ".")
		for i, p := range parts {
			if p != "" && len(p) <= 16 {
				parts[i] = cmp.Or(strings.TrimLeft(p, "0"), "0")
			}
		}
		s = strings.Join(parts, ".")
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, false
	}
	return a.Unmap(), true
}

func (r *reader) duration(d *document, path string) time.Duration {
	v := d.values[path]
	if v.text == "" {
		return 0
	}
	validity, err := time.ParseDuration(v.text)
	switch {
	case err != nil:
		r.refuse(v.node, d.kind+"."+path, "%q is not a duration such as 8760h (hours are the longest unit)", v.text)
	case validity <= 0:
		r.refuse(
			v.node,
			d.kind+"."+path,
			"%q is no time that a certificate could be valid for; leave it out for kubeadm's default",
			v.text,
		)
	}
	return validity
}

// release is kubeadm's own rule (kubeReleaseRegex), the suffix of a vendor or of a
// pre-release included: v1.31.4+vmware.1, v1.32.3-eks-1-32-10, v1.36.0-rc.1.
var release = regexp.MustCompile(`^(v?(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*))[-\w.+]*$`)

// Release is a version without what a vendor or a pre-release puts behind it: what
// certificates look like depends on the release alone. A label such as "stable-1",
// which only the network can resolve, is refused.
func Release(s string) (string, error) {
	m := release.FindStringSubmatch(s)
	switch {
	case m != nil:
		return m[1], nil
	case label.MatchString(s):
		return "", fmt.Errorf(
			"%q is a label that only the network resolves; it does not name one release such as v1.37.2",
			s,
		)
	}
	return "", fmt.Errorf("%q does not name one release such as v1.37.2", s)
}

var label = regexp.MustCompile(`^(ci/|release/|ci-cross/)?(k8s-)?(latest|stable|master)`)

func checkAbsolute(s string) (string, error) {
	if !path.IsAbs(s) {
		return "", fmt.Errorf("%q is not an absolute path", s)
	}
	return path.Clean(s), nil
}

func checkAlgorithm(s string) (string, error) {
	known := []string{"RSA-2048", "RSA-3072", "RSA-4096", ecdsaP256, "ECDSA-P384"}
	if !slices.Contains(known, s) {
		return "", fmt.Errorf("%q is not one of %s%s", s, strings.Join(known, ", "), nearest.Among(s, known...))
	}
	return s, nil
}

func checkDomain(s string) (string, error) {
	if !isSubdomain(s) {
		return "", fmt.Errorf("%q %s", s, notAName(s))
	}
	return s, nil
}

func checkNodeName(s string) (string, error) {
	name := strings.ToLower(strings.TrimSpace(s))
	if !isSubdomain(name) {
		return "", fmt.Errorf("%q %s; a node's name has to be a DNS name", s, notAName(name))
	}
	return name, nil
}

func checkSubnets(s string) (string, error) {
	parts := strings.Split(s, ",")
	if len(parts) > 2 {
		return "", fmt.Errorf("%q has more than two subnets", s)
	}
	for i, p := range parts {
		host, bits, _ := strings.Cut(p, "/")
		a, ok := parseAddr(host)
		bits = cmp.Or(strings.TrimLeft(bits, "0"), bits) // kubeadm takes /012 for /12
		if n, err := strconv.Atoi(bits); err == nil && a.Is4() && strings.Contains(host, ":") {
			bits = strconv.Itoa(n - 96) // ::ffff:10.96.0.0/112 is 10.96.0.0/16
		}
		prefix, err := netip.ParsePrefix(a.String() + "/" + bits)
		if !ok || err != nil {
			return "", fmt.Errorf("%q is not a subnet such as 10.96.0.0/12", p)
		}
		parts[i] = prefix.Masked().String() // as kubeadm reads a subnet with a host's address
	}
	return strings.Join(parts, ","), nil
}

func checkEndpoint(s string) (string, error) {
	host := s
	if h, p, err := net.SplitHostPort(s); err == nil {
		n, err := strconv.ParseUint(p, 10, 16)
		switch {
		case p == "": // "api.test:" is api.test to kubeadm, and "[fd00::1]:" is fd00::1
			s = h
		case strings.Contains(s, "/"):
			return "", fmt.Errorf("%q %s", s, notAName(s))
		case err != nil || n == 0:
			return "", fmt.Errorf("%q has the port %q, which is none of 1 to 65535", s, p)
		}
		host = h
	}
	if a, ok := parseAddr(host); ok {
		if strings.Trim(host, "0123456789.") == "" { // leading zeros
			return strings.Replace(s, host, a.String(), 1), nil
		}
		return s, nil
	}
	if strings.HasPrefix(host, "*") {
		return "", fmt.Errorf("%q is a wildcard, and nobody can connect to that; name the host, or host:port", s)
	}
	if checkSAN(host) != nil {
		return "", fmt.Errorf("%q %s", s, notAName(host))
	}
	return s, nil
}

// checkSAN accepts the names kubeadm puts into a certificate, besides addresses. A
// name that ends in a number is a mistyped address.
func checkSAN(s string) error {
	name := strings.TrimPrefix(s, "*.")
	if !isSubdomain(name) || endsInNumber(name) {
		return fmt.Errorf("%q %s", s, notAName(s))
	}
	return nil
}

// endsInNumber tells an address that is none: no top-level domain is a number.
func endsInNumber(name string) bool {
	return strings.Trim(name[strings.LastIndexByte(name, '.')+1:], "0123456789") == ""
}

// notAName says why a text is neither a host's name nor an address. It is asked only
// about what is not.
func notAName(s string) string {
	lower, after, port := strings.Cut(s, ":")
	_, address := parseAddr(s)
	switch {
	case s == "":
		return "is empty"
	case address:
		return "is an address, where a name belongs"
	case strings.TrimSpace(s) != s:
		return "has spaces around it"
	case strings.Contains(s, "://"):
		return "is a URL: leave the scheme out, and what follows the host"
	case strings.Contains(s, "/"):
		return "has a slash: a subnet or a path, where one name or address belongs"
	case strings.Contains(s, "%"):
		return "has a zone, which means something on one machine alone"
	case strings.ContainsAny(s, "[]"):
		return "stands in brackets, which only an address with a port has"
	case port && isSubdomain(strings.ToLower(lower)) && strings.Trim(after, "0123456789") == "":
		return "has a port, where a name alone belongs"
	case strings.Contains(s, ","):
		return "has a comma: one name belongs here, and a list has an entry for each"
	case strings.ContainsAny(s, " \t\r\n"):
		return "has a space in it: one name belongs here, and a list has an entry for each"
	case strings.Contains(s, "@"):
		return "is a mail address, which no server's certificate needs"
	case strings.Contains(strings.TrimPrefix(s, "*."), "*"):
		return "has a * elsewhere than in place of the first label: *.NAME"
	case strings.HasSuffix(s, "."):
		return "ends in a dot: leave that out"
	case strings.Contains(s, "_"):
		return "has an underscore, which no host's name has (RFC 1123)"
	case strings.IndexFunc(s, func(r rune) bool { return r > unicode.MaxASCII }) >= 0:
		return "is not ASCII: write the xn-- form of the name"
	case isSubdomain(strings.ToLower(strings.TrimPrefix(s, "*."))) && strings.ToLower(s) != s:
		return "has capitals, which kubeadm takes in apiServer.certSANs alone; write " + strings.ToLower(s)
	case len(s) > 253 || slices.ContainsFunc(strings.Split(s, "."), func(l string) bool { return len(l) > 63 }):
		return "is longer than DNS has names: 63 characters between dots, 253 in all"
	case endsInNumber(s):
		return "looks like an IP address and is none: no name ends in a number"
	}
	return "is neither an IP address nor a lower-case DNS name"
}

var subdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$`)

func isSubdomain(s string) bool { return len(s) <= 253 && subdomain.MatchString(s) }
