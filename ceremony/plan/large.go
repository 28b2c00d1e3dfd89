package plan

import (
	"reflect"
	"sort"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

const (
	// largeSize is from where on a plan's nodes are read in pieces: as a tree, YAML
	// takes some hundred times its size.
	largeSize = 128 << 10
	pieceSize = 8 << 10
	// maxTree bounds what is read as one tree: what a plan says besides its nodes, and
	// the whole of one whose nodes are not a list in the common form.
	maxTree = 256 << 10
)

// piece is a part of the list nodes that was read on its own.
type piece struct {
	item       int // the first one's index in the list
	begin, end int // its lines, from 0
}

// readLarge reads a plan of many nodes, a piece of them at a time. It reads only what
// is right, and only lists in the common form; for all else it says false: then the
// plan has to be read as a whole, which tells what is wrong and where, and bad reads
// the part that is wrong for one too large for that.
func (r *Report) readLarge() (p *Plan, bad string, ok bool) {
	first, end := nodeLines(r.lines)
	if first == 0 {
		return nil, "", false
	}
	p = &Plan{}
	if !readPiece(p, r.besides(first, end)) || len(p.Nodes) > 0 {
		return nil, r.besides(first, end), false
	}
	dash := r.lines[first][:strings.IndexByte(r.lines[first], '-')+1]
	for begin := first; begin < end; {
		size, next := 0, begin
		for ; next < end && (size < pieceSize || !strings.HasPrefix(r.lines[next], dash)); next++ {
			size += len(r.lines[next]) + 1
		}
		var part Plan
		if !readPiece(&part, "nodes:\n"+strings.Join(r.lines[begin:next], "\n")) || len(part.Nodes) == 0 {
			return nil, r.padded(begin, next), false
		}
		r.pieces = append(r.pieces, piece{len(p.Nodes), begin, next})
		p.Nodes = append(p.Nodes, part.Nodes...)
		begin = next
	}
	return p, "", true
}

// besides is the plan without its nodes, each line where it was.
func (r *Report) besides(first, end int) string {
	lines := append(r.lines[:first-1:first-1], "nodes: []"+ends(end-first))
	return strings.Join(append(lines, r.lines[end:]...), "\n")
}

// padded is a piece of the list nodes, each line where it is in the plan.
func (r *Report) padded(begin, end int) string {
	return ends(begin-1) + "nodes:\n" + strings.Join(r.lines[begin:end], "\n")
}

// ends are the ends of n lines, the first of them that of a line before. Empty lines may not
// follow each other without end, so a comment stands in some.
func ends(n int) string {
	const apart = 50
	return strings.Repeat(strings.Repeat("\n", apart-1)+"#\n", n/apart) + strings.Repeat("\n", n%apart)
}

// refuseLarge says what is wrong with a plan too large to be read as a whole.
func (r *Report) refuseLarge(bad string) {
	if bad == "" {
		r.Refuse(
			nil,
			"has more than %d KiB, and its nodes are not a list as ceremony new writes it: \"nodes:\" on a line of its "+
				"own, and each node after \"- \"",
			maxTree>>10,
		)
		return
	}
	if _, end := nodeLines(r.lines); weight(bad) > maxTree {
		r.Refuse(nil, "has more than %d KiB besides its list of nodes, or in one of them; the list ends in line %d",
			maxTree>>10, end)
		return
	}
	root, ok := body(r, []byte(bad))
	if !ok {
		return
	}
	r.root = root
	decoder{Report: r}.value(root, reflect.ValueOf(&Plan{}).Elem(), "the plan")
	if r.root = nil; len(r.Problems) == 0 {
		r.Refuse(nil, "nodes are there twice, or in two forms")
	}
}

// inPiece finds a place in the list nodes of a large plan.
func (r *Report) inPiece(where At) (ast.Node, At) {
	item, _ := where[1].(int)
	i := sort.Search(len(r.pieces), func(i int) bool { return r.pieces[i].item > item }) - 1
	if i < 0 {
		return nil, nil
	}
	if p := r.pieces[i]; r.part == nil || r.partItem != p.item {
		r.part, _ = body(&Report{}, []byte(r.padded(p.begin, p.end)))
		r.partItem = p.item
	}
	return r.part, append(At{"nodes", item - r.pieces[i].item}, where[2:]...)
}

// weight is a text's length without its empty lines, which stand for what is elsewhere.
func weight(text string) int {
	n := len(text)
	for i := 1; i < len(text); i++ {
		if text[i] == '\n' && text[i-1] == '\n' {
			n--
		}
	}
	return n
}

func readPiece(into *Plan, text string) bool {
	if weight(text) > maxTree {
		return false
	}
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
