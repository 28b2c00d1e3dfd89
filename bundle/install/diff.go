package install

import (
	"fmt"

	"officiant/bundle/contents"
)

// Difference is one thing a file says otherwise than before, in the words people
// compare.
type Difference = contents.Difference

// compare says in what two states of a file differ; either may be nil.
func compare(was, is *placed) []Difference { return contents.Compare(facts(was), facts(is)) }

// facts are what a file says, and its mode.
func facts(p *placed) []contents.Fact {
	if p == nil {
		return nil
	}
	mode := contents.Fact{Name: "mode", Values: []string{fmt.Sprintf("%04o", p.mode)}}
	return append(contents.Of(p.path, p.data), mode)
}
