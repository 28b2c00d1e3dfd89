package ceremony

import (
	"bufio"
	"fmt"
	"path/filepath"

	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

// Begun is the first line of the record in a ceremony directory; nil when it has none that
// can be read. A plan that goes on there may be opened with schedule.Options.Later: Run
// proves the requests of all nodes that something is still to be signed for.
func Begun(dir string) *transcript.Open {
	f, err := transcript.OpenFile(filepath.Join(dir, transcriptFile))
	if err != nil {
		return nil
	}
	defer f.Close()
	first, err := bufio.NewReader(f).ReadBytes('\n')
	if err != nil {
		return nil
	}
	l, err := transcript.Decode(first)
	if err != nil {
		return nil
	}
	open, ok := l.Record.(transcript.Open)
	if !ok {
		return nil
	}
	return &open
}

// triedBefore says whether this very program began the record that is there, of this plan.
// Another one may refuse what that one let pass.
func triedBefore(r *run) bool {
	open := Begun(r.dir.path)
	return open != nil && !r.rehearsal && open.Digest == r.Plan.Digest && open.Program == r.Program
}

func everyone(string) bool { return true }

// prove proves the requests of nodes, as far as that was left for later.
func prove(c *schedule.Ceremony, nodes func(string) bool) error {
	if err := schedule.Prove(c, nodes); err != nil {
		return &Refused{[]string{err.Error()}}
	}
	return nil
}

// proveRest proves the requests of all nodes that a certificate is missing of. Nothing will
// be signed by an authority for the others, and that they had the keys was proven, or there
// would be no certificate on record.
func (r *run) proveRest() error {
	if r.again && !r.resumed {
		return fmt.Errorf("%s: the record was there at the first step, and is not any more", r.dir.path)
	}
	missing := map[string]bool{}
	for n := range r.plan.Len() {
		if kind, node := r.plan.Of(n + 1); kind == schedule.LeafCertificate && !missing[node] &&
			!r.progress.Issued(r.plan.Entry(n+1).Name) {
			missing[node] = true
		}
	}
	return prove(r.plan, func(node string) bool { return missing[node] })
}
