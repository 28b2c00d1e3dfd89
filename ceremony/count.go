package ceremony

import (
	"context"
	"crypto"
	"sync/atomic"

	"officiant/signer"
)

// Counter is an Observer that also gets the progress of a step with many signatures or
// files. Several goroutines call it.
type Counter interface{ Count(done, of int) }

// stepCount counts what is done of a step. The zero stepCount counts for nobody.
type stepCount struct {
	of   int
	done atomic.Int64
	tell Counter
}

func (r *common) stepCount(of int) *stepCount {
	tell, _ := r.observer.(Counter)
	return &stepCount{of: of, tell: tell}
}

func (t *stepCount) one() {
	if n := int(t.done.Add(1)); t.tell != nil {
		t.tell.Count(n, t.of)
	}
}

// counted is a key whose signatures are counted.
type counted struct {
	signer.Key
	stepCount *stepCount
}

func (k counted) SignContext(ctx context.Context, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	signature, err := k.Key.SignContext(ctx, digest, o)
	if err == nil {
		k.stepCount.one()
	}
	return signature, err
}
