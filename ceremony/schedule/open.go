package schedule

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/request"
	"officiant/ceremony/history"
	"officiant/ceremony/plan"
)

// ScheduleFile is the schedule's name beside the plan and in a ceremony directory.
const ScheduleFile = "schedule.txt"

// Options is what Open needs from outside.
type Options struct {
	// Now is when the ceremony is taken to begin: certificates the plan names
	// must be valid then and outlive what they issue. For a ceremony of the
	// past it is that ceremony's NotBefore.
	Now time.Time
	// Opened holds requests by node that this process has opened before, with their
	// files. One of the very same bytes is not opened again.
	Opened map[string]*request.Opened
	// Past is what this process has read of the ceremonies that the plan continues. A
	// record of the very same bytes is not read again.
	Past *history.History
	// Before is the same plan as this process has read it before, perhaps from
	// elsewhere: nor is a request of its, of the same digest.
	Before *Ceremony
	// Proven are plans that this process has read: the signatures in a request of theirs, of
	// the same digest, are not verified again.
	Proven []*Ceremony
	// Later leaves it to Prove to verify the signatures in the requests of nodes to which
	// nothing is sealed. Until then the plan has no public key of theirs.
	Later bool
	// Held says that a ceremony was held by the plan: what plans could have by
	// then, and are refused for now, is a warning.
	Held bool
	// Lean leaves Entries nil: All and Entry expand each line when it is asked for. Inputs has
	// not the plan, either, which Input reads again.
	Lean bool
}

// Open reads the plan at path and every input it names, below path's folder.
// A plan with mistakes is an *Invalid that lists them all.
func Open(path string, o Options) (*Ceremony, error) {
	folder, name := filepath.Split(path)
	if folder == "" {
		folder = "."
	}
	fsys, err := newRooted(folder)
	if err != nil {
		return nil, err
	}
	defer fsys.release()
	show := func(input string) string { return filepath.Join(folder, filepath.FromSlash(input)) }
	return open(fsys, name, path, show, o)
}

// OpenFS is Open over a file system that has the plan in its top folder.
func OpenFS(fsys fs.FS, name string, o Options) (*Ceremony, error) {
	return open(fsys, name, name, func(input string) string { return input }, o)
}

func open(fsys fs.FS, name, file string, show func(string) string, o Options) (*Ceremony, error) {
	data, err := readFile(fsys, name, plan.MaxSize)
	if err != nil {
		return nil, fmt.Errorf("plan %w", err)
	}
	r := &plan.Report{File: file, Show: show}
	p := plan.Read(r, data)
	if r.Broken() {
		return nil, r.Invalid()
	}
	sum := fingerprint.Of(data)
	if o.Before != nil && o.Before.Sums[plan.File] == sum && len(o.Before.Plan.Nodes) == len(p.Nodes) {
		p.Nodes = o.Before.Plan.Nodes // the same bytes say the same, and no pass changes them
	}
	b := base{r, &files{
		fsys: fsys, read: map[string][]byte{plan.File: data}, sums: map[string]fingerprint.SHA256{plan.File: sum},
		folded: map[string]string{plan.File: plan.File}, streamed: map[string]bool{},
	}, p, o.Now, o.Held}
	plan.CheckHeader(r, p)
	windowOf(b)
	facts := clusterOf(b)
	past := recordsOf(b, o.Past)
	people, former := peopleOf(b, past)
	cas := authoritiesOf(b, facts, past)
	releaseKeysOf(b, past, cas)
	nodes := nodesOf(b, facts, past, cas, o.Lean)
	sent := requestsOf(b, facts, past, cas, nodes, o)
	if facts.hold {
		identitiesOf(b, facts, past, nodes)
	}
	accountOf(b, past, nodes, sent)
	journals := journalsOf(b, past)
	lists := listsOf(b, facts, past, cas, nodes, sent)
	grantOf(b, facts, past, cas, nodes)
	if len(r.Problems) > 0 {
		return nil, r.Invalid()
	}
	facts.cluster.RevocationLists = lists.etcd != ""
	c := &Ceremony{
		Plan: p, File: file, Inputs: b.files.read, Sums: b.files.sums, Cluster: facts.cluster, Nodes: nodes.list,
		Requests: sent.requests, unproven: sent.unproven, Vouched: sent.vouched, Carried: sent.carried,
		Certificates: cas.certificates, Renewed: cas.renewed, Issuers: cas.issuers,
		Lists: lists.carried, EtcdList: lists.etcd, Sequence: past.sequence, People: people, Former: former,
		Journals: journals.list,
		reread:   func(input string) ([]byte, error) { return readAgain(fsys, name, input) },
		reopen:   func(input string) (fs.File, error) { return openFile(fsys, input, MaxJournal) },
		Past:     past.History, held: o.Held, algorithms: cas.algorithms, leaves: nodes.leaves,
		lean: o.Lean, Streamed: b.files.streamed,
	}
	if err := c.expand(lists.revoking); err != nil {
		return nil, err
	}
	if existingKeys(b, past, c); len(r.Problems) > 0 {
		return nil, r.Invalid()
	}
	c.Warnings = r.Warnings
	if o.Lean {
		delete(c.Inputs, plan.File)
	}
	c.scheduleSum = c.summed()
	c.Digest = fingerprint.Of(c.Listing())
	return c, nil
}

// readAgain reads an input again, which may be the plan itself, whatever its file's name.
func readAgain(fsys fs.FS, planName, input string) ([]byte, error) {
	if input == plan.File {
		return readFile(fsys, planName, plan.MaxSize)
	}
	return readFile(fsys, input, maxInput)
}
