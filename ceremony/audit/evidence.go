package audit

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
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
	if k.Grade == "attested" {
		if err := attestation(k.Token.Backend, k.Attributes); err != nil {
			bad("evidence is said to be \"attested\", and no maker's attestation that was verified is on record: %v", err)
		}
	}
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
			bad("evidence is said to be %q, but it is not said when Cloud KMS generated the key", k.Grade)
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

// attestation says why what is on record is no attestation: of Cloud KMS, the one
// service whose keys come with their maker's; the bytes that its sum is of, in its
// form, with a signature at the end, and the certificates that lead from it to the
// roots. Whether they verify is not looked at here; see Check.Unchecked.
func attestation(backend string, said map[string]string) error {
	switch {
	case backend != "gcpkms":
		return fmt.Errorf("a key in %s has none", backend)
	case said["attestation.result"] != "verified":
		return fmt.Errorf("when the key was made, the result was %q", said["attestation.result"])
	case !strings.HasPrefix(said["attestation.format"], "CAVIUM_V"):
		return fmt.Errorf("its format is %q", said["attestation.format"])
	}
	packed, err := base64.StdEncoding.DecodeString(said["attestation.content"])
	if err != nil {
		return fmt.Errorf("attestation.content: %w", err)
	}
	if sum := sha256.Sum256(packed); hex.EncodeToString(sum[:]) != said["attestation.sha256"] {
		return errors.New("attestation.content is not what attestation.sha256 is of")
	}
	if err := statement(packed); err != nil {
		return fmt.Errorf("attestation.content: %w", err)
	}
	for _, chain := range []string{"caviumCerts", "googleCardCerts", "googlePartitionCerts"} {
		name := "attestation." + chain
		words := strings.Fields(said[name])
		if len(words) == 0 {
			return fmt.Errorf("%s: there are none", name)
		}
		for _, w := range words {
			der, err := base64.StdEncoding.DecodeString(w)
			if err == nil {
				_, err = x509.ParseCertificate(der)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	if len(said["attestation.roots"]) < 2*2*sha256.Size {
		return fmt.Errorf("attestation.roots: %q are not the sums of two roots", said["attestation.roots"])
	}
	return nil
}

// statement wants one gzip member of bounded size that holds more than the
// signature of 256 bytes at its end.
func statement(packed []byte) error {
	const most = 1 << 20
	in := bytes.NewReader(packed)
	z, err := gzip.NewReader(in)
	if err != nil {
		return err
	}
	z.Multistream(false)
	data, err := io.ReadAll(io.LimitReader(z, most+1))
	switch {
	case err != nil:
		return err
	case len(data) > most || in.Len() > 0:
		return errors.New("it has more bytes than an attestation")
	case len(data) <= 256:
		return fmt.Errorf("%d bytes hold no statement and its signature", len(data))
	}
	return nil
}
