package lint

import (
	"cmp"
	"crypto/x509"
	"slices"
	"strings"
	"sync"

	zx509 "github.com/zmap/zcrypto/x509"
	"github.com/zmap/zlint/v3/lint"
	_ "github.com/zmap/zlint/v3/lints/rfc" // registers the lints of the RFCs, and no others
)

// zlintSuite is what zlint runs, chosen once: parsing even an empty
// configuration costs more than all lints together.
type zlintSuite struct {
	lints  []*lint.CertificateLint
	config lint.Configuration
}

var suite = sync.OnceValue(func() zlintSuite {
	s := zlintSuite{config: lint.NewEmptyConfig()}
	for _, l := range lint.GlobalRegistry().CertificateLints().Lints() {
		if strings.HasPrefix(string(l.Source), "RFC") {
			s.lints = append(s.lints, l)
		}
	}
	slices.SortFunc(s.lints, func(a, b *lint.CertificateLint) int { return cmp.Compare(a.Name, b.Name) })
	return s
})

// passedOver holds the results that do not refuse, with the condition under
// which they do not; the package's comment says why.
var passedOver = map[string]func(*x509.Certificate, Context) bool{
	"e_ecdsa_allowed_ku":                              isLeaf,
	"e_key_usage_and_extended_key_usage_inconsistent": isLeaf,
	"e_subject_common_name_max_length": func(cert *x509.Certificate, in Context) bool {
		return in.Kind == Leaf && in.Leaf != nil && slices.Contains(namedByNode, in.Leaf.ID) &&
			cert.Subject.CommonName == in.Leaf.CommonName
	},
}

func isLeaf(_ *x509.Certificate, in Context) bool { return in.Kind == Leaf }

// namedByNode are the leaves whose common name is or ends with a node's name.
var namedByNode = []string{"kubelet.conf", "kube-etcd", "kube-etcd-peer"}

func zlintFindings(cert *x509.Certificate, in Context) []Finding {
	z, err := zx509.ParseCertificate(cert.Raw)
	if err != nil {
		return []Finding{{"zlint_parse", in.Name, err.Error(), "RFC 5280, 4.1"}}
	}
	var findings []Finding
	s := suite()
	for _, l := range s.lints {
		r := l.Execute(z, s.config)
		if r.Status < lint.Warn {
			continue
		}
		if pass := passedOver[l.Name]; pass != nil && pass(cert, in) {
			continue
		}
		problem := l.Description
		if r.Details != "" {
			problem = r.Details
		}
		findings = append(findings, Finding{l.Name, in.Name, problem, l.Citation})
	}
	return findings
}
