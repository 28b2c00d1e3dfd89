package main

import (
	"context"
	"log/slog"
	"maps"

	"officiant/ceremony/online"
	"officiant/ceremony/station"
	"officiant/signer"
	"officiant/signer/pkcs11"
)

// backends is the table of all there are, by URI scheme. The cloud backends join it in
// builds without the airgap tag: see clouds.
func backends(st *station.Station, log *slog.Logger) map[string]signer.Opener {
	tokens := pkcs11.Options{Timeout: st.Patience(), Said: func(module, line string) {
		log.Info("a module says", "module", module, "line", line)
	}}
	tokens.Allow.Named, tokens.Allow.Only = st.Named()
	all := map[string]signer.Opener{"pkcs11": tokens.Open}
	maps.Copy(all, clouds())
	return all
}

// tokens are those of a station. A PIN comes from its pin-source: nobody sits here.
func (o *options) tokens(st *station.Station, cluster string, log *slog.Logger) *online.Tokens {
	all := backends(st, log)
	return &online.Tokens{
		Now: o.Now,
		Ref: func(name string) (signer.Ref, error) { return st.Ref(cluster, name) },
		Open: func(ctx context.Context, ref signer.Ref, ask signer.PINFunc) (signer.Store, error) {
			open, err := signer.Backend(ref, all, "")
			if err != nil {
				return nil, err
			}
			return open(ctx, ref, ask)
		},
	}
}
