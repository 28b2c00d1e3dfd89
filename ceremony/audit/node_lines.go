package audit

import (
	"iter"

	"officiant/ceremony/schedule"
)

// nodeLines finds the lines of a node's leaves: a list of them for each node, in one slice.
type nodeLines struct {
	first map[string]int32 // by node: where its list begins
	lines []nodeLine
}

// nodeLine is a leaf's line, and where the next one of its node is; 0: nowhere.
type nodeLine struct{ line, next int32 }

func newNodeLines(p *schedule.Ceremony) nodeLines {
	l := nodeLines{map[string]int32{}, make([]nodeLine, 1)}
	for n := p.Len(); n > 0; n-- {
		if kind, node := p.Of(n); kind == schedule.LeafCertificate {
			l.lines = append(l.lines, nodeLine{int32(n), l.first[node]})
			l.first[node] = int32(len(l.lines) - 1)
		}
	}
	return l
}

// of are the lines of a node's leaves, in the schedule's order.
func (l nodeLines) of(node string) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := l.first[node]; i != 0; i = l.lines[i].next {
			if !yield(int(l.lines[i].line)) {
				return
			}
		}
	}
}
