package history

import (
	"cmp"
	"iter"
	"maps"
	"slices"

	"officiant/ceremony/revocation"
)

// Newest is the certificate of a name ("cp-1/apiserver", "kubernetes") in the
// newest of the cluster's ceremonies that has one; abandoned ones do not count.
func (h *History) Newest(name string) (Certificate, bool) {
	for _, r := range h.own {
		var found *Certificate
		for c := range r.Named(name) {
			if c.State != Abandoned {
				found = &c
			}
		}
		if found != nil {
			return *found, true
		}
	}
	return Certificate{}, false
}

// NewestOf are the newest certificates of a node, by file. The request behind each
// is the one that the ceremony that issued it (Certificate.Of) had for the node.
func (h *History) NewestOf(node string) map[string]Certificate {
	found := map[string]Certificate{}
	for _, r := range slices.Backward(h.own) {
		for c := range r.Of(node) {
			if c.State != Abandoned {
				found[c.File()] = c
			}
		}
	}
	return found
}

// Nodes yields the names of all nodes that have certificates on record, sorted.
func (h *History) Nodes() iter.Seq[string] {
	names := map[string]bool{}
	for _, r := range h.own {
		last := ""
		for _, i := range r.table.byName {
			w := r.table.row(i)
			if node := r.table.names[w.node]; node != last && w.state != Abandoned {
				names[node], last = true, node
			}
		}
	}
	return slices.Values(slices.Sorted(maps.Keys(names)))
}

// LastOf is the newest ceremony that issued a certificate to a node, or adopted
// one; nil: none did.
func (h *History) LastOf(node string) *Record {
	for _, r := range h.own {
		for c := range r.Of(node) {
			if c.State != Abandoned {
				return r
			}
		}
	}
	return nil
}

// Left says whether a node has left the cluster, and how the record says so: a
// ceremony named it as gone, or every newest certificate of it is revoked as
// cessationOfOperation. A node that got certificates since is a member again.
func (h *History) Left(node string) (how string, left bool) {
	last := h.LastOf(node)
	if last == nil {
		return "", false
	}
	for _, r := range h.own {
		if slices.Contains(r.Left, node) {
			return "named as gone by " + r.String(), true
		}
		if r == last {
			break
		}
	}
	for _, c := range h.NewestOf(node) {
		if is, revoked := h.Revoked(c.Serial); !revoked || is.Reason != revocation.CessationOfOperation {
			return "", false
		}
	}
	return "all its certificates are revoked as " + string(revocation.CessationOfOperation), true
}

// Members are the nodes that have certificates on record and have not left, sorted.
func (h *History) Members() []string {
	return slices.DeleteFunc(slices.Collect(h.Nodes()), func(node string) bool {
		_, left := h.Left(node)
		return left
	})
}

// Find yields every certificate of a serial number: of the cluster and of others, and of
// ceremonies that were abandoned.
func (h *History) Find(s Serial) iter.Seq[Certificate] {
	return func(yield func(Certificate) bool) {
		for _, r := range slices.Concat(h.all(), h.abandoned) {
			for c := range r.WithSerial(s) {
				if !yield(c) {
					return
				}
			}
		}
	}
}

// Used says whether a serial number was used, by an abandoned certificate too.
func (h *History) Used(s Serial) bool {
	for range h.Find(s) {
		return true
	}
	return false
}

// Revoked says whether any list of these records has a serial number, and why; the
// newest ceremony's word counts.
func (h *History) Revoked(s Serial) (Revocation, bool) {
	for _, r := range h.all() {
		if is, ok := r.Revoked(s); ok {
			return is, true
		}
	}
	return Revocation{}, false
}

// NewestLists are the newest revocation lists on record, one of each authority,
// highest number first where there are several records of one.
func (h *History) NewestLists() []List {
	var lists []List
	for _, r := range h.all() {
		lists = append(lists, r.Lists...)
	}
	slices.SortStableFunc(lists, func(a, b List) int { return b.Number.Cmp(a.Number) })
	var newest []List
	for _, l := range lists {
		if !slices.ContainsFunc(newest, l.SameIssuer) {
			newest = append(newest, l)
		}
	}
	slices.SortStableFunc(newest, func(a, b List) int { return cmp.Compare(a.Signer, b.Signer) })
	return newest
}

// Authority is an authority of the cluster, by its last ceremony that says so.
type Authority struct {
	Name, Family, Use string // Use: issue, or trust
	// Certificate is its newest on record: made, received or adopted; false: it is
	// not on these records.
	Certificate Certificate
	OnRecord    bool
}

// Authorities are those that the cluster continues with, in the order of its last plan.
// It is nil for records from before a family could have several, which do not say.
func (h *History) Authorities() []Authority {
	for _, r := range h.own {
		if r.Standing == nil {
			continue
		}
		var list []Authority
		for _, s := range r.Standing {
			c, ok := h.Newest(s.Name)
			list = append(list, Authority{s.Name, s.Family, s.Use, c, ok})
		}
		return list
	}
	return nil
}

// Generations are all certificates of authorities that the cluster's ceremonies
// made, received or adopted, oldest first.
func (h *History) Generations() []Certificate {
	var list []Certificate
	for _, r := range slices.Backward(h.own) {
		for _, i := range r.table.byName {
			w := r.table.row(i)
			if w.state != Abandoned && r.table.names[w.node] == "" {
				list = append(list, r.certificate(i))
			}
		}
	}
	return list
}
