package transcript

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"time"

	"officiant/bundle/fingerprint"
)

// CRLIntent is on disk before a CA key signs a revocation list.
type CRLIntent struct {
	Entry  int    `json:"entry"`  // line of the schedule
	Name   string `json:"name"`   // the entry's name: "crl etcd"
	Signer string `json:"signer"` // the authority
	Family string `json:"family"` // the authority's: "etcd", whose newest list etcd gets
	TBS    []byte `json:"tbs"`    // the whole DER TBSCertList
}

// CRL holds the revocation list of an intent.
type CRL struct {
	Intent int    `json:"intent"` // seq
	List   []byte `json:"list"`   // DER CertificateList
}

// CRLCarried is the newest list of an authority on the previous records, where this
// ceremony makes no newer one. So each record has the newest list of every
// authority, and who continues it needs no older one.
type CRLCarried struct {
	Signer string `json:"signer"` // the authority, as the record that made the list names it
	Family string `json:"family"` // as there
	List   []byte `json:"list"`   // DER CertificateList
}

func (CRLIntent) Type() Type  { return "crl-intent" }
func (CRL) Type() Type        { return "crl" }
func (CRLCarried) Type() Type { return "crl-carried" }

// RevocationList is an authority's newest list in a transcript.
type RevocationList struct {
	Seq    int    // of the CRL or CRLCarried line
	Name   string // the entry's, "crl etcd"; empty when it was carried over
	Signer string
	Family string
	List   *x509.RevocationList
}

// RevocationLists returns the newest list of each authority, made or carried over.
func (t *Transcript) RevocationLists() []RevocationList {
	var lists []RevocationList
	for _, l := range t.Lines {
		found := RevocationList{Seq: l.Seq}
		var der []byte
		switch r := l.Record.(type) {
		case CRL:
			in := t.Lines[r.Intent-1].Record.(CRLIntent)
			found.Name, found.Signer, found.Family, der = in.Name, in.Signer, in.Family, r.List
		case CRLCarried:
			found.Signer, found.Family, der = r.Signer, r.Family, r.List
		default:
			continue
		}
		// Read has parsed it before; lines made by hand may panic here.
		list, err := x509.ParseRevocationList(der)
		if err != nil {
			panic(fmt.Sprintf("transcript: line %d: %v", l.Seq, err))
		}
		found.List = list
		lists = append(lists, found)
	}
	return lists
}

// intendList takes the intent of a revocation list. Its number is above each that
// the authority's lists had in this transcript: one that was abandoned may have
// been signed.
func (o *order) intendList(seq int, r CRLIntent) error {
	if !o.issuing {
		return fmt.Errorf("crl-intent %s after issuing was closed", r.Name)
	}
	number, err := r.Number()
	if err != nil {
		return fmt.Errorf("crl-intent %s: %w", r.Name, err)
	}
	if last := o.lists[r.Signer]; last != nil && number.Cmp(last) <= 0 {
		return fmt.Errorf("crl-intent %s: its number %d is not above %d", r.Name, number, last)
	}
	p := pending{kind: r.Type(), entry: r.Entry, tbs: fingerprint.Of(r.TBS)}
	if err := o.begin(seq, r.Name, p); err != nil {
		return err
	}
	o.lists[r.Signer] = number
	return nil
}

func (o *order) signList(r CRL) error {
	p, ok := o.open[r.Intent]
	if !ok || p.kind != (CRLIntent{}).Type() {
		return fmt.Errorf("crl: line %d is not an open crl-intent", r.Intent)
	}
	list, err := x509.ParseRevocationList(r.List)
	if err != nil {
		return fmt.Errorf("crl: list of intent %d: %w", r.Intent, err)
	}
	if !bytes.Equal(list.Raw, r.List) || fingerprint.Of(list.RawTBSRevocationList) != p.tbs {
		return fmt.Errorf("crl: the list is not the one of intent %d", r.Intent)
	}
	delete(o.open, r.Intent)
	return nil
}

func (o *order) carryList(r CRLCarried) error {
	list, err := x509.ParseRevocationList(r.List)
	switch {
	case err != nil:
		return fmt.Errorf("crl-carried of %s: %w", r.Signer, err)
	case !bytes.Equal(list.Raw, r.List) || list.Number == nil:
		return fmt.Errorf("crl-carried of %s: not one list with a number", r.Signer)
	case o.lists[r.Signer] != nil:
		return fmt.Errorf("crl-carried of %s: there is a list of it already", r.Signer)
	case !o.issuing:
		return fmt.Errorf("crl-carried of %s after issuing was closed", r.Signer)
	}
	o.lists[r.Signer] = list.Number
	return nil
}

// Number is the CRL number of the list that is to be signed.
func (i CRLIntent) Number() (*big.Int, error) {
	var v struct { // RFC 5280, 5.1, version 2
		Version    int
		Algorithm  pkix.AlgorithmIdentifier
		Issuer     asn1.RawValue
		ThisUpdate time.Time
		NextUpdate time.Time
		Revoked    []asn1.RawValue  `asn1:"optional"`
		Extensions []pkix.Extension `asn1:"explicit,tag:0"`
	}
	rest, err := asn1.Unmarshal(i.TBS, &v)
	if err != nil || len(rest) > 0 {
		return nil, errors.New("not a DER TBSCertList with extensions")
	}
	for _, e := range v.Extensions {
		if !e.Id.Equal(oidCRLNumber) {
			continue
		}
		var number *big.Int
		if rest, err := asn1.Unmarshal(e.Value, &number); err != nil || len(rest) > 0 || number.Sign() <= 0 {
			return nil, errors.New("the CRL number is no positive number")
		}
		return number, nil
	}
	return nil, errors.New("there is no CRL number")
}

var oidCRLNumber = asn1.ObjectIdentifier{2, 5, 29, 20} // RFC 5280, 5.2.3
