package terminal

import (
	"fmt"
	"strings"
	"testing"
)

// TestQuiet: talk is held back, warnings and what is indented below them are not, and
// before a question all that was said is shown.
func TestQuiet(t *testing.T) {
	var out strings.Builder
	q := NewQuiet(&out)
	fmt.Fprint(q, "Wrote plan x.\nwarning: this\n  and this\nNext:  a\n  indented\nnote: that\nfind")
	fmt.Fprint(q, "ing: broken off\n\nsaid, and not ended")
	if want := "warning: this\n  and this\nnote: that\nfinding: broken off\n"; out.String() != want {
		t.Errorf("%q", out.String())
	}
	out.Reset()
	p := Prompter{Out: q}
	p.show("Name: ")
	if want := "Wrote plan x.\nNext:  a\n  indented\n\nsaid, and not endedName: "; out.String() != want {
		t.Errorf("%q", out.String())
	}
	fmt.Fprintln(q, "later")
	if strings.Contains(out.String(), "later") {
		t.Error("not held back after a question")
	}
}
