package main

import (
	"fmt"
	"maps"
	"sort"
	"strings"

	"officiant/signer"
	"officiant/signer/pkcs11"
)

// backend is one kind of place where keys live.
type backend struct {
	Open     signer.Opener
	Supports func(signer.Ref, signer.Spec) error // asked before a key exists, without a login
	// Module is the file that is loaded to reach the key, and its SHA-256; nil where there is none.
	Module func(signer.Ref) (path, sum string, err error)
}

// backends is the table of all there are, by URI scheme. The cloud backends
// join it in builds without the airgap tag: see clouds.
func backends() map[string]backend {
	all := map[string]backend{
		"pkcs11": {Open: pkcs11.Open, Supports: pkcs11.Supports, Module: pkcs11.Module},
	}
	maps.Copy(all, clouds())
	return all
}

// backendOf picks the backend of a URI.
func backendOf(ref signer.Ref) (backend, error) {
	scheme, _, _ := strings.Cut(ref.URI, ":")
	all := backends()
	if b, ok := all[scheme]; ok {
		return b, nil
	}
	var known []string
	for s := range all {
		known = append(known, s)
	}
	sort.Strings(known)
	return backend{}, fmt.Errorf("%s: no backend for %q in this build%s; it has %s", ref.Label, scheme, airgapSuffix, strings.Join(known, ", "))
}
