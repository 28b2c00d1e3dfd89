package audit

// Guarantee is what the checks come to for one of the guarantees.
type Guarantee struct {
	Number  int     `json:"number"`
	Text    string  `json:"guarantee"`
	Verdict Verdict `json:"verdict"` // holds, does not hold, or not checked
}

// Verdicts on a guarantee. One that holds in somebody else's ceremony is worth
// nothing: see Report.Verdict for that.
const (
	Holds      Verdict = "holds"
	Broken     Verdict = "does not hold"
	NotChecked Verdict = "not checked"
)

// guarantees are those that a directory can bear out. The others (no half output,
// no locked token, checking without this program) are of how the program behaves.
var guarantees = map[int]string{
	1: "nothing is signed that was not planned",
	2: "nothing is signed that is not recorded",
	3: "nothing bad is signed",
	4: "no CA key leaves",
	7: "no secret in sight",
	8: "tampering shows",
}

// Guarantees says what the checks come to, one guarantee after the other: broken
// by one problem, not checked when one of its checks could not be made, or not whole.
func (r *Report) Guarantees() []Guarantee {
	var out []Guarantee
	for _, n := range sortedKeys(guarantees) {
		g := Guarantee{Number: n, Text: guarantees[n], Verdict: Holds}
		for _, c := range r.Checks {
			switch {
			case c.Guarantee != n:
			case len(c.Problems) > 0 && r.Verdict() != Unfinished:
				g.Verdict = Broken
			case len(c.Problems) > 0:
				g.Verdict = NotChecked
			case (len(c.Unchecked) > 0 || c.Skipped != "" && c.Name != originCheck) && g.Verdict == Holds:
				g.Verdict = NotChecked
			}
		}
		out = append(out, g)
	}
	return out
}
