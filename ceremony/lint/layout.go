package lint

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"slices"

	"officiant/bundle/kubepki"
)

// TrustFile is one file of a node that holds certificates.
type TrustFile struct {
	Path         string
	Kind         kubepki.FileKind
	Authority    kubepki.Authority
	Certificates []*x509.Certificate // in the file's order; of a kubeconfig its CA data
}

const hole = "client-CA files: any leaf below a shared anchor logs in; design, 6"

// Layout returns what is wrong with a node's trust files taken together. Files
// of kinds that hold no certificate are passed over.
func Layout(files []TrustFile) []Finding {
	var findings []Finding
	report := func(f TrustFile, rule, citation, problem string, args ...any) {
		findings = append(findings, Finding{rule, f.Path, fmt.Sprintf(problem, args...), citation})
	}
	anchors := anchorsOf(files)
	for _, f := range files {
		switch f.Kind {
		case kubepki.TrustFile, kubepki.KubeconfigFile:
			trustFile(f, anchors, report)
		case kubepki.ServerTrustFile:
			serverTrustFile(f, anchors, report)
		case kubepki.CertificateFile:
			certificateFile(f, anchors, report)
		}
	}
	for i, a := range anchors {
		for _, b := range anchors[:i] {
			switch x, y := a.Certificates[0], b.Certificates[0]; {
			case a.Authority == b.Authority:
			case x.Equal(y):
				report(a, "k8s_trust_shared", hole, "holds the same certificate as %s", b.Path)
			case bytes.Equal(x.RawSubjectPublicKeyInfo, y.RawSubjectPublicKeyInfo):
				report(a, "k8s_trust_shared_key", hole, "holds a certificate with the same key as %s", b.Path)
			case bytes.Equal(x.RawSubject, y.RawSubject):
				report(a, "k8s_trust_shared_name", "RFC 5280, 4.1.2.6", "holds an authority of the same name as %s", b.Path)
			}
		}
	}
	return findings
}

type reporter func(f TrustFile, rule, citation, problem string, args ...any)

// anchorsOf returns the first client-CA file of each family that holds anything.
func anchorsOf(files []TrustFile) []TrustFile {
	var anchors []TrustFile
	for _, f := range files {
		known := slices.ContainsFunc(anchors, func(a TrustFile) bool { return a.Authority == f.Authority })
		if f.Kind == kubepki.TrustFile && len(f.Certificates) > 0 && !known {
			anchors = append(anchors, f)
		}
	}
	return anchors
}

// anchor returns the certificate of a family's client-CA file.
func anchor(anchors []TrustFile, family kubepki.Authority) *x509.Certificate {
	for _, a := range anchors {
		if a.Authority == family {
			return a.Certificates[0]
		}
	}
	return nil
}

func trustFile(f TrustFile, anchors []TrustFile, report reporter) {
	for _, c := range f.Certificates {
		if bytes.Equal(c.RawSubject, c.RawIssuer) {
			report(f, "k8s_trust_root", hole, "holds a self-signed certificate (%s)", c.Subject)
		}
	}
	if len(f.Certificates) != 1 {
		report(f, "k8s_trust_count", hole, "holds %d certificates, not one", len(f.Certificates))
		return
	}
	c := f.Certificates[0]
	may, ok := families[f.Authority]
	switch {
	case !ok:
		report(f, "k8s_trust_family", hole, "%q is no family that leaves come from", f.Authority)
	case !c.IsCA || c.MaxPathLen != 0 || !c.MaxPathLenZero:
		report(f, "k8s_trust_intermediate", hole, "%s is not an intermediate with pathLen 0", c.Subject)
	case len(c.ExtKeyUsage) == 0 || within(c, may, "it") != "":
		report(f, "k8s_trust_family", hole, "%s may issue what the %s family does not", c.Subject, f.Authority)
	default:
		if a := anchor(anchors, f.Authority); a != nil && !a.Equal(c) {
			report(f, "k8s_trust_family", hole, "%s is not the %s authority of the other files", c.Subject, f.Authority)
		}
	}
}

func serverTrustFile(f TrustFile, anchors []TrustFile, report reporter) {
	const cite = "kube-controller-manager --root-ca-file"
	if len(f.Certificates) != 2 {
		report(f, "k8s_server_trust", cite, "holds %d certificates, not an intermediate and its root", len(f.Certificates))
		return
	}
	c, root := f.Certificates[0], f.Certificates[1]
	if a := anchor(anchors, f.Authority); a != nil && !a.Equal(c) {
		report(f, "k8s_server_trust", cite, "its first certificate is not the %s authority", f.Authority)
	}
	if !bytes.Equal(root.RawSubject, root.RawIssuer) || c.CheckSignatureFrom(root) != nil {
		report(f, "k8s_server_trust", cite, "its second certificate is not the root of the first")
	}
}

func certificateFile(f TrustFile, anchors []TrustFile, report reporter) {
	const cite = "design, 6: leaf, then issuing intermediate"
	for _, c := range f.Certificates {
		if bytes.Equal(c.RawSubject, c.RawIssuer) {
			report(f, "k8s_chain_root", cite, "holds a self-signed certificate (%s)", c.Subject)
			return
		}
	}
	if len(f.Certificates) != 2 {
		report(f, "k8s_chain", cite, "holds %d certificates, not a leaf and its issuer", len(f.Certificates))
		return
	}
	leaf, issuer := f.Certificates[0], f.Certificates[1]
	if leaf.IsCA || leaf.CheckSignatureFrom(issuer) != nil {
		report(f, "k8s_chain", cite, "its second certificate did not issue the first")
	}
	if a := anchor(anchors, f.Authority); a != nil && !a.Equal(issuer) {
		report(f, "k8s_chain", cite, "its second certificate is not the %s authority", f.Authority)
	}
}
