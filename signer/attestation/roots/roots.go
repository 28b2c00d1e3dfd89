// Package roots holds the certificates that makers' attestations of keys lead to,
// as data and nothing else: what makes an attestation part of the evidence and what
// verifies it from the record read the same files, each by its own code.
//
// YubiHSM2 is the sum of the one root of the YubiHSM 2's own hierarchy, "Yubico
// YubiHSM Root CA" (yubihsm2-attest-ca-crt.pem at developers.yubico.com). Its
// certificate and the sub-CA of a batch come with the attestation; two public
// programs that have it agree on the sum. It was not fetched from Yubico by us.
package roots

import _ "embed"

// Google are the roots of Cloud HSM: the HSM maker's and Google's, PEM.
//
//go:embed google.pem
var Google []byte

// Yubico are the roots and intermediates of the PIV attestations of YubiKeys, PEM.
//
//go:embed yubico.pem
var Yubico []byte

// YubiHSM2 is the SHA-256 of the DER root certificate, in lower-case hex.
const YubiHSM2 = "094a3ac493c2bdcd65a54bdf40190f52bb03f7156397a3fc69d8aa9a392fb724"
