package ceremony_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"officiant/ceremony"
	"officiant/ceremony/ceremonytest"
	"officiant/signer"
)

// TestClosedNeedsNoRoot: when only the record's signature is missing, the
// root's token, which may be back in its safe, is not asked for.
func TestClosedNeedsNoRoot(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	dir := killedAt(t, f, slices.Index(eventsOf(t, f), "create transcript.sig")+1)
	cfg := f.Config(t, dir)
	open := cfg.Open
	cfg.Open = func(ctx context.Context, ref signer.Ref, ask signer.PINFunc) (signer.Store, error) {
		if strings.Contains(ref.URI, "token=root;") {
			return nil, signer.ErrUnavailable
		}
		return open(ctx, ref, ask)
	}
	if _, err := ceremony.Run(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
}
