package schedule

import (
	"crypto/x509"
	"testing"

	"officiant/ceremony/revocation"
)

// TestRenewRevoked: a certificate that is revoked is not renewed by its record, for
// whatever reason but that another took its place.
func TestRenewRevoked(t *testing.T) {
	for reason, want := range map[revocation.Reason]string{
		revocation.Superseded:         "",
		revocation.PrivilegeWithdrawn: "cp-1: apiserver: its certificate on record (serial number ",
		revocation.AffiliationChanged: "is revoked: affiliationChanged; it needs a new request",
		revocation.KeyCompromise:      "the key of apiserver in its request is compromised",
	} {
		p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
		had := p.certified(t, cp1, honest(t)["cp-1"], nil)
		var apiserver *x509.Certificate
		for _, h := range had {
			if h.name == "cp-1/apiserver" {
				apiserver = h.certificate
			}
		}
		p.list(t, "kubernetes", 1, now.AddDate(0, -1, 0), entry(apiserver.SerialNumber.Int64(), reason))
		p.recorded(had...)
		text := p.renewing(t, cp1, "apiserver")
		if want != "" {
			says(t, text, p.files, want)
		} else if _, err := opens(text, p.files); err != nil {
			t.Errorf("%s: %v", reason, err)
		}
	}
}
