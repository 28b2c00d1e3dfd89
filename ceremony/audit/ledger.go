package audit

import (
	"bytes"
	"crypto/x509"
	"strings"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/transcript"
)

// signing is one intent to sign and what became of it. There is one for each
// certificate, so what is known of a leaf is not kept parsed.
type signing struct {
	seq       int // of the intent
	entry     int
	name      string
	signer    string
	tbs       []byte             // of a certificate or revocation list; nil once a result is the same
	sum       fingerprint.SHA256 // of a file
	result    int                // seq; 0: none
	issued    *issued            // of a certificate
	list      *x509.RevocationList
	family    string // of a revocation list's authority
	signature []byte
	verified  bool   // the signature of a file is the release key's
	abandoned string // why there is no result
}

// keyLine is a key as one line of the record tells it.
type keyLine struct {
	seq int
	transcript.Key
}

type keyIntentLine struct {
	seq int
	transcript.KeyIntent
}

// challengeLine is a challenge and its answer, if there is one.
type challengeLine struct {
	seq int
	transcript.ChallengeIntent
	result    int
	signature []byte
}

type sealedLine struct {
	seq int
	transcript.Sealed
}

type listLine struct {
	seq int
	transcript.CRLCarried
}

type adoptedLine struct {
	seq int
	transcript.Adopted
}

type sharedLine struct {
	seq int
	transcript.Shared
}

// ledger is what a transcript says, by kind of act.
type ledger struct {
	certificates []*signing
	lists        []*signing // revocation lists
	carriedLists []listLine
	files        []*signing
	requests     []*signing // for certificates that others sign
	arrivals     []arrival  // and what came back for them
	challenges   []*challengeLine
	canaries     []*canaryLine
	keyLines     []keyLine
	keyIntents   []keyIntentLine
	orphans      []transcript.Line // key-abandoned
	abandoned    []transcript.Line
	sealed       []sealedLine
	carried      []sealedLine             // sealed by a predecessor
	shared       []sharedLine             // sealed by a peer
	adopted      []adoptedLine            // of a cluster that is adopted
	made         map[string]*nodeKeysLine // by node
	resumed      []transcript.Line
	rooms        []transcript.Line // preflights
	deviations   []transcript.Line
	notes        []transcript.Line
	closings     []transcript.Line // issuing-closed
	issued       map[string]*issued
	signed       map[string]*signing // files, by name
	closed       *transcript.Closed  // nil when the ceremony is unfinished
}

// sorter sorts a transcript's lines as they are read. Package transcript has seen to
// it that a result names an earlier intent of its kind, and has parsed certificates.
type sorter struct {
	*ledger
	certificates, lists, files, requests map[int]*signing
	challenges                           map[int]*challengeLine
	text                                 *recordText // from which the lines are
	signers                              map[string]string
}

func newSorter(text *recordText) *sorter {
	return &sorter{
		text: text, signers: map[string]string{},
		ledger:       &ledger{issued: map[string]*issued{}, signed: map[string]*signing{}, made: map[string]*nodeKeysLine{}},
		certificates: map[int]*signing{}, lists: map[int]*signing{}, files: map[int]*signing{}, requests: map[int]*signing{},
		challenges: map[int]*challengeLine{},
	}
}

// take sorts one line. It says whether that was all that the line says.
func (s *sorter) take(l transcript.Line) (all bool) {
	switch r := l.Record.(type) {
	case transcript.Intent:
		s.intend(&s.ledger.certificates, s.certificates, &signing{seq: l.Seq, entry: r.Entry, name: r.Name,
			signer: s.signer(r.Signer), tbs: r.TBS})
		return true
	case transcript.Issued:
		s.issue(l, r)
		return true
	case transcript.CSRIntent:
		s.intend(&s.ledger.requests, s.requests, &signing{seq: l.Seq, entry: r.Entry, name: r.Name, tbs: r.TBS})
	case transcript.CSR:
		if in := s.requests[r.Intent]; in != nil {
			in.result, in.signature = l.Seq, r.Request
		}
	case transcript.CRLIntent:
		s.intend(&s.ledger.lists, s.lists,
			&signing{seq: l.Seq, entry: r.Entry, name: r.Name, signer: r.Signer, family: r.Family, tbs: r.TBS})
	case transcript.CRL:
		if in := s.lists[r.Intent]; in != nil {
			in.result = l.Seq
			in.list, _ = x509.ParseRevocationList(r.List)
		}
	case transcript.SignatureIntent:
		s.intend(&s.ledger.files, s.files, &signing{seq: l.Seq, entry: r.Entry, name: r.Name, sum: r.SHA256})
		return true
	case transcript.Signature:
		if in := s.files[r.Intent]; in != nil {
			delete(s.files, r.Intent)
			in.result, in.signature = l.Seq, r.Signature
			s.signed[in.name] = in
		}
		return true
	case transcript.ChallengeIntent:
		c := &challengeLine{seq: l.Seq, ChallengeIntent: r}
		s.challenges[l.Seq] = c
		s.ledger.challenges = append(s.ledger.challenges, c)
	case transcript.Challenge:
		if c := s.challenges[r.Intent]; c != nil {
			c.result, c.signature = l.Seq, r.Signature
		}
	case transcript.Abandoned:
		s.abandon(l, r)
	default:
		s.other(l)
	}
	return false
}

