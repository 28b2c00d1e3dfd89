package ceremony

import (
	"context"
	"crypto"
	"sync/atomic"

	"officiant/signer"
)

// Counter is a Watcher that wants to know how far a step with many signatures or
// files is. It is told from several goroutines.
type Counter interface{ Count(done, of int) }

// tally counts what is done of a step. The zero tally counts for nobody.
type tally struct {
	of   int
	done atomic.Int64
	tell Counter
}

func (r *common) tally(of int) *tally {
	tell, _ := r.watch.(Counter)
	return &tally{of: of, tell: tell}
}

func (t *tally) one() {
	if n := int(t.done.Add(1)); t.tell != nil {
		t.tell.Count(n, t.of)
	}
}

// counted is a key whose signatures are counted.
type counted struct {
	signer.Key
	tally *tally
}

func (k counted) SignContext(ctx context.Context, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	signature, err := k.Key.SignContext(ctx, digest, o)
	if err == nil {
		k.tally.one()
	}
	return signature, err
}
