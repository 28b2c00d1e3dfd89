package attestation

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"officiant/signer/attestation/roots"
)

// verifyYubico holds the chain on record to the one form that such a chain has.
func verifyYubico(format string, said map[string]string, spki []byte, given []*x509.Certificate) (string, error) {
	certs, err := chain(said, "attestation.certificates")
	if err != nil {
		return "", err
	}
	long := map[string]int{"yubikey-piv": 3, "yubihsm2": 4}[format]
	if len(certs) != long {
		return "", fmt.Errorf("attestation.certificates: there are %d, and %d in a chain of a %s", len(certs), long,
			format)
	}
	if !bytes.Equal(certs[0].RawSubjectPublicKeyInfo, spki) {
		return "", errors.New("its first certificate is about another key")
	}
	for i, c := range certs[:long-1] {
		if !signedBy(c, certs[i+1]) {
			return "", fmt.Errorf("certificate %d is not signed by the next", i+1)
		}
	}
	last := certs[long-1]
	if said["attestation.roots"] != sum(last) {
		return "", errors.New("attestation.roots is not the sum of its last certificate")
	}
	claims := map[string]string{}
	if format == "yubikey-piv" {
		err = readPIV(certs, claims)
	} else {
		err = readHSM(certs, claims)
	}
	if err != nil {
		return "", err
	}
	for name, value := range claims { // an empty one: not said by the certificate
		if said["attestation."+name] != value {
			return "", fmt.Errorf("attestation.%s is %q, and the certificate says %q", name,
				said["attestation."+name], value)
		}
	}
	known, err := anchors(roots.Yubico, given)
	if err != nil {
		return "", err
	}
	if !slices.ContainsFunc(known, last.Equal) && (format != "yubihsm2" || !isYubiHSMRoot(last)) {
		return "", fmt.Errorf("%w: it ends at %.80q, SHA-256 %s", ErrNoRoot, last.Subject, sum(last))
	}
	return fmt.Sprintf("%s, firmware %s, up to %s", format, claims["firmware"], last.Subject.CommonName), nil
}

// extensions are a certificate's below one of Yubico's arcs, by their last number.
// crypto/x509 has refused a certificate that has one twice.
func extensions(c *x509.Certificate, arc string) map[string]cryptobyte.String {
	out := map[string]cryptobyte.String{}
	for _, e := range c.Extensions {
		if last, ok := strings.CutPrefix(e.Id.String(), "1.3.6.1.4.1.41482."+arc+"."); ok {
			out[last] = e.Value
		}
	}
	return out
}

func readPIV(certs []*x509.Certificate, claims map[string]string) error {
	said := extensions(certs[0], "3")
	if _, isKey := extensions(certs[1], "3")["8"]; isKey {
		return errors.New("its second certificate is a key's of the YubiKey's user, which vouches for nothing")
	}
	f, p := said["3"], said["8"]
	if len(f) != 3 || len(p) != 2 {
		return errors.New("its first certificate is no YubiKey's word: firmware or policies are missing")
	}
	claims["firmware"] = fmt.Sprintf("%d.%d.%d", f[0], f[1], f[2])
	word := func(n byte, names string) string {
		if all := strings.Fields(names); int(n) < len(all) {
			return all[n]
		}
		return fmt.Sprintf("0x%02x", n)
	}
	claims["pin-policy"] = word(p[0], "default never once always match-once match-always")
	claims["touch-policy"] = word(p[1], "default never always cached")
	claims["serial"] = ""
	if serial, ok := said["7"]; ok {
		n := new(big.Int)
		if !serial.ReadASN1Integer(n) || !serial.Empty() {
			return errors.New("its serial does not read")
		}
		claims["serial"] = n.String()
	}
	if _, isRSA := certs[0].PublicKey.(*rsa.PublicKey); isRSA && f[0] == 4 &&
		(f[1] == 2 && f[2] >= 6 || f[1] == 3 && f[2] <= 4) {
		return fmt.Errorf("firmware %s made RSA keys that can be computed (YSA-2017-01)", claims["firmware"])
	}
	return nil
}

func readHSM(certs []*x509.Certificate, claims map[string]string) error {
	said := extensions(certs[0], "4")
	var firmware cryptobyte.String
	var origin, may []byte
	serial, id := new(big.Int), new(big.Int)
	f, s, o, c, i := said["1"], said["2"], said["3"], said["5"], said["6"]
	switch {
	case !f.ReadASN1(&firmware, asn1.OCTET_STRING) || !f.Empty() || len(firmware) != 3,
		!s.ReadASN1Integer(serial) || !s.Empty(), !o.ReadASN1BitStringAsBytes(&origin) || !o.Empty() ||
			len(origin) != 1,
		!c.ReadASN1BitStringAsBytes(&may) || !c.Empty() || len(may) != 8, !i.ReadASN1Integer(id) || !i.Empty():
		return errors.New("its first certificate is no YubiHSM's word: firmware, serial, origin, capabilities or id " +
			"are missing")
	case origin[0] != 1:
		return fmt.Errorf("the key's origin is 0x%02x: it was not made in the YubiHSM, or not there alone", origin[0])
	case may[5]&1 != 0: // bit 16 of eight bytes, the highest first
		return errors.New("the key may leave under a wrap key")
	case certs[0].IsCA, !certs[1].IsCA || certs[1].MaxPathLen != 0, !certs[2].IsCA, !certs[3].IsCA:
		return errors.New("its certificates are not a key's, a device's and two authorities'")
	case certs[1].Subject.CommonName != "YubiHSM Attestation ("+serial.String()+")":
		return fmt.Errorf("it says that it is of serial %s, and is signed by %.80q", serial, certs[1].Subject)
	}
	claims["firmware"] = fmt.Sprintf("%d.%d.%d", firmware[0], firmware[1], firmware[2])
	claims["serial"], claims["origin"] = serial.String(), "0x01"
	claims["capabilities"] = fmt.Sprintf("0x%x", may)
	claims["id"] = fmt.Sprintf("0x%04x", id)
	return nil
}
