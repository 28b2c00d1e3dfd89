package audit

import (
	"crypto/x509"
	"fmt"
	"iter"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
)

// view is one look at one directory: what was read of it so far, for all checks to
// hold against each other. Checks do not change it, but for what is said at a field.
type view struct {
	o      Options
	tree   *tree
	report *Report // each check adds what it learned

	t      *record            // nil until it was read
	ledger *ledger            // what it says
	plan   *schedule.Ceremony // nil when the plan's copy does not expand
	nodes  nodeLines          // of leaves
	past   *past              // what previous ceremonies left on record

	kept map[string]map[string]*x509.Certificate // by node and file: carried over, or adopted; see keptAudit

	later []func() // what is left for the time when all checks were made

	missing map[string]bool // files that belong into the directory and are not there; see expect
}

// marked is a file's name in the directory. What a rehearsal made to be carried
// away says so: "release.rehearsal.pub".
func (a *view) marked(name string) string {
	if !a.t.Open().Rehearsal {
		return name
	}
	for _, kind := range []string{".crt", ".pub", ".tar", ".crl", ".crl.pem"} {
		if base, ok := strings.CutSuffix(name, kind); ok {
			return base + ".rehearsal" + kind
		}
	}
	return name + ".rehearsal"
}

// expect says that files belong into the directory. Whoever knows of one does.
func (a *view) expect(names ...string) {
	for _, n := range names {
		if f := a.tree.find(n); f != nil {
			f.belongs = true
			continue
		}
		a.missing[n] = true
	}
}

// leavesOf are the certificates that the schedule has for a node.
func (a *view) leavesOf(node string) iter.Seq[*schedule.Entry] {
	return func(yield func(*schedule.Entry) bool) {
		for n := range a.nodes.of(node) {
			if !yield(a.entry(n)) {
				return
			}
		}
	}
}

// entry returns a line of the schedule, or nil. It is expanded each time.
func (a *view) entry(n int) *schedule.Entry { return a.plan.Entry(n) }

// kind is that of a line of the schedule; empty when there is none.
func (a *view) kind(n int) schedule.Kind {
	kind, _ := a.plan.Of(n)
	return kind
}

// same says when a file is not there, or holds something else.
func (a *view) same(name string, want []byte) error {
	same, err := a.tree.holds(name, want)
	if err != nil {
		return err
	}
	if !same {
		return fmt.Errorf("%s: is not what the record says", name)
	}
	return nil
}

// filesOf reads the files of a folder, which is no bundle's, by their names in it.
func (a *view) filesOf(folder string) map[string][]byte {
	files := map[string][]byte{}
	for name := range a.tree.files {
		if base, ok := strings.CutPrefix(name, folder); ok {
			if data, err := a.tree.read(name); err == nil {
				files[base] = data
			}
		}
	}
	return files
}

// files is how many files there are beside the minutes, which tell that number:
// they have to be the same when they are made again.
func (a *view) files() int {
	n := a.tree.count()
	if a.t != nil && a.tree.has(a.marked(reportFile)) {
		n--
	}
	return n
}

// authority returns an authority's certificate: issued here, by others, or an input.
func (a *view) authority(name string) *x509.Certificate {
	if made := a.ledger.issued[name]; made != nil {
		return made.certificate()
	}
	if r := a.ledger.received(name); r != nil {
		return r.certificate
	}
	return a.plan.Certificates[name]
}

// family returns what the plan says of an authority's kind.
func (a *view) family(name string) kubepki.Authority {
	for _, p := range a.plan.Plan.Authorities {
		if p.Name == name {
			return p.Family
		}
	}
	return ""
}

// authorities are the certificates of those that issue, by family.
func (a *view) authorities() map[kubepki.Authority]*x509.Certificate {
	out := map[kubepki.Authority]*x509.Certificate{}
	for _, p := range a.plan.Plan.Authorities {
		if cert := a.authority(p.Name); cert != nil && p.Use != plan.Trust {
			out[p.Family] = cert
		}
	}
	return out
}

// trusted are the certificates of those that nodes trust beside them.
func (a *view) trusted() map[kubepki.Authority][]*x509.Certificate {
	out := map[kubepki.Authority][]*x509.Certificate{}
	for _, p := range a.plan.Plan.Authorities {
		if cert := a.authority(p.Name); cert != nil && p.Use == plan.Trust {
			out[p.Family] = append(out[p.Family], cert)
		}
	}
	return out
}

// parallel is parallel for what takes long: it tells how far it is.
func (a *view) parallel(n int, do func(i int)) {
	var done atomic.Int64
	parallel(n, func(i int) {
		do(i)
		if a.o.Progress != nil {
			a.o.Progress(int(done.Add(1)), n)
		}
	})
}

// parallel calls do with 0 to n-1, on all processors.
func parallel(n int, do func(i int)) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	workers.Wait()
}
