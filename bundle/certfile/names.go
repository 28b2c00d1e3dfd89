package certfile

import (
	"crypto/x509/pkix"
	"encoding/asn1"
)

var oidAltNames = asn1.ObjectIdentifier{2, 5, 29, 17} // RFC 5280, 4.2.1.6

// CountAltNames counts the alternative names of a certificate or a request, also those of
// the kinds that crypto/x509 passes over; it is -1 when they cannot be read.
func CountAltNames(extensions []pkix.Extension) int {
	n := 0
	for _, e := range extensions {
		if !e.Id.Equal(oidAltNames) {
			continue
		}
		var names []asn1.RawValue
		if rest, err := asn1.Unmarshal(e.Value, &names); err != nil || len(rest) > 0 {
			return -1
		}
		n += len(names)
	}
	return n
}
