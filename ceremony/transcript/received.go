package transcript

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"officiant/bundle/fingerprint"
)

// Received returns the certificates that others signed; false when the
// ceremony waited for none, or waits still.
func (t *Transcript) Received() (Received, bool) {
	for _, l := range t.Lines {
		if r, ok := l.Record.(Received); ok {
			return r, true
		}
	}
	return Received{}, false
}

// Parse returns the certificate, and the CAs between it and the root, its own issuer first.
func (r ReceivedCertificate) Parse() (cert *x509.Certificate, issuers []*x509.Certificate, err error) {
	if cert, err = x509.ParseCertificate(r.Certificate); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", r.Name, err)
	}
	for i, der := range r.Issuers {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: issuer %d: %w", r.Name, i+1, err)
		}
		issuers = append(issuers, c)
	}
	return cert, issuers, nil
}

// receivedIn lists the certificates in a line of type Received.
func receivedIn(l Line) []Certificate {
	r, _ := l.Record.(Received)
	var certs []Certificate
	for _, c := range r.Certificates {
		cert, _, err := c.Parse()
		if err != nil { // Read has parsed it before
			panic(fmt.Sprintf("transcript: line %d: %v", l.Seq, err))
		}
		certs = append(certs, Certificate{Seq: l.Seq, Entry: c.Entry, Name: c.Name, Certificate: cert})
	}
	return certs
}

// request takes a certificate request as the result of its intent.
func (o *order) request(r CSR) error {
	p, ok := o.open[r.Intent]
	if !ok || p.kind != (CSRIntent{}).Type() {
		return fmt.Errorf("csr: line %d is not an open csr-intent", r.Intent)
	}
	csr, err := x509.ParseCertificateRequest(r.Request)
	if err != nil {
		return fmt.Errorf("csr: request of intent %d: %w", r.Intent, err)
	}
	if fingerprint.Of(csr.RawTBSCertificateRequest) != p.tbs {
		return fmt.Errorf("csr: request is not the one of intent %d", r.Intent)
	}
	delete(o.open, r.Intent)
	return nil
}

// receive takes what came back from an external root, all of it at once.
func (o *order) receive(r Received) error {
	switch nb := r.NotBefore; {
	case o.received:
		return errors.New("received a second time")
	case !o.issuing || len(o.serials) > 0:
		return errors.New("received after a certificate was intended")
	case nb.Location() != time.UTC || nb.Nanosecond() != 0:
		return errors.New("received: notBefore is not in UTC and whole seconds")
	case len(r.Certificates) == 0:
		return errors.New("received no certificate")
	}
	o.received = true
	for _, c := range r.Certificates {
		cert, _, err := c.Parse()
		if err != nil {
			return fmt.Errorf("received: %w", err)
		}
		n := cert.SerialNumber
		if n.Sign() <= 0 || n.BitLen() > 8*len(serial{}) {
			return fmt.Errorf("received: %s: serial is not a positive number of at most %d octets", c.Name, len(serial{}))
		}
		key := serial(n.FillBytes(make([]byte, len(serial{}))))
		if _, used := o.serials[key]; used || c.Entry < 1 || o.taken[c.Entry] {
			return fmt.Errorf("received: %s: entry %d or serial %x was used before", c.Name, c.Entry, n)
		}
		o.taken[c.Entry], o.serials[key] = true, struct{}{}
	}
	return nil
}
