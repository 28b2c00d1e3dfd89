package lint

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"officiant/bundle/kubepki"
)

// expectedRules compare with what kubepki says this certificate has to be.
var expectedRules = []rule{
	{"k8s_expected_leaf", "officiant/bundle/kubepki", onlyLeaf, expectedLeaf},
	{"k8s_expected_subject", "officiant/bundle/kubepki", onlyLeaf, expectedSubject},
	{"k8s_expected_san", "officiant/bundle/kubepki", onlyLeaf, expectedSAN},
	{"k8s_expected_usage", "officiant/bundle/kubepki", onlyLeaf, expectedUsage},
	{"k8s_expected_authority", "officiant/bundle/kubepki", authorities, expectedAuthority},
}

func expectedLeaf(_ *x509.Certificate, in Context) string {
	if in.Leaf == nil {
		return "no such certificate is expected of the node"
	}
	if in.Leaf.Authority != in.Authority {
		return fmt.Sprintf("issued by the %s authority, expected the %s authority", in.Authority, in.Leaf.Authority)
	}
	return ""
}

func expectedSubject(cert *x509.Certificate, in Context) string {
	if in.Leaf == nil {
		return ""
	}
	if cert.Subject.CommonName != in.Leaf.CommonName {
		return fmt.Sprintf("CN is %q, expected %q", cert.Subject.CommonName, in.Leaf.CommonName)
	}
	if !slices.Equal(cert.Subject.Organization, in.Leaf.Organization) {
		return fmt.Sprintf("O is %q, expected %q", cert.Subject.Organization, in.Leaf.Organization)
	}
	return ""
}

func expectedSAN(cert *x509.Certificate, in Context) string {
	if in.Leaf == nil {
		return ""
	}
	if d := differences(cert.DNSNames, in.Leaf.DNSNames); d != "" {
		return "DNS names: " + d
	}
	var have, want []string
	for _, ip := range cert.IPAddresses {
		a, _ := netip.AddrFromSlice(ip) // of a parsed certificate, whose addresses are 4 or 16 octets
		have = append(have, a.Unmap().String())
	}
	for _, a := range in.Leaf.IPAddresses {
		want = append(want, a.Unmap().String())
	}
	if d := differences(have, want); d != "" {
		return "IP addresses: " + d
	}
	return ""
}

// differences names the first element that is not expected, the first that is there twice and
// the first that is missing.
func differences(have, want []string) string {
	var found []string
	if i := slices.IndexFunc(have, func(h string) bool { return !slices.Contains(want, h) }); i >= 0 {
		found = append(found, have[i]+" is not expected")
	}
	for i, h := range have {
		if slices.Contains(have[:i], h) {
			found = append(found, h+" is there twice")
			break
		}
	}
	if i := slices.IndexFunc(want, func(w string) bool { return !slices.Contains(have, w) }); i >= 0 {
		found = append(found, want[i]+" is missing")
	}
	return strings.Join(found, ", ")
}

func expectedUsage(cert *x509.Certificate, in Context) string {
	if in.Leaf == nil {
		return ""
	}
	if cert.KeyUsage != in.Leaf.KeyUsage {
		return "key usage is not the expected one"
	}
	if !sameUsages(cert.ExtKeyUsage, in.Leaf.ExtKeyUsage) {
		return "extended key usage is not the expected one"
	}
	return ""
}

func expectedAuthority(cert *x509.Certificate, in Context) string {
	want := in.Subject
	if in.Kind == Root {
		want = kubepki.Root
	}
	for _, spec := range kubepki.Authorities(in.Cluster) {
		if spec.Authority != want {
			continue
		}
		switch {
		case spec.Parent != in.Authority && in.Kind != Root:
			return fmt.Sprintf("issued by the %s authority, expected the %s", in.Authority, spec.Parent)
		case cert.MaxPathLen != spec.MaxPathLen:
			return fmt.Sprintf("pathLen is %s, expected %d", pathLen(cert), spec.MaxPathLen)
		case cert.KeyUsage != spec.KeyUsage:
			return "key usage is not the expected one"
		case !sameUsages(cert.ExtKeyUsage, spec.ExtKeyUsage):
			return "extended key usage is not the expected one"
		}
		return ""
	}
	return fmt.Sprintf("authority %q is unknown", want)
}

func sameUsages(a, b []x509.ExtKeyUsage) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}
