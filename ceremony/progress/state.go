package progress

import (
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"math/big"
	"slices"
	"sort"
	"strings"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/transcript"
	"officiant/signer"
)

// State is what the transcript says so far.
type State struct {
	Open      *transcript.Open
	Station   fingerprint.SHA256  // of the file that the ceremony goes by
	Modules   []transcript.Module // on record so far
	Titles    map[int]string      // of the steps on record
	First     fingerprint.SHA256  // hash of the first line
	NotBefore time.Time           // of every certificate to be made
	step      int                 // of the last step line
	// Canaries that were tried, and intents of those whose end is not on record, by seq.
	Canaries      map[Template]transcript.Canary
	CanaryIntents map[int]transcript.CanaryIntent
	KeyIntents    map[string]transcript.KeyIntent
	Keys          map[string]transcript.Key
	WrongPINs     transcript.WrongPINs
	Clones        map[string]bool                // keys whose clone answered a challenge
	pending       map[int]transcript.Record      // intents without a result, by seq
	issued        map[key]place                  // lines of certificates that were made here, by entry
	made          map[string]*x509.Certificate   // those of authorities
	Sealed        *transcript.Sealed             // the service-account key nodes sign with
	Next          *transcript.Sealed             // the one they will sign with later
	Shared        map[string]bool                // nodes whose file from a peer is on record
	Adopted       map[string]bool                // certificates of a cluster that is adopted that are on record
	NodeKeys      map[string]transcript.NodeKeys // made here, by node
	Lists         map[string][]byte              // revocation lists, by entry
	Numbers       map[string]*big.Int            // the highest number intended, by entry
	CarriedLists  map[string]bool                // authorities whose previous list is on record
	Closing       *fingerprint.SHA256            // hash of the line that closes issuing
	signed        map[key]signed
	serials       map[key]struct{}
	Requests      map[string][]byte            // certificate requests, by the entry's name
	External      map[string]*x509.Certificate // that others signed, by authority
	Issuers       []*x509.Certificate          // between those and the root
	Received      *transcript.Received
	Abandoned     int
	Closed        bool
}

// Template is what the canaries and the keys of one algorithm in one token share.
type Template struct{ Token, Algorithm string }

func newState() *State {
	return &State{
		Titles:        map[int]string{},
		Canaries:      map[Template]transcript.Canary{},
		CanaryIntents: map[int]transcript.CanaryIntent{},
		KeyIntents:    map[string]transcript.KeyIntent{},
		Keys:          map[string]transcript.Key{},
		Clones:        map[string]bool{},
		WrongPINs:     transcript.WrongPINs{},
		pending:       map[int]transcript.Record{},
		Shared:        map[string]bool{},
		Adopted:       map[string]bool{},
		NodeKeys:      map[string]transcript.NodeKeys{},
		issued:        map[key]place{},
		made:          map[string]*x509.Certificate{},
		Lists:         map[string][]byte{},
		Numbers:       map[string]*big.Int{},
		CarriedLists:  map[string]bool{},
		signed:        map[key]signed{},
		serials:       map[key]struct{}{},
		Requests:      map[string][]byte{},
		External:      map[string]*x509.Certificate{},
	}
}

// apply takes one line into the state: the only way it changes.
func (s *State) apply(line transcript.Line) error {
	seq := line.Seq
	s.WrongPINs.Take(line.Record)
	switch r := line.Record.(type) {
	case transcript.Open:
		s.Open, s.NotBefore, s.First = &r, r.NotBefore, line.Hash
		s.Station, s.Modules = r.Station, r.Modules
	case transcript.Step:
		s.step, s.Titles[line.Step] = line.Step, r.Title
	case transcript.Resumed:
		s.step = line.Step
	case transcript.StationChanged:
		s.Station, s.Modules = r.Station, slices.Concat(s.Modules, r.Modules)
	case transcript.CanaryIntent:
		s.CanaryIntents[seq] = r
	case transcript.Canary:
		intent, ok := s.CanaryIntents[r.Intent]
		if !ok {
			return fmt.Errorf("canary without intent %d", r.Intent)
		}
		delete(s.CanaryIntents, r.Intent)
		s.Canaries[Template{intent.Token.ID(), intent.Algorithm}] = r
	case transcript.KeyIntent:
		s.KeyIntents[r.Name] = r
	case transcript.KeyAbandoned:
		delete(s.KeyIntents, r.Name)
	case transcript.Key:
		s.Keys[r.Name] = r
	case transcript.Intent:
		s.pending[seq] = r
		serial, err := r.Serial()
		if err != nil {
			return fmt.Errorf("intent of %s: %w", r.Name, err)
		}
		s.UseSerial(serial)
	case transcript.CRLIntent, transcript.CRL, transcript.CRLCarried:
		return s.applyList(seq, r)
	case transcript.ChallengeIntent, transcript.SignatureIntent, transcript.CSRIntent:
		s.pending[seq] = r
	case transcript.Challenge:
		if intent, ok := s.pending[r.Intent].(transcript.ChallengeIntent); ok && intent.Clone != nil {
			s.Clones[r.Name] = true
		}
		delete(s.pending, r.Intent)
	case transcript.Issued:
		return s.applyIssued(line, r)
	case transcript.CSR:
		return s.applyRequest(r)
	case transcript.Received:
		return s.applyReceived(r)
	case transcript.Signature:
		intent, ok := s.pending[r.Intent].(transcript.SignatureIntent)
		if !ok {
			return fmt.Errorf("signature without intent %d", r.Intent)
		}
		delete(s.pending, r.Intent)
		s.signed[keyOf(intent.Name)] = signed{intent.SHA256, placeOf(line, r.Signature)}
	case transcript.Abandoned:
		if _, ok := s.pending[r.Intent].(transcript.Intent); ok {
			s.Abandoned++
		}
		delete(s.pending, r.Intent)
	case transcript.Sealed:
		s.applySealed(r)
	case transcript.Carried:
		s.applySealed(transcript.Sealed(r))
	case transcript.Shared:
		s.Shared[r.Node] = true
	case transcript.Adopted:
		s.Adopted[r.Name] = true
	case transcript.NodeKeys:
		s.NodeKeys[r.Node] = r
	case transcript.IssuingClosed:
		s.Closing = &line.Hash
	case transcript.Closed:
		s.Closed = true
	}
	return nil
}

