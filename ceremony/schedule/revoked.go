package schedule

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
)

// FormerList is an authority's newest revocation list on the former records.
type FormerList struct {
	Signer string // as the record that made the list names the authority
	Family kubepki.Authority
	DER    []byte
	List   *x509.RevocationList
}

// by says whether an authority signed the list: one name may have had two keys.
func (f FormerList) by(c *x509.Certificate) bool {
	return bytes.Equal(f.List.RawIssuer, c.RawSubject) && bytes.Equal(f.List.AuthorityKeyId, c.SubjectKeyId)
}

func (f FormerList) sameIssuer(o FormerList) bool {
	return bytes.Equal(f.List.RawIssuer, o.List.RawIssuer) && bytes.Equal(f.List.AuthorityKeyId, o.List.AuthorityKeyId)
}

// formerLists reads the predecessors' newest lists: all of this cluster's, and of
// other clusters' those of authorities they share with this one. A record holds
// the newest of each authority, made or carried over, so no older one is needed.
func (b *listPass) formerLists() []FormerList {
	var all []FormerList
	for _, p := range b.p.Previous.Ceremonies {
		data := b.files.read[p.Transcript]
		lists, err := readLists(data)
		if err != nil {
			b.RefuseInput(p.Transcript, "%v", err)
			return nil
		}
		for _, f := range lists {
			own := p.Cluster == b.facts.cluster.Name
			for _, a := range b.p.Authorities {
				if c := b.cas.present(a.Name); c != nil && f.by(c) {
					own, f.Signer = true, a.Name
					if err := f.List.CheckSignatureFrom(c); err != nil {
						b.RefuseInput(p.Transcript, "its revocation list of %s is not signed by that authority", a.Name)
					}
				}
			}
			if own {
				all = append(all, f)
			}
		}
	}
	slices.SortStableFunc(all, func(x, y FormerList) int { return y.List.Number.Cmp(x.List.Number) })
	return all
}

// readLists reads the revocation lists of a transcript.
func readLists(data []byte) ([]FormerList, error) {
	var lists []FormerList
	intents := map[int]FormerList{} // without the list, by seq
	n := 0
	for raw := range bytes.Lines(data) {
		n++
		if !bytes.Contains(raw, []byte(`"type":"crl`)) {
			continue
		}
		var intent, carried struct {
			Signer string            `json:"signer"`
			Family kubepki.Authority `json:"family"`
			List   []byte            `json:"list"`
		}
		var made struct {
			Intent int    `json:"intent"`
			List   []byte `json:"list"`
		}
		f := FormerList{}
		switch {
		case record(raw, "crl-intent", &intent) == nil:
			intents[n] = FormerList{Signer: intent.Signer, Family: intent.Family}
			continue
		case record(raw, "crl", &made) == nil:
			f = intents[made.Intent]
			f.DER = made.List
		case record(raw, "crl-carried", &carried) == nil:
			f = FormerList{Signer: carried.Signer, Family: carried.Family, DER: carried.List}
		default:
			continue
		}
		var err error
		if f.List, err = x509.ParseRevocationList(f.DER); err != nil || f.List.Number == nil {
			return nil, fmt.Errorf("line %d: not a revocation list with a number", n)
		}
		lists = append(lists, f)
	}
	return lists, nil
}

// certified is a certificate that a former record tells of, abandoned ones included.
type certified struct {
	name   string // the schedule's
	serial *big.Int
	issuer []byte // DER name
	keyID  []byte // authority key identifier
	self   bool   // issued by itself
	ca     bool
	end    time.Time
	spki   fingerprint.SHA256
}

func (c *certified) by(issuer *x509.Certificate) bool {
	return bytes.Equal(c.issuer, issuer.RawSubject) && bytes.Equal(c.keyID, issuer.SubjectKeyId)
}

// onRecord reads everything the plan's transcripts say was to be certified, by
// serial number in hex.
func (b *records) onRecord() (map[string]*certified, error) {
	found := map[string]*certified{}
	for _, p := range b.p.Previous.Ceremonies {
		for _, file := range append([]string{p.Transcript}, p.Earlier...) {
			n := 0
			for raw := range bytes.Lines(b.files.read[file]) {
				n++
				if !bytes.Contains(raw, []byte(`"type":"intent"`)) {
					continue
				}
				var intent struct {
					Name string `json:"name"`
					TBS  []byte `json:"tbs"`
				}
				if record(raw, "intent", &intent) != nil {
					continue
				}
				c, err := readTBS(intent.TBS)
				if err != nil {
					return nil, fmt.Errorf("%s: line %d: %w", file, n, err)
				}
				c.name = intent.Name
				found[c.serial.Text(16)] = c
			}
		}
	}
	return found, nil
}

var (
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidAuthorityKeyID   = asn1.ObjectIdentifier{2, 5, 29, 35}
)

// readTBS reads what matters here of a DER TBSCertificate (RFC 5280, 4.1).
func readTBS(der []byte) (*certified, error) {
	var tbs struct {
		Version   int `asn1:"explicit,tag:0"`
		Serial    *big.Int
		Algorithm pkix.AlgorithmIdentifier
		Issuer    asn1.RawValue
		Validity  struct{ NotBefore, NotAfter time.Time }
		Subject   asn1.RawValue
		PublicKey asn1.RawValue
		// The two unique identifiers before it are in no certificate of a ceremony.
		Extensions []pkix.Extension `asn1:"optional,explicit,tag:3"`
	}
	if rest, err := asn1.Unmarshal(der, &tbs); err != nil || len(rest) > 0 {
		return nil, errors.New("not the to-be-signed part of a certificate")
	}
	c := &certified{
		serial: tbs.Serial, issuer: tbs.Issuer.FullBytes, end: tbs.Validity.NotAfter,
		self: bytes.Equal(tbs.Issuer.FullBytes, tbs.Subject.FullBytes), spki: fingerprint.Of(tbs.PublicKey.FullBytes),
	}
	for _, e := range tbs.Extensions {
		switch {
		case e.Id.Equal(oidAuthorityKeyID):
			var id struct {
				KeyID []byte `asn1:"optional,tag:0"`
			}
			if _, err := asn1.Unmarshal(e.Value, &id); err != nil {
				return nil, errors.New("an authority key identifier that cannot be read")
			}
			c.keyID = id.KeyID
		case e.Id.Equal(oidBasicConstraints):
			var basic struct {
				IsCA bool `asn1:"optional"`
				Path int  `asn1:"optional,default:-1"`
			}
			if _, err := asn1.Unmarshal(e.Value, &basic); err != nil {
				return nil, errors.New("basic constraints that cannot be read")
			}
			c.ca = basic.IsCA
		}
	}
	return c, nil
}

// Revoked is one line of a revocation list.
type Revoked struct {
	Serial *big.Int
	Reason plan.Reason
	Date   time.Time // zero: this ceremony's NotBefore
}

func sortRevoked(list []Revoked) {
	slices.SortFunc(list, func(a, b Revoked) int { return a.Serial.Cmp(b.Serial) })
}
