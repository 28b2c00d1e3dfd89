package lint

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"time"

	zx509 "github.com/zmap/zcrypto/x509"
	"github.com/zmap/zlint/v3/lint"

	"officiant/bundle/kubepki"
	"officiant/ceremony/revocation"
)

// CRLContext is what the rules may know of a revocation list beside itself.
type CRLContext struct {
	Name      string            // the schedule's name of it, for messages
	Authority kubepki.Authority // family of the issuer
	Issuer    *x509.Certificate
	Former    *big.Int // the highest number before; nil: there was none
}

// crlRule is one rule of ours. check returns what is wrong, or nothing.
type crlRule struct {
	id       string
	citation string
	check    func(*x509.RevocationList, CRLContext) string
}

var crlRules = []crlRule{
	{"k8s_crl_issuer", "RFC 5280, 5.1.2.3, 5.2.1 and 6.3.3", crlIssuer},
	{"k8s_crl_signature_algorithm", "RFC 5280, 5.1.1.2", crlAlgorithm},
	{"k8s_crl_number", "RFC 5280, 5.2.3", crlNumber},
	{"k8s_crl_update", "RFC 5280, 5.1.2.4 and 5.1.2.5", crlUpdate},
	{"k8s_crl_extension", "nothing is signed that is not planned", crlExtensions},
	{"k8s_crl_serial", "RFC 5280, 5.1.2.6; etcd's --client-crl-file matches serials alone", crlSerials},
	{"k8s_crl_date", "RFC 5280, 5.1.2.6 and 5.3.2", crlDates},
	{"k8s_crl_reason", "RFC 5280, 5.3.1", crlReasons},
}

// CRL returns what is wrong with a revocation list; no finding means that it may
// be signed. The signature itself is not looked at.
func CRL(list *x509.RevocationList, in CRLContext) []Finding {
	findings := zlintCRL(list, in)
	for _, r := range crlRules {
		if problem := r.check(list, in); problem != "" {
			findings = append(findings, Finding{r.id, in.Name, problem, r.citation})
		}
	}
	return findings
}

// crlSuite is what zlint has about revocation lists.
var crlSuite = sync.OnceValue(func() []*lint.RevocationListLint {
	var lints []*lint.RevocationListLint
	for _, l := range lint.GlobalRegistry().RevocationListLints().Lints() {
		if strings.HasPrefix(string(l.Source), "RFC") {
			lints = append(lints, l)
		}
	}
	slices.SortFunc(lints, func(a, b *lint.RevocationListLint) int { return cmp.Compare(a.Name, b.Name) })
	return lints
})

func zlintCRL(list *x509.RevocationList, in CRLContext) []Finding {
	z, err := zx509.ParseRevocationList(list.Raw)
	if err != nil {
		return []Finding{{"zlint_parse", in.Name, err.Error(), "RFC 5280, 5.1"}}
	}
	var findings []Finding
	for _, l := range crlSuite() {
		if r := l.Execute(z, suite().config); r.Status >= lint.Warn {
			findings = append(findings, Finding{l.Name, in.Name, cmp.Or(r.Details, l.Description), l.Citation})
		}
	}
	return findings
}

func crlIssuer(list *x509.RevocationList, in CRLContext) string {
	i := in.Issuer
	switch {
	case i == nil:
		return "the issuer's certificate is not known"
	case !i.IsCA || i.KeyUsage&x509.KeyUsageCRLSign == 0:
		return "the issuer may not sign revocation lists"
	case !bytes.Equal(list.RawIssuer, i.RawSubject):
		return "issuer name is not the issuer's subject"
	case len(i.SubjectKeyId) == 0 || !bytes.Equal(list.AuthorityKeyId, i.SubjectKeyId):
		return "authority key identifier is not the issuer's"
	}
	return ""
}

func crlAlgorithm(list *x509.RevocationList, in CRLContext) string {
	if in.Issuer == nil {
		return ""
	}
	return unfit(list.SignatureAlgorithm, in.Issuer.PublicKey)
}

