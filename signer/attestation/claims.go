package attestation

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
)

// The arcs of Yubico's extensions, and the ones that tell an attestation.
var (
	pivArc = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 3}
	hsmArc = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 41482, 4}
)

const (
	pivFirmware, pivSerial, pivPolicy, pivForm = 3, 7, 8, 9

	hsmFirmware, hsmSerial, hsmOrigin, hsmDomains, hsmCapabilities, hsmID = 1, 2, 3, 4, 5, 6

	madeInside = 1
	mayLeave   = 16 // bit of the capabilities: exportable-under-wrap
)

// extension returns the value of an extension that must stand there once.
func extension(c *x509.Certificate, arc asn1.ObjectIdentifier, last int) ([]byte, error) {
	var found []byte
	count := 0
	for _, e := range c.Extensions {
		if len(e.Id) == len(arc)+1 && e.Id[:len(arc)].Equal(arc) && e.Id[len(arc)] == last {
			found, count = e.Value, count+1
		}
	}
	if count != 1 {
		return nil, fmt.Errorf("extension %s.%d is there %d times, not once", arc, last, count)
	}
	return found, nil
}

func has(c *x509.Certificate, arc asn1.ObjectIdentifier, last int) bool {
	_, err := extension(c, arc, last)
	return err == nil
}

// whole reads DER with nothing after it.
func whole(der []byte, into any) error {
	rest, err := asn1.Unmarshal(der, into)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%d bytes follow", len(rest))
	}
	return err
}

func version(b []byte) string { return fmt.Sprintf("%d.%d.%d", b[0], b[1], b[2]) }

// The policies of a PIV key; 0 is what old firmware says of none.
var (
	pinPolicies   = []string{"default", "never", "once", "always", "match-once", "match-always"}
	touchPolicies = []string{"default", "never", "always", "cached"}
)

func policy(names []string, n byte) string {
	if int(n) < len(names) {
		return names[n]
	}
	return fmt.Sprintf("0x%02x", n)
}

// piv reads what a YubiKey says of a key.
func (s *Statement) piv(leaf *x509.Certificate) error {
	firmware, err := extension(leaf, pivArc, pivFirmware)
	if err != nil {
		return err
	}
	policies, err := extension(leaf, pivArc, pivPolicy)
	if err != nil {
		return err
	}
	if len(firmware) != 3 || len(policies) != 2 {
		return errors.New("its firmware or its policies are not of the form they have")
	}
	s.Claims["firmware"] = version(firmware)
	s.Claims["pin-policy"] = policy(pinPolicies, policies[0])
	s.Claims["touch-policy"] = policy(touchPolicies, policies[1])
	if has(leaf, pivArc, pivSerial) { // not with firmware before 5, nor where it is hidden
		var n *big.Int
		serial, _ := extension(leaf, pivArc, pivSerial)
		if err := whole(serial, &n); err != nil {
			return fmt.Errorf("its serial: %w", err)
		}
		s.Claims["serial"] = n.String()
	}
	if form, err := extension(leaf, pivArc, pivForm); err == nil && len(form) == 1 {
		s.Claims["form"] = fmt.Sprintf("0x%02x", form[0])
	}
	if _, isRSA := leaf.PublicKey.(*rsa.PublicKey); isRSA {
		n := int(firmware[0])<<16 | int(firmware[1])<<8 | int(firmware[2])
		if n >= 0x040206 && n <= 0x040304 {
			return fmt.Errorf("firmware %s makes RSA keys that can be computed (YSA-2017-01)", version(firmware))
		}
	}
	return nil
}

// hsm reads what a YubiHSM says of a key.
func (s *Statement) hsm(leaf *x509.Certificate) error {
	var firmware []byte
	var serial, id *big.Int
	var origin, domains, capabilities asn1.BitString
	for _, e := range []struct {
		last int
		into any
	}{
		{hsmFirmware, &firmware}, {hsmSerial, &serial}, {hsmOrigin, &origin}, {hsmDomains, &domains},
		{hsmCapabilities, &capabilities}, {hsmID, &id},
	} {
		value, err := extension(leaf, hsmArc, e.last)
		if err == nil {
			err = whole(value, e.into)
		}
		if err != nil {
			return fmt.Errorf("extension %s.%d: %w", hsmArc, e.last, err)
		}
	}
	if len(firmware) != 3 || origin.BitLength != 8 || capabilities.BitLength != 64 {
		return errors.New("its firmware, origin or capabilities are not of the form they have")
	}
	may := binary.BigEndian.Uint64(capabilities.Bytes)
	s.Claims["firmware"] = version(firmware)
	s.Claims["serial"] = serial.String()
	s.Claims["origin"] = fmt.Sprintf("0x%02x", origin.Bytes[0])
	s.Claims["capabilities"] = fmt.Sprintf("0x%016x", may)
	s.Claims["id"] = fmt.Sprintf("0x%04x", id)
	switch {
	case origin.Bytes[0] != madeInside:
		return fmt.Errorf("its origin is 0x%02x, not 0x01: it was not made in the YubiHSM, or not there alone",
			origin.Bytes[0])
	case may>>mayLeave&1 == 1:
		return errors.New("it may leave under a wrap key (exportable-under-wrap)")
	}
	return nil
}
