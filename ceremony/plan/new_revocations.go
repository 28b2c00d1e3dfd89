package plan

import "fmt"

// revocations writes what is revoked and the lists that say so; nothing when there
// are no lists.
func (w *writer) revocations(o NewOptions) {
	if len(o.CRLs) == 0 {
		return
	}
	w.comment(0, "", "Revocation lists to be signed. nextUpdate is when there will be another one.")
	w.open(0, "crls")
	for _, l := range o.CRLs {
		fmt.Fprintf(w, "  - {authority: %s, nextUpdate: %s}\n", scalar(l.Authority), l.NextUpdate)
	}
	if len(o.Revocations) == 0 {
		return
	}
	w.comment(0, "", "What is revoked: all of it, also by previous ceremonies, until it has ended. Who",
		"trusts an authority goes on trusting what is not on its list.")
	w.open(0, "revocations")
	for _, v := range o.Revocations {
		fmt.Fprintf(w, "  - serial: %q\n", v.Serial.Text(16))
		w.line(4, "authority", v.Authority)
		w.line(4, "reason", string(v.Reason))
		w.line(4, "comment", v.Comment)
	}
}

// left writes which nodes are gone for good; nothing when none is.
func (w *writer) left(nodes []string) {
	if len(nodes) == 0 {
		return
	}
	w.comment(0, "", "Nodes that have left the cluster for good: no later ceremony certifies them again",
		"without a new request that people vouch for.")
	w.flow(0, "left", nodes)
}

// journals writes what online signers recorded; nothing when none did.
func (w *writer) journals(list []Journal) {
	if len(list) == 0 {
		return
	}
	w.comment(0, "", "What an online signer signed since the last ceremony. line and head are what was kept",
		"elsewhere of its journal: nothing is missing up to there.")
	w.open(0, "journals")
	for _, j := range list {
		fmt.Fprintf(w, "  - file: %s\n    line: %d\n", scalar(j.File), j.Line)
		w.hash(4, "head", j.Head)
		w.flow(4, "grants", j.Grants)
		if j.New {
			w.comment(4, "It does not continue the journal that an earlier ceremony took in.")
			w.WriteString("    new: true\n")
		}
	}
}
