package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"maps"
	"path/filepath"
	"sync"
	"time"

	"officiant/ceremony/station"
	"officiant/cmd/internal/exit"
	"officiant/signer"
	"officiant/signer/pkcs11"
	"officiant/signer/pkcs11/module"
)

// backend is one kind of place where keys live.
type backend struct {
	Open     signer.Opener
	Supports func(signer.Ref, signer.Spec) error // asked before a key exists, without a login
	// Module is the file that is loaded to reach the key, and its SHA-256; nil where there is none.
	Module  func(signer.Ref) (path, sum string, err error)
	Attests bool // whether a key that is created can have its maker's word, which is verified
	Vouched bool // whether one that exists can
	// Slotted says whether keys are made in slots that a URI names by an id, and can have
	// their maker's word; Vacant, why none can be made in one. Nil: there are no slots.
	Slotted func(signer.Ref) bool
	Vacant  func(context.Context, signer.Ref) error
	// See looks at the token without a login; nil where that would reach out.
	See func(context.Context, signer.Ref) (pkcs11.Seen, error)
}

// reach says how far a command may go to reach a token.
type reach struct {
	finalTry string                    // serial of the token that may be logged in to though the next wrong PIN locks it
	timeout  time.Duration             // for a token's answer; 0: the backend's own
	said     func(module, line string) // gets what a module writes; nil drops it
	tries    pkcs11.Tries              // remembers wrong PINs; nil: nobody does
	makers   []*x509.Certificate       // may vouch for devices, beside the makers' that are built in
	allow    module.Allow              // variables that modules get besides those of their kind
}

// at is reach by a station's word.
func (r reach) at(st *station.Station) reach {
	r.timeout = st.Patience()
	r.allow.Named, r.allow.Only = st.Named()
	return r
}

// tokens is how PKCS#11 tokens are opened.
func (r reach) tokens() pkcs11.Options {
	return pkcs11.Options{FinalTry: r.finalTry, Timeout: r.timeout, Said: r.said, Allow: r.allow, Tries: r.tries,
		Roots: r.makers}
}

// backends is the table of all there are, by URI scheme. The cloud backends
// join it in builds without the airgap tag: see clouds.
func (r reach) backends() map[string]backend {
	tokens := r.tokens()
	all := map[string]backend{
		"pkcs11": {Open: tokens.Open, Supports: tokens.Supports, Module: pkcs11.Module, See: tokens.See, Vouched: true,
			Slotted: pkcs11.Slotted, Vacant: tokens.Vacant},
	}
	maps.Copy(all, clouds(r.makers))
	return all
}

// backend picks the backend of a URI.
func (r reach) backend(ref signer.Ref) (backend, error) {
	b, err := signer.Backend(ref, r.backends(), airgapSuffix)
	if err == nil && b.Slotted != nil && b.Slotted(ref) {
		b.Attests = true
	}
	return b, err
}

// open opens any backend's store.
func (r reach) open(ctx context.Context, ref signer.Ref, ask signer.PINFunc) (signer.Store, error) {
	b, err := r.backend(ref)
	if err != nil {
		return nil, err
	}
	return b.Open(ctx, ref, ask)
}

// reach is that of a command without a station.
func (o *options) reach() reach {
	r := reach{said: o.moduleSays}
	if o.State != "" {
		r.tries = pinTries{filepath.Join(o.State, "wrong-pins"), o.Stderr, &sync.Once{}}
	}
	return r
}

// moduleSays shows a line that a PKCS#11 module wrote to its stdout or stderr.
func (o *options) moduleSays(module, line string) {
	fmt.Fprintf(o.Stderr, "%s says: %s\n", exit.Line(module), exit.Line(line))
}
