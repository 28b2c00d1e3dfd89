package ceremony

import (
	"context"
	"errors"

	"officiant/bundle/phrase"
	"officiant/ceremony/transcript"
	"officiant/signer"
)

// recordingShares is an opener that puts on record by whose shares a token has its PIN.
func (r *tokens) recordingShares(open signer.Opener, shared func() []transcript.PINShares) signer.Opener {
	return func(ctx context.Context, ref signer.Ref, ask signer.PINFunc) (signer.Store, error) {
		store, err := open(ctx, ref, ask)
		if err != nil || r.progress.Closed {
			return store, err
		}
		for _, s := range shared() {
			var names []string
			for _, p := range s.Proofs {
				names = append(names, p.Person)
			}
			r.observer.Say("its PIN was put together by " + phrase.List(names))
			if _, err := r.progress.Record(s); err != nil {
				return nil, errors.Join(err, store.Close())
			}
		}
		return store, nil
	}
}
