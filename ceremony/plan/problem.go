package plan

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// Invalid lists everything wrong with a plan and its inputs. Nothing may be
// signed by it.
type Invalid struct{ Problems []Problem }

// Error has a line for each problem, and excerpts of the plan below.
func (e *Invalid) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// String is "FILE:LINE:COLUMN: MESSAGE" with the excerpt below.
func (p Problem) String() string {
	s := p.Place() + ": " + p.Message
	if p.Excerpt != "" {
		s += "\n" + p.Excerpt
	}
	return s
}

// Place is "FILE:LINE:COLUMN", as far as it is known.
func (p Problem) Place() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Report gathers what is wrong with a plan.
type Report struct {
	File     string              // the plan's name in messages
	Show     func(string) string // an input's name in messages
	lines    []string            // of the plan
	pieces   []piece             // of a large plan's nodes; it is never one tree
	part     ast.Node            // the last of them that a place was asked for in
	partItem int
	root     ast.Node // of the plan; nil until a place in it is asked for
	Problems []Problem
	Warnings []Problem

	failed []At                      // values that could not be read
	meant  map[token.Position]string // keys that are misspelt
	broken bool                      // more than values could not
}

// Broken says that a plan cannot be looked at any further.
func (r *Report) Broken() bool { return r.broken }

// follows says whether a problem at a place follows from a value there that could
// not be read: it is the value's own, or of the item that lacks it.
func (r *Report) follows(where At) bool {
	for _, f := range r.failed {
		n := min(len(f), len(where))
		if n == len(f) || n >= 2 || n == 1 && len(f) == 2 {
			if n > 0 && slices.Equal(f[:n], where[:n]) {
				return true
			}
		}
	}
	return false
}

// At is a place in the plan: keys and indexes from the top.
type At []any

// Refuse notes a problem at a place of the plan, or at the closest one there is.
func (r *Report) Refuse(where At, format string, args ...any) {
	p := r.problem(where, format, args...)
	p.follows = r.follows(where)
	r.Problems = append(r.Problems, p)
}

// Warn notes what people have to know of a plan that is carried out all the same.
func (r *Report) Warn(where At, format string, args ...any) {
	r.Warnings = append(r.Warnings, r.problem(where, format, args...))
}

// RefuseInput notes a problem of an input file.
func (r *Report) RefuseInput(path, format string, args ...any) {
	r.Problems = append(r.Problems, Problem{File: r.Show(path), Message: fmt.Sprintf(format, args...)})
}

// refuseNode notes a problem at a node of the plan's tree.
func (r *Report) refuseNode(n ast.Node, format string, args ...any) {
	r.refuseToken(start(n), format, args...)
}

func (r *Report) refuseToken(t *token.Token, format string, args ...any) {
	p := Problem{File: r.File, Message: fmt.Sprintf(format, args...)}
	r.place(&p, t)
	r.Problems = append(r.Problems, p)
}

func (r *Report) problem(where At, format string, args ...any) Problem {
	p := Problem{File: r.File, Message: fmt.Sprintf(format, args...)}
	if n := r.find(where); n != nil {
		r.place(&p, start(n))
	}
	return p
}

func (r *Report) place(p *Problem, t *token.Token) {
	if t == nil || t.Position == nil {
		return
	}
	p.Line, p.Column = t.Position.Line, t.Position.Column
	p.Excerpt = r.excerpt(p.Line, p.Column)
}

// tree is the plan as YAML. It is far larger than the plan, and needed only for the
// places of findings: it is let go when the plan is read, and made again for them.
func (r *Report) tree() ast.Node {
	if r.root == nil && len(r.lines) > 0 {
		text := strings.Join(r.lines, "\n")
		if r.pieces != nil {
			text = r.besides(r.pieces[0].begin, r.pieces[len(r.pieces)-1].end)
		}
		r.root, _ = body(&Report{}, []byte(text))
	}
	return r.root
}

// find descends to a place and stops early where the plan says nothing. A
// section that is not there at all has no place.
func (r *Report) find(where At) ast.Node {
	var n ast.Node
	if len(where) > 1 && where[0] == "nodes" && r.pieces != nil {
		n, where = r.inPiece(where)
	} else {
		n = r.tree()
	}
	for i, step := range where {
		var next ast.Node
		switch s := step.(type) {
		case string:
			next = r.child(n, s)
		case int:
			if l, ok := n.(*ast.SequenceNode); ok && s < len(l.Values) {
				next = l.Values[s]
			}
		}
		if next == nil && i == 0 {
			return nil
		}
		if next == nil {
			return n
		}
		n = next
	}
	if len(where) == 0 {
		return nil
	}
	return n
}

// Says tells whether the plan has something at that very place.
func (r *Report) Says(where At) bool {
	n := r.tree()
	for _, step := range where {
		key, ok := step.(string)
		if !ok {
			return false
		}
		if n = r.child(n, key); n == nil {
			return false
		}
	}
	return n != nil
}

func (r *Report) child(n ast.Node, key string) ast.Node {
	m, ok := n.(*ast.MappingNode)
	if !ok {
		return nil
	}
	for _, v := range m.Values {
		if t := v.Key.GetToken(); t.Value == key || t.Position != nil && r.meant[*t.Position] == key {
			return v.Value
		}
	}
	return nil
}

// start is where a node begins: a mapping in block style at its first key.
func start(n ast.Node) *token.Token {
	if m, ok := n.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		return m.Values[0].Key.GetToken()
	}
	return n.GetToken()
}

// excerpt shows a line and marks a column, at most 72 columns of it.
func (r *Report) excerpt(line, column int) string {
	if line < 1 || line > len(r.lines) {
		return ""
	}
	text := []rune(strings.TrimRight(r.lines[line-1], "\r"))
	for i, c := range text {
		if !printable(c) || c == '\t' {
			text[i] = ' '
		}
	}
	const width = 72
	mark := min(max(column-1, 0), len(text))
	if from := mark - width/2; from > 0 && len(text) > width {
		text, mark = text[from:], mark-from
	}
	if len(text) > width {
		text = text[:width]
	}
	number := fmt.Sprintf("%5d | ", line)
	return fmt.Sprintf(
		"%s%s\n%s%s^",
		number,
		string(text),
		strings.Repeat(" ", len(number)-2)+"| ",
		strings.Repeat(" ", mark),
	)
}

// Invalid returns the problems in the order of the plan's lines, those of
// inputs last.
func (r *Report) Invalid() *Invalid {
	sort.SliceStable(r.Problems, func(i, j int) bool {
		a, b := r.Problems[i], r.Problems[j]
		if own := a.File == r.File; own != (b.File == r.File) {
			return own
		}
		if a.File != b.File {
			return a.File < b.File
		}
		if a.Line != b.Line {
			return a.Line < b.Line
		}
		return a.Column < b.Column
	})
	causes := slices.DeleteFunc(slices.Clone(r.Problems), func(p Problem) bool { return p.follows })
	return &Invalid{causes}
}
