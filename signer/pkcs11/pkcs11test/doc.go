// Package pkcs11test starts PKCS#11 tokens other than SoftHSM's, for
// tests: opencryptoki's software token, tpm2-pkcs11 on a software TPM, NSS
// softokn, and p11-kit's remote server in front of any module.
//
// Each function returns empty tokens, and ends what it started when the test ends. If
// the software is not installed, the test is skipped, or fails if the variable
// OFFICIANT_REQUIRE_TOKENS names it: "opencryptoki tpm2 p11-kit nss". The
// script .ci/setup-tokens installs them all.
//
// opencryptoki has one software token for the whole machine. If these tests did not
// make the token there, they leave it alone and are skipped.
package pkcs11test
