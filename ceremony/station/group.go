package station

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"officiant/signer"
)

// Group is a token or KMS and the keys in it.
type Group struct {
	Token string   // signer.TokenOf of each
	Keys  []string // in the order they are needed
}

// Tokens groups keys by the token they live in, in the order of first need.
func (s *Station) Tokens(cluster string, names []string) ([]Group, error) {
	var groups []Group
	index := map[string]int{}
	for _, name := range names {
		ref, err := s.Ref(cluster, name)
		if err != nil {
			return nil, err
		}
		t, err := signer.TokenOf(ref.URI)
		if err != nil {
			return nil, &Invalid{File: s.file, Reason: fmt.Sprintf("key %s: %v", name, err)}
		}
		i, ok := index[t]
		if !ok {
			i = len(groups)
			index[t] = i
			groups = append(groups, Group{Token: t})
		}
		groups[i].Keys = append(groups[i].Keys, name)
	}
	return groups, nil
}

// Removable says whether the group is a PKCS#11 token, which people may have to
// put in; a KMS is there or it is not.
func (g Group) Removable() bool { return strings.HasPrefix(g.Token, "pkcs11:") }

// Place names the token or KMS for people, by all the station says of it:
// "token officiant-root, serial 0011, model SC-HSM".
func (g Group) Place() string {
	if !g.Removable() {
		return "KMS " + g.Token
	}
	path, _, _ := strings.Cut(g.Token, "?")
	said := map[string]string{}
	for part := range strings.SplitSeq(strings.TrimPrefix(path, "pkcs11:"), ";") {
		name, value, _ := strings.Cut(part, "=")
		if plain, err := url.PathUnescape(value); err == nil {
			said[name] = plain
		}
	}
	words := []string{"token"}
	if label := said["token"]; label != "" {
		words[0] += " " + label
	}
	for _, name := range []string{"serial", "model", "manufacturer"} {
		if said[name] != "" {
			words = append(words, name+" "+said[name])
		}
	}
	return strings.Join(words, ", ")
}

// GroupOf is the token or KMS of one key.
func GroupOf(ref signer.Ref) (Group, error) {
	t, err := signer.TokenOf(ref.URI)
	return Group{Token: t}, err
}

// Backup is where the clone of a key lives; false when the station says of none.
func (s *Station) Backup(cluster, name string) (signer.Ref, bool) {
	uri, ok := s.Backups[name]
	return signer.Ref{URI: uri, Label: cluster + "/" + name}, ok
}

// With is the station with places for more keys. Its digest stays that of the file.
func (s *Station) With(keys map[string]string) *Station {
	more := *s
	more.Keys = maps.Clone(s.Keys)
	maps.Copy(more.Keys, keys)
	return &more
}

// BackedUp names the keys that have to have a clone, sorted.
func (s *Station) BackedUp() []string { return slices.Sorted(maps.Keys(s.Backups)) }