// signer is one copy of an authority's name for all its certificates.
func (s *sorter) signer(name string) string {
	if one, ok := s.signers[name]; ok {
		return one
	}
	s.signers[name] = name
	return name
}

func (s *sorter) intend(all *[]*signing, open map[int]*signing, in *signing) {
	open[in.seq] = in
	*all = append(*all, in)
}

func (s *sorter) issue(l transcript.Line, r transcript.Issued) {
	in := s.certificates[r.Intent]
	if in == nil {
		return
	}
	delete(s.certificates, r.Intent)
	cert := l.Certificate
	in.result = l.Seq
	in.issued = &issued{
		text: s.text, offset: l.Offset, size: l.Size, sum: fingerprint.Of(r.Certificate),
		key:      keyPrefix(fingerprint.Of(cert.RawSubjectPublicKeyInfo)),
		notAfter: cert.NotAfter.Unix(),
		intended: bytes.Equal(cert.RawTBSCertificate, in.tbs),
	}
	cert.SerialNumber.FillBytes(in.issued.serial[:]) // package transcript has seen to its size
	if in.issued.intended {
		in.tbs = nil
	}
	if !strings.Contains(in.name, "/") { // a node's have one
		in.issued.parsed = cert
	}
	s.issued[in.name] = in.issued
}

func (s *sorter) abandon(l transcript.Line, r transcript.Abandoned) {
	s.ledger.abandoned = append(s.ledger.abandoned, l)
	for _, in := range []*signing{s.certificates[r.Intent], s.lists[r.Intent], s.files[r.Intent], s.requests[r.Intent]} {
		if in != nil {
			in.abandoned = r.Reason
		}
	}
}

// end is the ledger, when all lines were taken.
func (s *sorter) end() *ledger {
	if key := s.release(); key != nil {
		for _, in := range s.ledger.files {
			in.signer = key.Name
		}
	}
	return s.ledger
}

func (g *ledger) other(l transcript.Line) {
	switch r := l.Record.(type) {
	case transcript.CanaryIntent:
		g.canaries = append(g.canaries, &canaryLine{seq: l.Seq, CanaryIntent: r})
	case transcript.Canary:
		for _, c := range g.canaries {
			if c.seq == r.Intent {
				c.result, c.trials = l.Seq, r.Trials
			}
		}
	case transcript.KeyIntent:
		g.keyIntents = append(g.keyIntents, keyIntentLine{l.Seq, r})
	case transcript.KeyAbandoned:
		g.orphans = append(g.orphans, l)
	case transcript.Key:
		g.keyLines = append(g.keyLines, keyLine{l.Seq, r})
	case transcript.Sealed:
		g.sealed = append(g.sealed, sealedLine{l.Seq, r})
	case transcript.NodeKeys:
		g.made[r.Node] = &nodeKeysLine{l.Seq, r}
	case transcript.Carried:
		g.carried = append(g.carried, sealedLine{l.Seq, transcript.Sealed(r)})
	case transcript.CRLCarried:
		g.carriedLists = append(g.carriedLists, listLine{l.Seq, r})
	case transcript.Shared:
		g.shared = append(g.shared, sharedLine{l.Seq, r})
	case transcript.Received:
		g.arrive(l, r)
	case transcript.Adopted:
		g.adopted = append(g.adopted, adoptedLine{l.Seq, r})
	case transcript.Resumed:
		g.resumed = append(g.resumed, l)
	case transcript.Preflight:
		g.rooms = append(g.rooms, l)
	case transcript.Deviation:
		g.deviations = append(g.deviations, l)
	case transcript.Note:
		g.notes = append(g.notes, l)
	case transcript.IssuingClosed:
		g.closings = append(g.closings, l)
	case transcript.Closed:
		g.closed = &r
	}
}

// release returns the first line of the key that the last line names as the
// signer of bundles and record; of the cluster's first one when it names none
// that is on record. Nil when there is neither.
func (g *ledger) release() *keyLine {
	if g.closed != nil {
		for i := range g.keyLines {
			if g.keyLines[i].SPKI == g.closed.Signer {
				return g.key(g.keyLines[i].Name)
			}
		}
	}
	return g.key(firstRelease)
}

// key returns the first line of a key, or nil.
func (g *ledger) key(name string) *keyLine {
	for i := range g.keyLines {
		if g.keyLines[i].Name == name {
			return &g.keyLines[i]
		}
	}
	return nil
}

// closing returns the line that closes issuing, when there is exactly one.
func (g *ledger) closing() *transcript.Line {
	if len(g.closings) != 1 {
		return nil
	}
	return &g.closings[0]
}
