package placement

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"officiant/bundle/nearest"
	"officiant/ceremony/station"
	"officiant/signer"
)

// Near says which tokens that are there may be meant by one that is not: they share
// its label or its serial, or differ in a slip, and the station names them for no
// other key. Empty when there are none: the token is in its bag.
func Near(st *station.Station, absent error, ref signer.Ref) string {
	var other interface{ Instead() []signer.Device }
	if !errors.As(absent, &other) {
		return ""
	}
	wanted := named(ref.URI)
	var near []string
	for _, d := range other.Instead() {
		if meant(st, d) {
			continue
		}
		switch {
		case wanted.Serial != "" && d.Serial == wanted.Serial:
			near = append(near, fmt.Sprintf("serial %s is that of token %s, and the station says %s", d.Serial, d.Label,
				wanted.Label))
		case wanted.Label != "" && d.Label == wanted.Label:
			near = append(near, fmt.Sprintf("token %s that is in has serial %s, and the station says %s", d.Label, d.Serial,
				wanted.Serial))
		case slip(wanted.Label, d.Label) || slip(wanted.Serial, d.Serial):
			near = append(near, fmt.Sprintf("token %s, serial %s, is in, which is nearly what the station says", d.Label,
				d.Serial))
		}
	}
	return strings.Join(near, "; ")
}

func slip(wanted, there string) bool {
	if wanted == "" || there == "" {
		return false
	}
	_, near := nearest.Name(wanted, slices.Values([]string{there}))
	return near
}

// meant says whether a station names a token for one of its keys.
func meant(st *station.Station, d signer.Device) bool {
	for _, uri := range st.Keys {
		n := named(uri)
		if n.Label+n.Serial != "" && (n.Label == "" || n.Label == d.Label) &&
			(n.Serial == "" || n.Serial == d.Serial) {
			return true
		}
	}
	return false
}

// named is a token's label and serial in a URI.
func named(uri string) (d signer.Device) {
	path, _, _ := strings.Cut(strings.TrimPrefix(uri, "pkcs11:"), "?")
	for part := range strings.SplitSeq(path, ";") {
		name, value, _ := strings.Cut(part, "=")
		plain, err := url.PathUnescape(value)
		if err != nil {
			continue
		}
		switch name {
		case "token":
			d.Label = plain
		case "serial":
			d.Serial = plain
		}
	}
	return d
}
