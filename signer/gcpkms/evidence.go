package gcpkms

import (
	"crypto"
	"encoding/base64"
	"errors"
	"fmt"

	"cloud.google.com/go/kms/apiv1/kmspb"

	"officiant/signer"
)

// attributesOf is what Google says of a key, raw.
func attributesOf(parent *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion) map[string]string {
	orAbsent := func(s string) string {
		if s == "" {
			return "absent"
		}
		return s
	}
	out := map[string]string{
		"name":                   v.GetName(),
		"purpose":                parent.GetPurpose().String(),
		"importOnly":             fmt.Sprint(parent.GetImportOnly()),
		idLabel:                  orAbsent(parent.GetLabels()[idLabel]),
		"state":                  v.GetState().String(),
		"algorithm":              v.GetAlgorithm().String(),
		"protectionLevel":        v.GetProtectionLevel().String(),
		"createTime":             timeOf(v.GetCreateTime()),
		"generateTime":           timeOf(v.GetGenerateTime()),
		"importJob":              orAbsent(v.GetImportJob()),
		"importTime":             timeOf(v.GetImportTime()),
		"reimportEligible":       fmt.Sprint(v.GetReimportEligible()),
		"trustedWrappingEnabled": fmt.Sprint(v.GetTrustedWrappingEnabled()),
		"attestation.format":     "absent",
		"attestation.sha256":     "absent",
	}
	if a := v.GetAttestation(); len(a.GetContent()) > 0 {
		out["attestation.format"] = a.GetFormat().String()
		out["attestation.sha256"] = sha256Hex(a.GetContent())
		out["attestation.content"] = base64.StdEncoding.EncodeToString(a.GetContent()[:min(len(a.GetContent()), maxCompressed)])
		out["attestation.caviumCerts"] = text(a.GetCertChains().GetCaviumCerts())
		out["attestation.googleCardCerts"] = text(a.GetCertChains().GetGoogleCardCerts())
		out["attestation.googlePartitionCerts"] = text(a.GetCertChains().GetGooglePartitionCerts())
	}
	return out
}

// attest judges the attestation of a version against its public key, and adds
// what came of it to attributes.
func attest(v *kmspb.CryptoKeyVersion, pub crypto.PublicKey, roots anchors, attributes map[string]string) error {
	a := v.GetAttestation()
	if len(a.GetContent()) == 0 {
		return errNoAttestation
	}
	attributes["attestation.roots"] = roots.String()
	c, chainErr := parseChains(a.GetCertChains())
	s, err := parseStatement(a)
	if err == nil {
		attributes["attestation.CKA_LOCAL"] = s.private.raw(attrLocal)
		attributes["attestation.CKA_EXTRACTABLE"] = s.private.raw(attrExtractable)
		err = s.binds(pub)
	}
	if err == nil {
		err = chainErr
	}
	if err == nil {
		err = c.verify(s, roots)
	}
	attributes["attestation.result"] = "verified"
	if err != nil {
		attributes["attestation.result"] = err.Error()
	}
	return err
}

var errNoAttestation = errors.New("there is none")

// grade judges what Google says of a key, and attested, what became of its
// HSM's attestation.
func grade(parent *kmspb.CryptoKey, v *kmspb.CryptoKeyVersion, attested error, plaintext bool) (signer.Grade, string) {
	level := v.GetProtectionLevel()
	hsm := level == kmspb.ProtectionLevel_HSM || level == kmspb.ProtectionLevel_HSM_SINGLE_TENANT
	switch {
	case v.GetImportJob() != "", v.GetImportTime() != nil, v.GetReimportEligible(), parent.GetImportOnly():
		return signer.Unproven, "imported: a copy exists or existed elsewhere"
	case v.GetGenerateTime() == nil:
		return signer.Unproven, "generateTime is absent: it is not said that Google generated the key"
	case v.GetTrustedWrappingEnabled():
		return signer.Unproven, "trustedWrappingEnabled: the key may leave under a wrapping key"
	case hsm && attested != nil && !errors.Is(attested, errNoAnchor):
		return signer.Unproven, fmt.Sprintf("the HSM's attestation proves nothing: %v", attested)
	case !hsm && level != kmspb.ProtectionLevel_SOFTWARE:
		return signer.Unproven, "protectionLevel is " + level.String()
	case plaintext:
		return signer.Software, "reached in the clear at a loopback address: nothing shows that Google answers there"
	case !hsm:
		return signer.Software, "protectionLevel is SOFTWARE: Google's software holds the key"
	case attested != nil:
		return signer.Consistent, fmt.Sprintf("the HSM's attestation is about this key, but %v; name the maker's and Google's roots: attestation-roots=/abs/roots.pem in the URI", attested)
	}
	return signer.Attested, ""
}