func crlNumber(list *x509.RevocationList, in CRLContext) string {
	switch n := list.Number; {
	case n == nil || n.Sign() <= 0:
		return "there is no positive number"
	case n.BitLen() > 159:
		return "the number is longer than 20 octets"
	case in.Former != nil && n.Cmp(in.Former) <= 0:
		return fmt.Sprintf("its number %d is not above %d, which was used before", n, in.Former)
	}
	return ""
}

func crlUpdate(list *x509.RevocationList, in CRLContext) string {
	switch i := in.Issuer; {
	case !list.ThisUpdate.Before(list.NextUpdate):
		return "the next update is not after this one"
	case i != nil && list.NextUpdate.After(i.NotAfter):
		return fmt.Sprintf("the next update is due %s, after the issuer ends (%s)", list.NextUpdate.UTC().Format(time.RFC3339), i.NotAfter.UTC().Format(time.RFC3339))
	case i != nil && list.ThisUpdate.Before(i.NotBefore):
		return fmt.Sprintf("it is dated %s, before the issuer begins (%s)", list.ThisUpdate.UTC().Format(time.RFC3339), i.NotBefore.UTC().Format(time.RFC3339))
	}
	return ""
}

var (
	oidCRLNumber   = asn1.ObjectIdentifier{2, 5, 29, 20}
	oidCRLReason   = asn1.ObjectIdentifier{2, 5, 29, 21}
	oidIssuerKeyID = asn1.ObjectIdentifier{2, 5, 29, 35}
)

func crlExtensions(list *x509.RevocationList, _ CRLContext) string {
	for _, e := range list.Extensions {
		if !e.Id.Equal(oidCRLNumber) && !e.Id.Equal(oidIssuerKeyID) {
			return "extension " + e.Id.String() + " is in no profile"
		}
	}
	for _, r := range list.RevokedCertificateEntries {
		for _, e := range r.Extensions {
			if !e.Id.Equal(oidCRLReason) || e.Critical {
				return fmt.Sprintf("the entry of %x has extension %s, critical %t; only a reason belongs there",
					r.SerialNumber, e.Id, e.Critical)
			}
		}
	}
	return ""
}

func crlSerials(list *x509.RevocationList, in CRLContext) string {
	seen := map[string]bool{}
	for _, r := range list.RevokedCertificateEntries {
		serial := r.SerialNumber.Text(16)
		switch {
		case r.SerialNumber.Sign() <= 0 || r.SerialNumber.BitLen() > 159:
			return serial + " is not a serial number: it is not positive, or longer than 20 octets"
		case seen[serial]:
			return serial + " is there twice"
		case in.Issuer != nil && r.SerialNumber.Cmp(in.Issuer.SerialNumber) == 0:
			return serial + " is the issuer's own"
		}
		seen[serial] = true
	}
	return ""
}

func crlDates(list *x509.RevocationList, _ CRLContext) string {
	for _, r := range list.RevokedCertificateEntries {
		if r.RevocationTime.After(list.ThisUpdate) {
			return fmt.Sprintf("%x is revoked as of %s, after the list's own date", r.SerialNumber,
				r.RevocationTime.UTC().Format(time.RFC3339))
		}
	}
	return ""
}

// crlReasons also wants a root's list to be about authorities, and no other list.
func crlReasons(list *x509.RevocationList, in CRLContext) string {
	for _, r := range list.RevokedCertificateEntries {
		reason := revocation.OfCode(r.ReasonCode)
		if err := reason.Check(); err != nil {
			return fmt.Sprintf("%x: %v", r.SerialNumber, err)
		}
		wrong := map[bool]revocation.Reason{true: revocation.KeyCompromise, false: revocation.CACompromise}[in.Authority == kubepki.Root]
		if reason == wrong {
			return fmt.Sprintf("%x: %s on a list of the %s authority", r.SerialNumber, reason, in.Authority)
		}
	}
	return ""
}
