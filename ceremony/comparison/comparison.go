package comparison

import (
	"fmt"
	"slices"
	"strings"
)

// What became of an entry from one schedule to another.
const (
	Changed = "changed"
	Added   = "added"
	Removed = "removed"
)

// Comparison is in what a schedule differs from an earlier one.
type Comparison struct {
	Header  []Difference `json:"header"` // plan, cluster, sequence, nodes that leave
	Changes []Change     `json:"changes"`
	Changed int          `json:"changed"` // entries
	Added   int          `json:"added"`
	Removed int          `json:"removed"`
	Same    int          `json:"same"`
}

// Change is what became of entries, alike for each of them.
type Change struct {
	What        string       `json:"what"` // Changed, Added, Removed
	Kind        string       `json:"kind"`
	Names       []string     `json:"names"`
	Differences []Difference `json:"differences"` // none where entries come or go
}

// Difference is a field with different values. For a field that is a list, it says what
// was removed and what was added.
type Difference struct {
	Field  string   `json:"field"`
	Before string   `json:"before,omitempty"`
	After  string   `json:"after,omitempty"`
	Gone   []string `json:"gone,omitempty"`
	New    []string `json:"new,omitempty"`
}

// lists are the fields whose values are parted by commas.
var lists = []string{"dns", "ip", "usage", "carried", "trusts", "revoked"}

// Of holds a schedule against an earlier one.
func Of(before, after *Schedule) *Comparison {
	c := &Comparison{Header: differences(counted(before.Header), counted(after.Header)), Changes: []Change{}}
	groups := map[string]int{} // places among Changes
	put := func(what string, e Entry, d []Difference) {
		alike := fmt.Sprintf("%s %s %q", what, e.Kind, d)
		i, ok := groups[alike]
		if !ok {
			i = len(c.Changes)
			groups[alike] = i
			c.Changes = append(c.Changes, Change{What: what, Kind: e.Kind, Differences: d})
		}
		c.Changes[i].Names = append(c.Changes[i].Names, e.Name)
	}
	was := map[[2]string]Entry{}
	for _, e := range before.Entries {
		was[e.key()] = e
	}
	for _, e := range after.Entries {
		old, had := was[e.key()]
		delete(was, e.key())
		switch d := differences(old.Fields, e.Fields); {
		case !had:
			c.Added++
			put(Added, e, []Difference{})
		case len(d) == 0:
			c.Same++
		default:
			c.Changed++
			put(Changed, e, d)
		}
	}
	for _, e := range before.Entries {
		if _, left := was[e.key()]; left {
			c.Removed++
			put(Removed, e, []Difference{})
		}
	}
	return c
}

// counted leaves out of a header what only counts the lines below it.
func counted(header []Field) []Field {
	return slices.DeleteFunc(slices.Clone(header), func(f Field) bool {
		return f.Key == "certificates" || f.Key == "signatures"
	})
}

// differences holds fields against each other: those of the later ones in their
// order, then those that are gone.
func differences(before, after []Field) []Difference {
	out := []Difference{}
	for _, f := range after {
		if old := value(before, f.Key); old != f.Value {
			out = append(out, difference(f.Key, old, f.Value))
		}
	}
	for _, f := range before {
		if !slices.ContainsFunc(after, func(o Field) bool { return o.Key == f.Key }) {
			out = append(out, difference(f.Key, f.Value, ""))
		}
	}
	return out
}

func difference(key, before, after string) Difference {
	if !slices.Contains(lists, key) {
		return Difference{Field: key, Before: before, After: after}
	}
	was, is := split(before), split(after)
	return Difference{Field: key, Gone: without(was, is), New: without(is, was)}
}

func split(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

func without(list, other []string) (out []string) {
	for _, s := range list {
		if !slices.Contains(other, s) {
			out = append(out, s)
		}
	}
	return out
}

func value(fields []Field, key string) string {
	for _, f := range fields {
		if f.Key == key {
			return f.Value
		}
	}
	return ""
}
