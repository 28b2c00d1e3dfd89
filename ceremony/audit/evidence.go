package audit

import (
	"errors"
	"slices"

	"officiant/ceremony/attestation"
)

// claims are what a PKCS#11 token has to say of a key that was made inside and
// cannot leave. Absent is not false.
var claims = []struct{ attribute, value string }{
	{"CKA_TOKEN", "true"},
	{"CKA_PRIVATE", "true"},
	{"CKA_SENSITIVE", "true"},
	{"CKA_EXTRACTABLE", "false"},
	{"CKA_ALWAYS_SENSITIVE", "true"},
	{"CKA_NEVER_EXTRACTABLE", "true"},
	{"CKA_LOCAL", "true"},
}

// awsClaims are what AWS KMS has to say of a key that was made inside and cannot
// leave; what is absent it has said to be absent.
var awsClaims = []struct{ attribute, value string }{
	{"Origin", "AWS_KMS"},
	{"MultiRegion", "false"},
	{"ValidTo", "absent"},
	{"CustomKeyStoreId", "absent"},
	{"CloudHsmClusterId", "absent"},
}

// gcpClaims are what Cloud KMS has to say; of a key in software, too.
var gcpClaims = []struct{ attribute, value string }{
	{"importOnly", "false"},
	{"importJob", "absent"},
	{"importTime", "absent"},
	{"reimportEligible", "false"},
	{"trustedWrappingEnabled", "false"},
}

// evidence holds a key's grade against what its token said.
func evidence(bad func(string, ...any), k keyLine) {
	if k.Grade == grades[0] && slices.Contains([]string{"pkcs11", "gcpkms", "awskms"}, k.Token.Backend) {
		return
	}
	switch k.Token.Backend {
	case "pkcs11":
		claimed(bad, k, claims)
		if softHSM(k.Token) && k.Grade != "software" {
			bad("evidence is said to be %q, but the token is SoftHSM, which is software", k.Grade)
		}
	case "awskms":
		claimed(bad, k, awsClaims)
	case "gcpkms":
		claimed(bad, k, gcpClaims)
		if when := k.Attributes["generateTime"]; when == "" || when == "absent" {
			bad("evidence is said to be %q, but the record does not say when Cloud KMS generated the key", k.Grade)
		}
		if level := k.Attributes["protectionLevel"]; k.Grade != "software" && level != "HSM" &&
			level != "HSM_SINGLE_TENANT" {
			bad("evidence is said to be %q, but its protection level is %q", k.Grade, level)
		}
	default:
		bad("lives in a %q, which is no place for keys", k.Token.Backend)
	}
}

// claimed wants each of the claims among a key's attributes. Absent is not false.
func claimed(bad func(string, ...any), k keyLine, all []struct{ attribute, value string }) {
	for _, want := range all {
		got, ok := k.Attributes[want.attribute]
		if !ok {
			got = "not on record"
		}
		if got != want.value {
			bad("evidence is said to be %q, but %s is %s, not %s", k.Grade, want.attribute, got, want.value)
		}
	}
}

// attested verifies the maker's attestation of a key again.
func (a *keyAudit) attested(c *Check, bad func(string, ...any), k keyLine) {
	upTo, err := attestation.Verify(k.Token.Backend, k.Attributes, k.PublicKey, a.o.AttestationRoots)
	switch {
	case errors.Is(err, attestation.ErrNoRoot):
		c.unchecked("line %d: the vendor's attestation of the %s key: valid in itself, but %v", k.seq, k.Name, err)
	case err != nil:
		bad("evidence is said to be \"attested\", but what is on record is not its attestation by a vendor: %v", err)
	default:
		c.note("line %d: the vendor's attestation of the %s key was verified again: %s", k.seq, k.Name, upTo)
	}
}
