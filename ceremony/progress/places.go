package progress

import (
	"crypto/sha256"
	"crypto/x509"
	"fmt"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/transcript"
)

// Of what there is for every node, the state keeps where it stands in the record, and the
// record is on the disk. Nothing here has a pointer: a map of a hundred thousand is no
// work for the collector.

// key stands for a name or a serial number: half of its SHA-256, which nobody finds twice.
type key [16]byte

func keyOf(name string) key {
	sum := sha256.Sum256([]byte(name))
	return key(sum[:16])
}

// place is where a line stands, and what it has to say when it is read again.
type place struct {
	offset int64
	size   int32
	says   key
}

func placeOf(line transcript.Line, says []byte) place {
	return place{line.Offset, int32(line.Size), keyOf(string(says))}
}

// signed is a release key's signature.
type signed struct {
	sum fingerprint.SHA256
	place
}

// Signature is a release key's signature and the SHA-256 of what it is over.
type Signature struct {
	SHA256 fingerprint.SHA256
	Bytes  []byte
}

// Signed says whether the release key's signature of an entry is on record.
func (s *State) Signed(entry string) bool {
	_, ok := s.signed[keyOf(entry)]
	return ok
}

// Signature is the release key's signature of an entry, read from the record; false when
// there is none. Several goroutines may ask, while nobody records.
func (p *Progress) Signature(entry string) (Signature, bool, error) {
	at, ok := p.signed[keyOf(entry)]
	if !ok {
		return Signature{}, false, nil
	}
	l, err := p.log.Line(at.offset, int(at.size))
	if err != nil {
		return Signature{}, false, err
	}
	r, ok := l.Record.(transcript.Signature)
	if !ok || keyOf(string(r.Signature)) != at.says {
		return Signature{}, false, changed(entry)
	}
	return Signature{at.sum, r.Signature}, true, nil
}

// Certificate is what was issued for an entry, read from the record; nil when nothing was.
// Several goroutines may ask, while nobody records.
func (p *Progress) Certificate(entry string) (*x509.Certificate, error) {
	at, ok := p.issued[keyOf(entry)]
	if !ok {
		return nil, nil
	}
	l, err := p.log.Line(at.offset, int(at.size))
	if err != nil {
		return nil, err
	}
	r, ok := l.Record.(transcript.Issued)
	if !ok || keyOf(string(r.Certificate)) != at.says {
		return nil, changed(entry)
	}
	return x509.ParseCertificate(r.Certificate)
}

func changed(entry string) error {
	return fmt.Errorf("%s: the record was changed while the ceremony was at work: what it says of it now is not "+
		"what was recorded", entry)
}
