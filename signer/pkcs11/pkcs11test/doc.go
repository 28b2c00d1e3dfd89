// Package pkcs11test starts PKCS#11 tokens of other makers than SoftHSM's, for
// tests: opencryptoki's software token, tpm2-pkcs11 on a software TPM, NSS
// softokn, and p11-kit's remote server before any module.
//
// Each function returns tokens that are empty, and ends with the test what it
// started. What is not installed skips the test, or fails it when the variable
// OFFICIANT_REQUIRE_TOKENS names it: "opencryptoki tpm2 p11-kit nss". The
// script .ci/setup-tokens installs them all.
//
// opencryptoki has one software token for the whole machine. A token there
// that these tests did not make is left alone, and skips them.
package pkcs11test
