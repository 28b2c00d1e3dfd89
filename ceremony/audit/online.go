package audit

import (
	"bytes"
	"crypto/x509"
	"slices"

	"officiant/bundle"
	"officiant/bundle/kubepki"
)

// clientTrustFile says whose clients the API server of a cluster with an online signer
// lets in.
const clientTrustFile = "pki/client-ca.crt"

// onlineUsages are what an online signer's authorities may issue, and nothing else.
var onlineUsages = map[kubepki.Authority]x509.ExtKeyUsage{
	kubepki.KubeletServingAuthority: x509.ExtKeyUsageServerAuth,
	kubepki.KubeletClientAuthority:  x509.ExtKeyUsageClientAuth,
}

// online holds an online signer's authorities to what they may be: clients or servers,
// one of them, by certificates of the signer's and none of a ceremony's.
func (a *certificateAudit) online(c *Check) {
	for _, p := range a.plan.Plan.Authorities {
		usage, online := onlineUsages[p.Family]
		if !online {
			continue
		}
		if cert := a.authority(p.Name); cert != nil && (!cert.MaxPathLenZero || len(cert.UnknownExtKeyUsage) > 0 ||
			!slices.Equal(cert.ExtKeyUsage, []x509.ExtKeyUsage{usage})) {
			c.problem("authority %s: may issue more than an online signer's %s certificates", p.Name, p.Family)
		}
		for _, s := range a.ledger.certificates {
			if s.signer == p.Name {
				c.problem("line %d: %s is by %s, which signs nothing in a ceremony", s.seq, s.name, p.Name)
			}
		}
	}
}

// clientTrust wants a control-plane node of a cluster with an online signer to let in the
// clients of the kubernetes and the kubelet-client authorities, and no others.
func (a *bundleAudit) clientTrust(bad func(string, ...any), n kubepki.Node, b *bundle.Bundle) {
	issuing, trusted := a.authorities(), a.trusted()
	var want []byte
	if issuing[kubepki.KubeletClientAuthority] != nil && n.Has(kubepki.ControlPlane) {
		for _, family := range []kubepki.Authority{kubepki.KubernetesAuthority, kubepki.KubeletClientAuthority} {
			for _, cert := range append([]*x509.Certificate{issuing[family]}, trusted[family]...) {
				if cert != nil {
					want = append(want, certificatePEM(cert.Raw)...)
				}
			}
		}
	}
	if !bytes.Equal(b.Files[clientTrustFile], want) {
		bad("%s: does not hold the kubernetes and kubelet-client authorities on record, and them alone",
			clientTrustFile)
	}
}