// applyList takes what is on record of revocation lists.
func (s *State) applyList(seq int, record transcript.Record) error {
	switch r := record.(type) {
	case transcript.CRLIntent:
		s.pending[seq] = r
		number, err := r.Number()
		if err != nil {
			return fmt.Errorf("intent of %s: %w", r.Name, err)
		}
		s.Numbers[r.Name] = number
	case transcript.CRL:
		intent, ok := s.pending[r.Intent].(transcript.CRLIntent)
		if !ok {
			return fmt.Errorf("revocation list without intent %d", r.Intent)
		}
		delete(s.pending, r.Intent)
		s.Lists[intent.Name] = r.List
	case transcript.CRLCarried:
		s.CarriedLists[r.Signer] = true
	}
	return nil
}

func (s *State) applySealed(r transcript.Sealed) {
	if r.Secret == transcript.NextServiceAccount {
		s.Next = &r
		return
	}
	s.Sealed = &r
}

func (s *State) applyIssued(line transcript.Line, r transcript.Issued) error {
	intent, ok := s.pending[r.Intent].(transcript.Intent)
	if !ok {
		return fmt.Errorf("certificate without intent %d", r.Intent)
	}
	certificate := line.Certificate // of a line that was read
	if certificate == nil {
		var err error
		if certificate, err = x509.ParseCertificate(r.Certificate); err != nil {
			return fmt.Errorf("certificate of %s: %w", intent.Name, err)
		}
	}
	delete(s.pending, r.Intent)
	s.issued[keyOf(intent.Name)] = placeOf(line, r.Certificate)
	if !strings.Contains(intent.Name, "/") { // a node's have one
		s.made[intent.Name] = certificate
	}
	return nil
}

// Issued says whether an entry's certificate is on record.
func (s *State) Issued(entry string) bool {
	_, ok := s.issued[keyOf(entry)]
	return ok
}

// Certificates is how many are on record that were made here.
func (s *State) Certificates() int { return len(s.issued) }

// Authority is the certificate of an authority that was made here; nil when there is none.
// It is the same each time.
func (s *State) Authority(name string) *x509.Certificate { return s.made[name] }

// applyReceived takes certificates that others signed into the state.
func (s *State) applyReceived(r transcript.Received) error {
	for _, c := range r.Certificates {
		cert, issuers, err := c.Parse()
		if err != nil {
			return err
		}
		s.External[c.Name] = cert
		s.Issuers = append(s.Issuers, issuers...)
		s.UseSerial(cert.SerialNumber)
	}
	s.Received, s.NotBefore = &r, r.NotBefore
	return nil
}

// applyRequest takes a signed certificate request into the state.
func (s *State) applyRequest(r transcript.CSR) error {
	intent, ok := s.pending[r.Intent].(transcript.CSRIntent)
	if !ok {
		return fmt.Errorf("certificate request without intent %d", r.Intent)
	}
	delete(s.pending, r.Intent)
	s.Requests[intent.Name] = r.Request
	return nil
}

// Interrupted lists the intents without a result, oldest first.
func (s *State) Interrupted() []int {
	var seqs []int
	for seq := range s.pending {
		seqs = append(seqs, seq)
	}
	sort.Ints(seqs)
	return seqs
}

// KeyID decodes the id of a key intent.
func KeyID(hexID string) (id signer.ID, err error) {
	raw, err := hex.DecodeString(hexID)
	if err != nil || len(raw) != len(id) {
		return id, fmt.Errorf("key id %q is not %d hex bytes", hexID, len(id))
	}
	return signer.ID(raw), nil
}

// SerialUsed says whether a serial number is taken: intended or issued in this
// ceremony or one it continues, or set aside by UseSerial.
func (s *State) SerialUsed(n *big.Int) bool {
	_, used := s.serials[keyOf(n.String())]
	return used
}

// UseSerial sets a serial number aside.
func (s *State) UseSerial(n *big.Int) { s.serials[keyOf(n.String())] = struct{}{} }
