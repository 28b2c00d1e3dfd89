package audit

import (
	"crypto/x509"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/transcript"
)

// signing is one intent to sign and what became of it.
type signing struct {
	seq         int // of the intent
	entry       int
	name        string
	signer      string
	tbs         []byte             // of a certificate or revocation list
	sum         fingerprint.SHA256 // of a file
	result      int                // seq; 0: none
	certificate *x509.Certificate
	list        *x509.RevocationList
	family      string // of a revocation list's authority
	signature   []byte
	abandoned   string // why there is no result
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
	shared       []sharedLine             // sealed by a sister node
	adopted      []adoptedLine            // of a cluster that is brought in
	made         map[string]*nodeKeysLine // by node
	resumed      []transcript.Line
	rooms        []transcript.Line // preflights
	deviations   []transcript.Line
	notes        []transcript.Line
	closings     []transcript.Line // issuing-closed
	issued       map[string]*x509.Certificate
	signed       map[string]*signing // files, by name
	closed       *transcript.Closed  // nil when the ceremony is unfinished
}

// newLedger sorts a transcript's lines. transcript.Read has seen to it that a
// result names an earlier intent of its kind, and has parsed certificates.
func newLedger(t *transcript.Transcript) *ledger {
	g := &ledger{issued: map[string]*x509.Certificate{}, signed: map[string]*signing{}, made: map[string]*nodeKeysLine{}}
	certificates, files, requests, challenges := map[int]*signing{}, map[int]*signing{}, map[int]*signing{}, map[int]*challengeLine{}
	lists := map[int]*signing{}
	for _, l := range t.Lines {
		switch r := l.Record.(type) {
		case transcript.Intent:
			s := &signing{seq: l.Seq, entry: r.Entry, name: r.Name, signer: r.Signer, tbs: r.TBS}
			certificates[l.Seq] = s
			g.certificates = append(g.certificates, s)
		case transcript.Issued:
			if s := certificates[r.Intent]; s != nil {
				s.result = l.Seq
				s.certificate = l.Certificate
				g.issued[s.name] = s.certificate
			}
		case transcript.CSRIntent:
			s := &signing{seq: l.Seq, entry: r.Entry, name: r.Name, tbs: r.TBS}
			requests[l.Seq] = s
			g.requests = append(g.requests, s)
		case transcript.CSR:
			if s := requests[r.Intent]; s != nil {
				s.result, s.signature = l.Seq, r.Request
			}
		case transcript.CRLIntent:
			s := &signing{seq: l.Seq, entry: r.Entry, name: r.Name, signer: r.Signer, family: r.Family, tbs: r.TBS}
			lists[l.Seq] = s
			g.lists = append(g.lists, s)
		case transcript.CRL:
			if s := lists[r.Intent]; s != nil {
				s.result = l.Seq
				s.list, _ = x509.ParseRevocationList(r.List)
			}
		case transcript.SignatureIntent:
			s := &signing{seq: l.Seq, entry: r.Entry, name: r.Name, sum: r.SHA256}
			files[l.Seq] = s
			g.files = append(g.files, s)
		case transcript.Signature:
			if s := files[r.Intent]; s != nil {
				s.result, s.signature = l.Seq, r.Signature
				g.signed[s.name] = s
			}
		case transcript.ChallengeIntent:
			c := &challengeLine{seq: l.Seq, ChallengeIntent: r}
			challenges[l.Seq] = c
			g.challenges = append(g.challenges, c)
		case transcript.Challenge:
			if c := challenges[r.Intent]; c != nil {
				c.result, c.signature = l.Seq, r.Signature
			}
		case transcript.Abandoned:
			g.abandoned = append(g.abandoned, l)
			for _, s := range []*signing{certificates[r.Intent], lists[r.Intent], files[r.Intent], requests[r.Intent]} {
				if s != nil {
					s.abandoned = r.Reason
				}
			}
		default:
			g.other(l)
		}
	}
	if key := g.release(); key != nil {
		for _, s := range g.files {
			s.signer = key.Name
		}
	}
	return g
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
