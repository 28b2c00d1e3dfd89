package ceremony

import "iter"

// groups cuts a sequence into groups of some size; the first is of another.
func groups[E any](of iter.Seq[E], first, size int) iter.Seq[[]E] {
	return func(yield func([]E) bool) {
		var group []E
		for e := range of {
			if group = append(group, e); len(group) < first {
				continue
			}
			if !yield(group) {
				return
			}
			group, first = nil, size
		}
		if len(group) > 0 {
			yield(group)
		}
	}
}

// length counts what a sequence has.
func length[E any](of iter.Seq[E]) (n int) {
	for range of {
		n++
	}
	return n
}
