package awskms

import (
	"strings"
	"testing"

	"officiant/signer"
)

// TestForeign: AWS's endpoints by name, of the Region that is used; everything else is not
// shown to be AWS.
func TestForeign(t *testing.T) {
	for endpoint, own := range map[string]bool{
		"":                                       true,
		"https://kms.eu-central-1.amazonaws.com": true,
		"https://kms.eu-central-1.amazonaws.com:443":                     true,
		"https://kms-fips.eu-central-1.amazonaws.com":                    true,
		"https://kms.eu-central-1.api.aws":                               true,
		"https://vpce-0123abcd-x1y2.kms.eu-central-1.vpce.amazonaws.com": true,
		"https://kms.us-east-1.amazonaws.com":                            false,
		"https://kms.eu-central-1.amazonaws.com.example.org":             false,
		"https://example.org/kms.eu-central-1.amazonaws.com":             false,
		"https://kms.eu-central-1.amazonaws.com:8443":                    false,
		"https://evilkms.eu-central-1.amazonaws.com":                     false,
		"https://sts.eu-central-1.amazonaws.com":                         false,
		"https://127.0.0.1:4566":                                         false,
		"https://localhost.localstack.cloud:4566":                        false,
	} {
		if why := foreign(endpoint, "eu-central-1", ""); (why == "") != own {
			t.Errorf("%s: %q", endpoint, why)
		}
	}
	if why := foreign("", "eu-central-1", "/etc/proxy.pem"); !strings.Contains(why, "/etc/proxy.pem") {
		t.Errorf("a bundle: %q", why)
	}
}

// TestForeignGrade: what a server of somebody else's says of a key is software's word.
func TestForeignGrade(t *testing.T) {
	server := newKMS(t)
	server.Add("alias/a", "ECC_NIST_P256")
	s := opened(t, server, quick)
	info := find(t, s, server.URI("alias/a")).Info()
	if info.Grade != signer.Software || !strings.Contains(info.Reason, "nothing shows that AWS answers there") {
		t.Errorf("%s, %q", info.Grade, info.Reason)
	}
	s.foreign = ""
	if info := find(t, s, server.URI("alias/a")).Info(); info.Grade != signer.Consistent ||
		info.Reason != noAttestation {
		t.Errorf("as AWS's own: %s, %q", info.Grade, info.Reason)
	}
}
