package kubepki

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"officiant/bundle/visible"
)

// A FieldError says what is wrong with one field of a Cluster or a Node.
// Validate returns several of them joined; Field is the JSON name, with a
// position for list elements: "certSANs[1]".
type FieldError struct{ Field, Problem string }

func (e *FieldError) Error() string { return e.Field + ": " + e.Problem }

// A FactsError says whose facts are wrong, a cluster's or a node's. It wraps FieldErrors.
type FactsError struct {
	Node bool
	Name string // as it was given
	Err  error
}

// Error quotes a name that would be read as something else.
func (e *FactsError) Error() string {
	what, name := "cluster", e.Name
	if e.Node {
		what = "node"
	}
	if strings.ContainsFunc(name, func(r rune) bool { return r == ' ' || !visible.Rune(r) }) {
		name = strconv.Quote(name)
	}
	return fmt.Sprintf("%s %s: %v", what, name, e.Err)
}

func (e *FactsError) Unwrap() error { return e.Err }

func (c Cluster) wrong(err error) error { return &FactsError{Name: c.Name, Err: err} }
func (n Node) wrong(err error) error    { return &FactsError{Node: true, Name: n.Name, Err: err} }

// problems collects FieldErrors.
type problems []error

func (p *problems) add(field, format string, args ...any) {
	*p = append(*p, &FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
}

func (p problems) err() error { return errors.Join(p...) }

const (
	maxName  = 253 // RFC 1123, and what the API server accepts as a node's name
	maxLabel = 63
)

// isSubdomain says whether s is an RFC 1123 subdomain as Kubernetes means it:
// lower-case labels, no trailing dot.
func isSubdomain(s string) bool {
	if len(s) > maxName {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if !isLabel(label) {
			return false
		}
	}
	return true
}

func isLabel(s string) bool {
	if s == "" || len(s) > maxLabel || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// endsInNumber says whether the last label is a number, as in "10.0.0.256".
// No public name is (RFC 3696 section 2), so it is a mistyped address.
func endsInNumber(s string) bool {
	last := s[strings.LastIndexByte(s, '.')+1:]
	return last != "" && strings.Trim(last, "0123456789") == ""
}

// checkSANAddr refuses addresses that cannot stand in a certificate unchanged.
// kubeadm takes every other one; kind writes 0.0.0.0 among them.
func checkSANAddr(a netip.Addr) error {
	switch {
	case a.Zone() != "":
		return fmt.Errorf("%s has a zone, which a certificate cannot carry", a)
	case a.Is4In6():
		return fmt.Errorf("write %s as %s", a, a.Unmap())
	}
	return nil
}

// checkAddr refuses what is no address of one host, too.
func checkAddr(a netip.Addr) error {
	if err := checkSANAddr(a); err != nil {
		return err
	}
	switch {
	case a.IsUnspecified():
		return fmt.Errorf("%s is no address of one host", a)
	case a.IsMulticast():
		return fmt.Errorf("%s is a multicast address", a)
	}
	return nil
}

// checkSAN accepts what kubeadm puts into a certificate: an IP address, an
// RFC 1123 name, or a name whose first label is "*". What kubeadm would drop
// with a warning is an error here.
func checkSAN(s string) error {
	if a, err := netip.ParseAddr(s); err == nil {
		return checkSANAddr(a)
	}
	name := strings.TrimPrefix(s, "*.")
	switch {
	case strings.ContainsRune(name, '*'):
		return fmt.Errorf("%q: a wildcard is *. before a name, and nothing else", s)
	case !isSubdomain(name):
		return fmt.Errorf("%q is neither an IP address nor a lower-case DNS name", s)
	case endsInNumber(name):
		return fmt.Errorf("%q looks like an IP address but is none", s)
	}
	return nil
}

// splitEndpoint takes host or host:port apart, as kubeadm's ParseHostPort
// does. port is 0 when it is not given.
func splitEndpoint(s string) (host string, port int, err error) {
	if strings.Contains(s, "/") {
		return "", 0, fmt.Errorf("%q is not host or host:port", s)
	}
	host = s
	if h, p, splitErr := net.SplitHostPort(s); splitErr == nil {
		n, numErr := strconv.ParseUint(p, 10, 16)
		if numErr != nil || n == 0 {
			return "", 0, fmt.Errorf("%q: the port is not a number from 1 to 65535", s)
		}
		host, port = h, int(n)
	}
	if strings.HasPrefix(host, "*") {
		return "", 0, fmt.Errorf("%q: an endpoint cannot be a wildcard", s)
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return host, port, checkAddr(a)
	}
	return host, port, checkSAN(host)
}
