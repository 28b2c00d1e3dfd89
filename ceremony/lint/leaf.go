package lint

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"officiant/bundle/kubepki"
)

// leafRules hold for every leaf, of whatever family.
var leafRules = []rule{
	{"k8s_leaf_is_ca", "RFC 5280, 4.2.1.9", onlyLeaf, leafIsCA},
	{"k8s_leaf_without_eku", "RFC 5280, 4.2.1.12; Go takes a leaf without EKU as a client", onlyLeaf, leafWithoutEKU},
	{"k8s_leaf_eku", "RFC 5280, 4.2.1.12", onlyLeaf, leafEKU},
	{"k8s_leaf_key_usage", "RFC 5280, 4.2.1.3; kubeadm: digitalSignature, keyEncipherment", onlyLeaf, leafKeyUsage},
	{"k8s_leaf_from_root", "the root issues authorities alone", onlyLeaf, leafFromRoot},
	{"k8s_server_without_san", "RFC 6125, 6.4.4; Go does not read a server's name from CN", onlyLeaf, serverWithoutSAN},
	{"k8s_wildcard", "RFC 6125, 6.4.3", onlyLeaf, wildcard},
}

func leafIsCA(cert *x509.Certificate, _ Context) string {
	if cert.IsCA || cert.KeyUsage&x509.KeyUsageCertSign != 0 || cert.KeyUsage&x509.KeyUsageCRLSign != 0 {
		return "a leaf may not sign certificates or lists"
	}
	return ""
}

func leafWithoutEKU(cert *x509.Certificate, _ Context) string {
	if len(cert.ExtKeyUsage)+len(cert.UnknownExtKeyUsage) == 0 {
		return "extended key usage is missing"
	}
	return ""
}

func leafEKU(cert *x509.Certificate, in Context) string {
	both := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	if p := within(cert, both, "serverAuth and clientAuth"); p != "" {
		return p
	}
	if in.Issuer != nil && len(in.Issuer.ExtKeyUsage) > 0 && !slices.Contains(in.Issuer.ExtKeyUsage, x509.ExtKeyUsageAny) {
		return within(cert, in.Issuer.ExtKeyUsage, "its issuer's")
	}
	return ""
}

func leafKeyUsage(cert *x509.Certificate, _ Context) string {
	if cert.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return "key usage lacks digitalSignature"
	}
	if cert.KeyUsage&^(x509.KeyUsageDigitalSignature|x509.KeyUsageKeyEncipherment) != 0 {
		return "key usage allows more than digitalSignature and keyEncipherment"
	}
	return ""
}

func leafFromRoot(_ *x509.Certificate, in Context) string {
	if _, ok := families[in.Authority]; !ok || in.Authority.Online() {
		return fmt.Sprintf("issued by %q, which is not a family that issues leaves", in.Authority)
	}
	if in.Issuer != nil && in.Issuer.MaxPathLen > 0 {
		return "the issuer may issue authorities: it is not an intermediate of a family"
	}
	return ""
}

func serverWithoutSAN(cert *x509.Certificate, _ Context) string {
	if slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageServerAuth) && len(cert.DNSNames)+len(cert.IPAddresses) == 0 {
		return "a server's certificate has no alternative name"
	}
	return ""
}

func wildcard(cert *x509.Certificate, _ Context) string {
	for _, n := range cert.DNSNames {
		rest := strings.TrimPrefix(n, "*.")
		if strings.Contains(rest, "*") || rest != n && !strings.Contains(rest, ".") {
			return fmt.Sprintf("wildcard %q covers more than one label below a domain", n)
		}
	}
	return ""
}

// familyRules keep the families apart: who may be named where.
var familyRules = []rule{
	{"k8s_front_proxy_cn_from_kubernetes_ca", "kube-apiserver --requestheader-allowed-names", onlyLeaf, frontProxyName},
	{"k8s_front_proxy_leaf", "kube-apiserver --requestheader-client-ca-file", onlyLeaf, frontProxyLeaf},
	{"k8s_system_masters", "group system:masters passes every authorization and cannot be undone", onlyLeaf, systemMasters},
	{"k8s_system_name", "system: names belong to the kubernetes authority", onlyLeaf, systemName},
	{"k8s_extra_leaf", "Kubernetes' own users and groups are somebody already", onlyLeaf, extraLeaf},
	{"k8s_kubelet_name", "Node authorizer: system:node:NAME in system:nodes", onlyLeaf, kubeletName},
}

