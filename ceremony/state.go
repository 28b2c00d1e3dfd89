package ceremony

import (
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"math/big"
	"sort"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/transcript"
	"officiant/signer"
)

// state is what the transcript says so far.
type state struct {
	open *transcript.Open
	step int // of the last step line
	// Canaries that were tried, and intents of those whose end is not on record, by seq.
	canaries      map[template]transcript.Canary
	canaryIntents map[int]transcript.CanaryIntent
	keyIntents    map[string]transcript.KeyIntent
	keys          map[string]transcript.Key
	clones        map[string]bool           // keys whose clone answered a challenge
	pending       map[int]transcript.Record // intents without a result, by seq
	issued        map[string]*x509.Certificate
	sealed        *transcript.Sealed             // the service-account key nodes sign with
	next          *transcript.Sealed             // the one they will sign with later
	shared        map[string]bool                // nodes whose file from a sister is on record
	adopted       map[string]bool                // certificates of a cluster that is brought in that are on record
	nodeKeys      map[string]transcript.NodeKeys // made here, by node
	lists         map[string][]byte              // revocation lists, by entry
	numbers       map[string]*big.Int            // the highest number intended, by entry
	carriedLists  map[string]bool                // authorities whose former list is on record
	closing       *fingerprint.SHA256            // hash of the line that closes issuing
	signatures    map[string]signature
	serials       map[string]bool
	requests      map[string][]byte            // certificate requests, by the entry's name
	external      map[string]*x509.Certificate // that others signed, by authority
	issuers       []*x509.Certificate          // between those and the root
	received      *transcript.Received
	abandoned     int
	closed        bool
}

// signature is a release key's signature and the SHA-256 of what it is over.
type signature struct {
	sha256    fingerprint.SHA256
	signature []byte
}

func newState() *state {
	return &state{
		canaries:      map[template]transcript.Canary{},
		canaryIntents: map[int]transcript.CanaryIntent{},
		keyIntents:    map[string]transcript.KeyIntent{},
		keys:          map[string]transcript.Key{},
		clones:        map[string]bool{},
		pending:       map[int]transcript.Record{},
		shared:        map[string]bool{},
		adopted:       map[string]bool{},
		nodeKeys:      map[string]transcript.NodeKeys{},
		issued:        map[string]*x509.Certificate{},
		lists:         map[string][]byte{},
		numbers:       map[string]*big.Int{},
		carriedLists:  map[string]bool{},
		signatures:    map[string]signature{},
		serials:       map[string]bool{},
		requests:      map[string][]byte{},
		external:      map[string]*x509.Certificate{},
	}
}

// apply takes one line into the state.
func (s *state) apply(seq int, record transcript.Record) error {
	switch r := record.(type) {
	case transcript.Open:
		s.open = &r
	case transcript.Step:
	case transcript.CanaryIntent:
		s.canaryIntents[seq] = r
	case transcript.Canary:
		intent, ok := s.canaryIntents[r.Intent]
		if !ok {
			return fmt.Errorf("canary without intent %d", r.Intent)
		}
		delete(s.canaryIntents, r.Intent)
		s.canaries[template{intent.Token.ID(), intent.Algorithm}] = r
	case transcript.KeyIntent:
		s.keyIntents[r.Name] = r
	case transcript.KeyAbandoned:
		delete(s.keyIntents, r.Name)
	case transcript.Key:
		s.keys[r.Name] = r
	case transcript.Intent:
		s.pending[seq] = r
		serial, err := r.Serial()
		if err != nil {
			return fmt.Errorf("intent of %s: %w", r.Name, err)
		}
		s.serials[serial.String()] = true
	case transcript.CRLIntent, transcript.CRL, transcript.CRLCarried:
		return s.applyList(seq, record)
	case transcript.ChallengeIntent, transcript.SignatureIntent, transcript.CSRIntent:
		s.pending[seq] = r
	case transcript.Challenge:
		if intent, ok := s.pending[r.Intent].(transcript.ChallengeIntent); ok && intent.Clone != nil {
			s.clones[r.Name] = true
		}
		delete(s.pending, r.Intent)
	case transcript.Issued:
		return s.applyIssued(r)
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
		s.signatures[intent.Name] = signature{intent.SHA256, r.Signature}
	case transcript.Abandoned:
		if _, ok := s.pending[r.Intent].(transcript.Intent); ok {
			s.abandoned++
		}
		delete(s.pending, r.Intent)
	case transcript.Sealed:
		s.applySealed(r)
	case transcript.Carried:
		s.applySealed(transcript.Sealed(r))
	case transcript.Shared:
		s.shared[r.Node] = true
	case transcript.Adopted:
		s.adopted[r.Name] = true
	case transcript.NodeKeys:
		s.nodeKeys[r.Node] = r
	case transcript.Closed:
		s.closed = true
	}
	return nil
}

// applyList takes what is on record of revocation lists.
func (s *state) applyList(seq int, record transcript.Record) error {
	switch r := record.(type) {
	case transcript.CRLIntent:
		s.pending[seq] = r
		number, err := r.Number()
		if err != nil {
			return fmt.Errorf("intent of %s: %w", r.Name, err)
		}
		s.numbers[r.Name] = number
	case transcript.CRL:
		intent, ok := s.pending[r.Intent].(transcript.CRLIntent)
		if !ok {
			return fmt.Errorf("revocation list without intent %d", r.Intent)
		}
		delete(s.pending, r.Intent)
		s.lists[intent.Name] = r.List
	case transcript.CRLCarried:
		s.carriedLists[r.Signer] = true
	}
	return nil
}

func (s *state) applySealed(r transcript.Sealed) {
	if r.Secret == transcript.NextServiceAccount {
		s.next = &r
		return
	}
	s.sealed = &r
}

func (s *state) applyIssued(r transcript.Issued) error {
	intent, ok := s.pending[r.Intent].(transcript.Intent)
	if !ok {
		return fmt.Errorf("certificate without intent %d", r.Intent)
	}
	certificate, err := x509.ParseCertificate(r.Certificate)
	if err != nil {
		return fmt.Errorf("certificate of %s: %w", intent.Name, err)
	}
	delete(s.pending, r.Intent)
	s.issued[intent.Name] = certificate
	return nil
}

// interrupted lists the intents without a result, oldest first.
func (s *state) interrupted() []int {
	var seqs []int
	for seq := range s.pending {
		seqs = append(seqs, seq)
	}
	sort.Ints(seqs)
	return seqs
}

// keyID decodes the id of a key intent.
func keyID(hexID string) (id signer.ID, err error) {
	raw, err := hex.DecodeString(hexID)
	if err != nil || len(raw) != len(id) {
		return id, fmt.Errorf("key id %q is not %d hex bytes", hexID, len(id))
	}
	return signer.ID(raw), nil
}

func (s *state) serialUsed(n *big.Int) bool { return s.serials[n.String()] }
