package kubepki

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// Version is a Kubernetes release. Its text form is "v1.37.2".
type Version struct{ Major, Minor, Patch int }

// Oldest is the oldest release whose facts are known.
func Oldest() Version { return Version{1, 17, 0} }

// Newest is the newest release whose facts were checked. Later releases use its facts.
func Newest() Version { return Version{1, 37, 2} }

// ParseVersion reads "v1.37.2" or "1.37.2".
func ParseVersion(s string) (Version, error) {
	parts := strings.Split(strings.TrimPrefix(s, "v"), ".")
	if len(parts) != 3 {
		return Version{}, fmt.Errorf("Kubernetes version %q is not of the form v1.37.2", s)
	}
	var n [3]int
	for i, p := range parts {
		v, err := strconv.ParseUint(p, 10, 16)
		if err != nil || strconv.FormatUint(v, 10) != p {
			return Version{}, fmt.Errorf("Kubernetes version %q is not of the form v1.37.2", s)
		}
		n[i] = int(v)
	}
	return Version{n[0], n[1], n[2]}, nil
}

func (v Version) String() string { return fmt.Sprintf("v%d.%d.%d", v.Major, v.Minor, v.Patch) }

// Compare returns -1, 0 or +1, as v is before, at or after o.
func (v Version) Compare(o Version) int {
	return cmp.Or(cmp.Compare(v.Major, o.Major), cmp.Compare(v.Minor, o.Minor), cmp.Compare(v.Patch, o.Patch))
}

// Known says whether v lies in the range whose facts were checked, patches of
// the newest minor release included.
func Known(v Version) bool {
	n := Newest()
	return v.Compare(Oldest()) >= 0 && v.Major == n.Major && v.Minor <= n.Minor
}

// MarshalText gives the text form, and "" for the zero Version.
func (v Version) MarshalText() ([]byte, error) {
	if v == (Version{}) {
		return nil, nil
	}
	return []byte(v.String()), nil
}

// UnmarshalText reads what MarshalText writes.
func (v *Version) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*v = Version{}
		return nil
	}
	p, err := ParseVersion(string(text))
	if err != nil {
		return err
	}
	*v = p
	return nil
}