func frontProxyName(cert *x509.Certificate, in Context) string {
	if cert.Subject.CommonName == "front-proxy-client" && in.Authority != kubepki.FrontProxyAuthority {
		return fmt.Sprintf("CN front-proxy-client from the %s authority", in.Authority)
	}
	return ""
}

func frontProxyLeaf(cert *x509.Certificate, in Context) string {
	if in.Authority != kubepki.FrontProxyAuthority {
		return ""
	}
	if !slices.Equal(cert.ExtKeyUsage, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}) {
		return "a front proxy is a client and nothing else"
	}
	if len(cert.DNSNames)+len(cert.IPAddresses) > 0 {
		return "a front proxy has no alternative names"
	}
	return ""
}

const masters = "system:masters"

func systemMasters(cert *x509.Certificate, in Context) string {
	if !slices.Contains(cert.Subject.Organization, masters) {
		return ""
	}
	if in.Authority == kubepki.FrontProxyAuthority {
		return "O=system:masters from the front-proxy authority"
	}
	if in.Leaf == nil || !slices.Contains(in.Leaf.Organization, masters) {
		return "O=system:masters is not planned for this certificate"
	}
	if in.Leaf.Extra != nil && !slices.Contains(in.Leaf.Extra.Allow, masters) {
		return "O=system:masters of an extra certificate is not allowed by name"
	}
	return ""
}

// extraLeaf judges what a plan adds to Kubernetes' own certificates.
func extraLeaf(cert *x509.Certificate, in Context) string {
	if in.Leaf == nil || in.Leaf.Extra == nil {
		return ""
	}
	if in.Authority == kubepki.FrontProxyAuthority {
		return "an extra certificate from the front-proxy authority"
	}
	if len(cert.ExtKeyUsage) != 1 {
		return "an extra certificate is for a client or for a server, and not for both"
	}
	if cert.ExtKeyUsage[0] != x509.ExtKeyUsageClientAuth {
		return ""
	}
	if strings.HasPrefix(cert.Subject.CommonName, "system:node:") || slices.Contains(cert.Subject.Organization, "system:nodes") {
		return "a client of a node's name beside its kubelet.conf"
	}
	for _, n := range append([]string{cert.Subject.CommonName}, cert.Subject.Organization...) {
		own := strings.HasPrefix(n, "system:") || strings.HasPrefix(n, "kubeadm:")
		meant := n == "system:kube-proxy" || n == "system:node-proxier" || n == "system:monitoring"
		if own && !meant && !slices.Contains(in.Leaf.Extra.Allow, n) {
			return fmt.Sprintf("%q is a name of Kubernetes' own, and not allowed by name", n)
		}
	}
	return ""
}

func systemName(cert *x509.Certificate, in Context) string {
	if in.Authority == kubepki.KubernetesAuthority {
		return ""
	}
	for _, n := range append([]string{cert.Subject.CommonName}, cert.Subject.Organization...) {
		// kubeadm up to 1.28 puts etcd's clients into system:masters; k8s_system_masters judges that.
		if strings.HasPrefix(n, "system:") && n != masters {
			return fmt.Sprintf("%q from the %s authority", n, in.Authority)
		}
	}
	return ""
}

func kubeletName(cert *x509.Certificate, _ Context) string {
	name, isNode := strings.CutPrefix(cert.Subject.CommonName, "system:node:")
	isGroup := slices.Contains(cert.Subject.Organization, "system:nodes")
	switch {
	case !isNode && !isGroup:
		return ""
	case !isNode:
		return fmt.Sprintf("O=system:nodes with CN %q, not system:node:NAME", cert.Subject.CommonName)
	case !slices.Equal(cert.Subject.Organization, []string{"system:nodes"}):
		return "CN system:node:NAME with an O that is not system:nodes alone"
	case !nodeName(name):
		return fmt.Sprintf("node name %q is not an RFC 1123 subdomain", name)
	}
	return ""
}

// nodeName says whether s is an RFC 1123 subdomain, as Kubernetes names nodes.
func nodeName(s string) bool {
	if len(s) == 0 || len(s) > 253 {
		return false
	}
	for _, label := range strings.Split(s, ".") {
		if label == "" || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if !(c == '-' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z') {
				return false
			}
		}
	}
	return true
}
