package install

import (
	"crypto/x509"

	"officiant/bundle"
	"officiant/bundle/fingerprint"
)

const originsKind = "CertificateOrigins"

// origins is origins.json: which bundle brought each certificate first. Bundles
// are complete, so a later one brings most certificates again.
type origins struct {
	APIVersion   string   `json:"apiVersion"`
	Kind         string   `json:"kind"`
	Certificates []origin `json:"certificates"`
}

// origin is one certificate's.
type origin struct {
	SHA256   fingerprint.SHA256 `json:"sha256"` // of the DER certificate
	Sequence int                `json:"sequence"`
	Ceremony fingerprint.SHA256 `json:"ceremony"`
}

func (o *origins) of(cert *x509.Certificate) (origin, bool) {
	sum := fingerprint.Of(cert.Raw)
	for _, c := range o.Certificates {
		if c.SHA256 == sum {
			return c, true
		}
	}
	return origin{}, false
}

// after is what is on record once b is in place: what it has in common with what
// was there keeps its origin.
func (o *origins) after(b *bundle.Bundle) (*origins, error) {
	files, err := filesOf(b)
	if err != nil {
		return nil, err
	}
	next := &origins{APIVersion: apiVersion, Kind: originsKind, Certificates: []origin{}}
	for _, f := range files {
		cert := bundle.FirstCertificate(f.Path, b.Files[f.Path])
		if cert == nil {
			continue
		}
		if _, ok := next.of(cert); ok {
			continue // an authority's, in several files
		}
		from, ok := o.of(cert)
		if !ok {
			from = origin{fingerprint.Of(cert.Raw), b.Sequence, b.Ceremony}
		}
		next.Certificates = append(next.Certificates, from)
	}
	return next, nil
}
