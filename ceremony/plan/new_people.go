package plan

import (
	"fmt"

	"officiant/ceremony/approval"
)

func (w *writer) people(p approval.People) {
	w.comment(0, "", "Who has to approve the plan before it runs, how many of them, and who witnesses:",
		"administrators and officers approve, each with an SSH key of their own. The next",
		"ceremony needs their approval to have others (see docs/approval.md).")
	if p.Nobody() {
		w.comment(0, "approvals: 2", "people:", `  - {name: alice, role: officer, key: "ssh-ed25519 AAAA…"}`)
		return
	}
	fmt.Fprintf(w, "approvals: %d\n", p.Threshold)
	w.open(0, "people")
	for _, one := range p.List {
		fmt.Fprintf(w, "  - {name: %s, role: %s, key: %q}\n", scalar(one.Name), one.Role, one.Key)
	}
}
