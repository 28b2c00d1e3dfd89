package plan

import (
	"reflect"
	"strings"
)

const (
	// largeSize is from where on a plan's nodes are read in pieces: as a tree, YAML
	// takes some hundred times its size.
	largeSize = 128 << 10
	pieceSize = 32 << 10
)

// readLarge reads a plan of many nodes, a piece of them at a time. It reads only what
// is right, and only lists in the common form; for all else it says false, and the
// plan has to be read as a whole, which tells what is wrong and where.
func readLarge(lines []string) (*Plan, bool) {
	first, end := nodeLines(lines)
	if first == 0 {
		return nil, false
	}
	p := &Plan{}
	rest := strings.Join(lines[:first-1], "\n") + "\nnodes: []\n" + strings.Join(lines[end:], "\n")
	if !readPiece(p, rest) || len(p.Nodes) > 0 {
		return nil, false
	}
	dash := lines[first][:strings.IndexByte(lines[first], '-')+1]
	for begin := first; begin < end; {
		size, next := 0, begin
		for ; next < end && (size < pieceSize || !strings.HasPrefix(lines[next], dash)); next++ {
			size += len(lines[next]) + 1
		}
		var piece Plan
		if !readPiece(&piece, "nodes:\n"+strings.Join(lines[begin:next], "\n")) || len(piece.Nodes) == 0 {
			return nil, false
		}
		p.Nodes = append(p.Nodes, piece.Nodes...)
		begin = next
	}
	return p, true
}

func readPiece(into *Plan, text string) bool {
	r := &Report{lines: strings.Split(text, "\n")}
	root, ok := body(r, []byte(text))
	if !ok {
		return false
	}
	r.root = root
	decoder{Report: r}.value(root, reflect.ValueOf(into).Elem(), "the plan")
	return len(r.Problems) == 0
}

// nodeLines finds the lines of the list nodes: from its first item, which follows its
// key, to before the next key. first is 0 when it is not written so.
func nodeLines(lines []string) (first, end int) {
	for i, l := range lines {
		if strings.TrimRight(l, " \r") != "nodes:" {
			continue
		}
		first = i + 1
		if first == len(lines) || !strings.HasPrefix(strings.TrimLeft(lines[first], " "), "- ") {
			return 0, 0
		}
		for end = first; end < len(lines); end++ {
			l := lines[end]
			if l != "" && !strings.HasPrefix(l, " ") && !strings.HasPrefix(l, "- ") && !strings.HasPrefix(l, "#") {
				break
			}
		}
		return first, end
	}
	return 0, 0
}
