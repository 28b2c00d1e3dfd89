package transcript

import "officiant/ceremony/chain"

// records maps each type to its record struct.
var records = chain.Of(
	Open{}, Attendance{}, Resumed{}, Paused{}, Step{}, Token{}, CanaryIntent{}, Canary{}, KeyIntent{}, Key{}, KeyAbandoned{},
	ChallengeIntent{}, Challenge{}, Intent{}, Issued{}, CSRIntent{}, CSR{}, Received{}, CRLIntent{}, CRL{}, CRLCarried{}, Abandoned{}, Sealed{}, Carried{}, Shared{}, Adopted{}, NodeKeys{}, IssuingClosed{},
	SignatureIntent{}, Signature{}, Preflight{}, Note{}, Deviation{}, Closed{},
	StationChanged{}, PINShares{}, PINRefused{}, Abandonment{}, DestroyIntent{}, Destroyed{}, AbandonmentClosed{},
)

// encode returns the one spelling of a line, with its newline. It ignores Hash.
func encode(l Line) ([]byte, error) {
	return chain.Encode(chain.Line{Seq: l.Seq, Time: l.Time, Step: l.Step, Prev: l.Prev, Record: l.Record})
}

// decode reads one line, without its newline, and refuses every spelling but
// encode's. It sets Hash; it does not know the lines before.
func decode(raw []byte) (Line, error) {
	l, err := records.Decode(raw)
	if err != nil {
		return Line{}, err
	}
	return Line{Seq: l.Seq, Time: l.Time, Step: l.Step, Prev: l.Prev, Record: l.Record, Hash: l.Hash}, nil
}
