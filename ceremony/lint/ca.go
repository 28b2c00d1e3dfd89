package lint

import (
	"crypto/x509"
	"fmt"
	"strings"

	"officiant/bundle/kubepki"
)

// caRules hold for roots and intermediates.
var caRules = []rule{
	{"k8s_not_ca", "RFC 5280, 4.2.1.9", authorities, notCA},
	{"k8s_ca_key_usage", "RFC 5280, 4.2.1.3", authorities, caKeyUsage},
	{"k8s_ca_names", "an authority is no user and no server", authorities, caNames},
	{"k8s_root_path_len", "RFC 5280, 4.2.1.9; a root with pathLen 0 breaks every chain anchored in it", onlyRoot, rootPathLen},
	{"k8s_root_eku", "RFC 5280, 4.2.1.12; what the root lacks, no leaf has", onlyRoot, rootEKU},
	{"k8s_intermediate_path_len", "RFC 5280, 4.2.1.9", onlyIntermediate, intermediatePathLen},
	{"k8s_intermediate_eku", "Go applies an intermediate's EKU to its leaves, even where it is the anchor", onlyIntermediate, intermediateEKU},
	{"k8s_intermediate_issuer", "one root, and intermediates below it", onlyIntermediate, intermediateIssuer},
}

// families says what each family may issue. Those of an online signer issue nothing of
// a ceremony.
var families = map[kubepki.Authority][]x509.ExtKeyUsage{
	kubepki.KubernetesAuthority: {x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	kubepki.EtcdAuthority:       {x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	kubepki.FrontProxyAuthority: {x509.ExtKeyUsageClientAuth},

	kubepki.KubeletServingAuthority: {x509.ExtKeyUsageServerAuth},
	kubepki.KubeletClientAuthority:  {x509.ExtKeyUsageClientAuth},
}

func notCA(cert *x509.Certificate, _ Context) string {
	if !cert.BasicConstraintsValid || !cert.IsCA {
		return "basic constraints do not say CA"
	}
	return ""
}

func caKeyUsage(cert *x509.Certificate, _ Context) string {
	const must = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	if cert.KeyUsage&must != must {
		return "key usage lacks keyCertSign or cRLSign"
	}
	if cert.KeyUsage&^(must|x509.KeyUsageDigitalSignature) != 0 {
		return "key usage allows more than signing"
	}
	return ""
}

func caNames(cert *x509.Certificate, _ Context) string {
	if len(cert.DNSNames)+len(cert.IPAddresses) > 0 {
		return "an authority has no alternative names"
	}
	for _, n := range append([]string{cert.Subject.CommonName}, cert.Subject.Organization...) {
		if strings.HasPrefix(n, "system:") {
			return fmt.Sprintf("an authority's subject holds %q", n)
		}
	}
	return ""
}

func rootPathLen(cert *x509.Certificate, _ Context) string {
	if cert.MaxPathLen != 1 {
		return "pathLen is " + pathLen(cert) + ", not 1"
	}
	return ""
}

func intermediatePathLen(cert *x509.Certificate, _ Context) string {
	if cert.MaxPathLen != 0 || !cert.MaxPathLenZero {
		return "pathLen is " + pathLen(cert) + ", not 0"
	}
	return ""
}

func pathLen(cert *x509.Certificate) string {
	if cert.MaxPathLen < 0 || cert.MaxPathLen == 0 && !cert.MaxPathLenZero {
		return "absent"
	}
	return fmt.Sprint(cert.MaxPathLen)
}

func rootEKU(cert *x509.Certificate, _ Context) string {
	if len(cert.ExtKeyUsage)+len(cert.UnknownExtKeyUsage) > 0 {
		return "a root has no extended key usage"
	}
	return ""
}

func intermediateEKU(cert *x509.Certificate, in Context) string {
	may, ok := families[in.Subject]
	if !ok {
		return fmt.Sprintf("family %q is unknown", in.Subject)
	}
	if len(cert.ExtKeyUsage) == 0 {
		return "extended key usage is missing"
	}
	return within(cert, may, "the "+string(in.Subject)+" family")
}

func intermediateIssuer(_ *x509.Certificate, in Context) string {
	if in.Authority != kubepki.Root {
		return fmt.Sprintf("issued by the %s authority, not by the root", in.Authority)
	}
	return ""
}

// within says which extended key usage of cert is not among may.
func within(cert *x509.Certificate, may []x509.ExtKeyUsage, whose string) string {
	if len(cert.UnknownExtKeyUsage) > 0 {
		return "extended key usage " + cert.UnknownExtKeyUsage[0].String() + " is not one of " + whose
	}
next:
	for _, u := range cert.ExtKeyUsage {
		for _, m := range may {
			if u == m {
				continue next
			}
		}
		return "extended key usage " + usage(u) + " is not one of " + whose
	}
	return ""
}

func usage(u x509.ExtKeyUsage) string {
	switch u {
	case x509.ExtKeyUsageAny:
		return "anyExtendedKeyUsage"
	case x509.ExtKeyUsageServerAuth:
		return "serverAuth"
	case x509.ExtKeyUsageClientAuth:
		return "clientAuth"
	}
	return fmt.Sprintf("number %d", u)
}
