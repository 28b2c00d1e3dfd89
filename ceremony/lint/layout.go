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
	Families     []kubepki.Authority // of a ClientTrustFile
	Certificates []*x509.Certificate // in the file's order; of a kubeconfig its CA data
	Beside       int                 // authorities of its family that the plan trusts after the one that issues
	Adopted      *x509.Certificate   // of its family in an adopted cluster; self-signed, and the plan says so
}

// adopts says whether a certificate is the one the plan adopts.
func (f TrustFile) adopts(c *x509.Certificate) bool { return f.Adopted != nil && c.Equal(f.Adopted) }

const hole = "client-CA files: any leaf below a shared anchor logs in"

// Layout returns what is wrong with a node's trust files taken together. It skips
// kinds of files that hold no certificate.
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
		case kubepki.ClientTrustFile:
			clientTrustFile(f, anchors, report)
		case kubepki.ServerTrustFile:
			serverTrustFile(f, anchors, report)
		case kubepki.CertificateFile:
			certificateFile(f, anchors, report)
		}
	}
	for i, a := range anchors {
		for _, b := range anchors[:i] {
			for _, x := range a.Certificates {
				for _, y := range b.Certificates {
					apart(a, b, x, y, report)
				}
			}
		}
	}
	return findings
}

// apart wants authorities of two families, x in file a and y in b, told apart.
func apart(a, b TrustFile, x, y *x509.Certificate, report reporter) {
	switch {
	case x.Equal(y):
		report(a, "k8s_trust_shared", hole, "holds the same certificate as %s", b.Path)
	case bytes.Equal(x.RawSubjectPublicKeyInfo, y.RawSubjectPublicKeyInfo):
		report(a, "k8s_trust_shared_key", hole, "holds a certificate with the same key as %s", b.Path)
	case bytes.Equal(x.RawSubject, y.RawSubject):
		report(a, "k8s_trust_shared_name", "RFC 5280, 4.1.2.6", "holds an authority of the same name as %s", b.Path)
	}
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

// anchor returns what a family's client-CA file holds, who issues first.
func anchor(anchors []TrustFile, family kubepki.Authority) []*x509.Certificate {
	for _, a := range anchors {
		if a.Authority == family {
			return a.Certificates
		}
	}
	return nil
}

func trustFile(f TrustFile, anchors []TrustFile, report reporter) {
	for _, c := range f.Certificates {
		if bytes.Equal(c.RawSubject, c.RawIssuer) && !f.adopts(c) {
			report(f, "k8s_trust_root", hole, "holds a self-signed certificate (%s)", c.Subject)
		}
	}
	if len(f.Certificates) != 1+f.Beside {
		report(f, "k8s_trust_count", hole, "certificates in it: %d, expected: %d", len(f.Certificates), 1+f.Beside)
		return
	}
	may, ok := families[f.Authority]
	if !ok {
		report(f, "k8s_trust_family", hole, "%q is not a family that issues leaves", f.Authority)
		return
	}
	for _, c := range f.Certificates {
		switch {
		case f.adopts(c): // made by nobody's rules, and for the time of the move alone
		case !c.IsCA || c.MaxPathLen != 0 || !c.MaxPathLenZero:
			report(f, "k8s_trust_intermediate", hole, "%s is not an intermediate with pathLen 0", c.Subject)
		case len(c.ExtKeyUsage) == 0 || within(c, may, "it") != "":
			report(f, "k8s_trust_family", hole, "%s may issue what the %s family does not", c.Subject, f.Authority)
		}
	}
	if a := anchor(anchors, f.Authority); a != nil && !slices.EqualFunc(a, f.Certificates, (*x509.Certificate).Equal) {
		report(f, "k8s_trust_family", hole, "%s is not the %s authority of the other files", f.Certificates[0].Subject, f.Authority)
	}
}

// clientTrustFile wants a file of several families to hold what their client-CA files
// hold, in this order.
func clientTrustFile(f TrustFile, anchors []TrustFile, report reporter) {
	var want []*x509.Certificate
	for _, family := range f.Families {
		want = append(want, anchor(anchors, family)...)
	}
	if !slices.EqualFunc(want, f.Certificates, (*x509.Certificate).Equal) {
		report(f, "k8s_client_trust", hole, "does not hold the authorities of %v, in this order and nothing else",
			f.Families)
	}
}

func serverTrustFile(f TrustFile, anchors []TrustFile, report reporter) {
	const cite = "kube-controller-manager --root-ca-file"
	n := 1 + f.Beside
	if len(f.Certificates) <= n {
		report(f, "k8s_server_trust", cite, "certificates in it: %d, expected: %d of the family and their root",
			len(f.Certificates), n)
		return
	}
	own, roots := f.Certificates[:n], f.Certificates[n:]
	if a := anchor(anchors, f.Authority); a != nil && !slices.EqualFunc(a, own, (*x509.Certificate).Equal) {
		report(f, "k8s_server_trust", cite, "does not begin with what the %s family's client-CA file holds", f.Authority)
	}
	certified := func(c, root *x509.Certificate) bool {
		return bytes.Equal(root.RawSubject, root.RawIssuer) && c.CheckSignatureFrom(root) == nil
	}
	for _, c := range own {
		if !f.adopts(c) && !slices.ContainsFunc(roots, func(root *x509.Certificate) bool { return certified(c, root) }) {
			report(f, "k8s_server_trust", cite, "does not hold the root of %s", c.Subject)
		}
	}
	for _, root := range roots {
		if !slices.ContainsFunc(own, func(c *x509.Certificate) bool { return certified(c, root) }) {
			report(f, "k8s_server_trust", cite, "%s is not the root of an authority in it", root.Subject)
		}
	}
}

func certificateFile(f TrustFile, anchors []TrustFile, report reporter) {
	const cite = "RFC 8446, 4.4.2: leaf, then its issuer"
	for _, c := range f.Certificates {
		if bytes.Equal(c.RawSubject, c.RawIssuer) {
			report(f, "k8s_chain_root", cite, "holds a self-signed certificate (%s)", c.Subject)
			return
		}
	}
	if a := anchor(anchors, f.Authority); a != nil && f.adopts(a[0]) {
		if len(f.Certificates) != 1 || f.Certificates[0].CheckSignatureFrom(a[0]) != nil {
			report(f, "k8s_chain", "kubeadm's layout: the leaf alone",
				"does not hold one leaf by the %s authority and nothing else", f.Authority)
		}
		return
	}
	if len(f.Certificates) != 2 {
		report(f, "k8s_chain", cite, "certificates in it: %d, expected: a leaf and its issuer", len(f.Certificates))
		return
	}
	leaf, issuer := f.Certificates[0], f.Certificates[1]
	if leaf.IsCA || leaf.CheckSignatureFrom(issuer) != nil {
		report(f, "k8s_chain", cite, "its second certificate did not issue the first")
	}
	if a := anchor(anchors, f.Authority); a != nil && !a[0].Equal(issuer) {
		report(f, "k8s_chain", cite, "its second certificate is not the %s authority", f.Authority)
	}
}
