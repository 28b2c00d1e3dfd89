package signer

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"officiant/bundle/nearest"
)

// Backend picks the backend for a key by its URI's scheme, among those that a build has;
// the error is a BadURI if there is none. Schemes are case-insensitive (RFC 3986 section
// 3.1). build names a build that lacks one, such as " (airgap)", and may be empty.
func Backend[B any](ref Ref, all map[string]B, build string) (B, error) {
	scheme, _, _ := strings.Cut(ref.URI, ":")
	if b, ok := all[strings.ToLower(scheme)]; ok {
		return b, nil
	}
	what := "key URI"
	if ref.Label != "" {
		what = ref.Label
	}
	var none B
	return none, BadURI(fmt.Errorf("%s: no backend for %q in this build%s; it has %s%s", what, scheme, build,
		strings.Join(slices.Sorted(maps.Keys(all)), ", "), nearest.Hint(scheme, maps.Keys(all))))
}
