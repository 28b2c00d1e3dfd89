package schedule

import (
	"crypto/x509"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubeadm"
	"officiant/bundle/kubepki"
	"officiant/bundle/request"
	"officiant/ceremony/plan"
	"officiant/signer"
)

// ScheduleFile is the schedule's name beside the plan and in a ceremony directory.
const ScheduleFile = "schedule.txt"

// Options is what Open needs from outside.
type Options struct {
	// Now is when the ceremony is taken to begin: certificates the plan names
	// must be valid then and outlive what they issue. For a ceremony of the
	// past it is that ceremony's NotBefore.
	Now time.Time
	// Opened holds requests by node that this process has opened before. One of
	// the very same bytes is not opened again.
	Opened map[string]*request.Opened
	// Held says that a ceremony was held by the plan: what plans could have by
	// then, and are refused for now, is a warning.
	Held bool
}

// Open reads the plan at path and every input it names, below path's folder.
// A plan with mistakes is an *Invalid that lists them all.
func Open(path string, o Options) (*Ceremony, error) {
	folder, name := filepath.Split(path)
	if folder == "" {
		folder = "."
	}
	// A root does not follow links that lead out of it.
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return open(root.FS(), name, path, func(input string) string { return filepath.Join(folder, filepath.FromSlash(input)) }, o)
}

// OpenFS is Open over a file system that has the plan in its top folder.
func OpenFS(fsys fs.FS, name string, o Options) (*Ceremony, error) {
	return open(fsys, name, name, func(input string) string { return input }, o)
}

// builder makes a Ceremony of a plan and gathers what is wrong on the way.
type builder struct {
	*plan.Report
	fsys    fs.FS
	now     time.Time
	held    bool
	before  map[string]*request.Opened
	p       *plan.Plan
	c       *Ceremony
	kubeadm *kubeadm.Config   // nil when the plan names none
	folded  map[string]string // input paths by their lower-case form
	leaves  map[string][]kubepki.Leaf
	sealed  *accountRecords // of this cluster's newest ceremony that had pairs; nil when none had
	// Release keys as this cluster's predecessor left them; nil when there is none.
	released   *releaseRecord
	neighbours []neighbour                  // former ceremonies of other clusters
	began      time.Time                    // of this cluster's predecessor; zero when there is none
	past       *former                      // what this cluster's predecessor issued; read when it matters
	pastErr    error                        // why that cannot be read
	chain      []string                     // this cluster's former transcripts, newest first
	present    map[string]*x509.Certificate // what nodes have now, by the schedule's name; see newest
	hosts      *KnownHosts                  // nil when the plan names none
	byHost     map[string]string            // nodes by their names in knownHosts, in lower case
	said       map[string]bool              // what is wrong with the cluster's extras, said already
	// SSH keys that vouched for a node, in wire format
	hostKeys map[string]string

	revoking *revoking // what the revocation lists are made from
}

func open(fsys fs.FS, name, file string, show func(string) string, o Options) (*Ceremony, error) {
	data, err := readFile(fsys, name, plan.MaxSize)
	if err != nil {
		return nil, fmt.Errorf("plan %w", err)
	}
	r := &plan.Report{File: file, Show: show}
	p := plan.Read(r, data)
	if len(r.Problems) > 0 {
		return nil, r.Invalid()
	}
	b := &builder{
		Report: r, fsys: fsys, now: o.Now, held: o.Held, before: o.Opened, p: p,
		c: &Ceremony{
			Plan: p, File: file, Inputs: map[string][]byte{plan.File: data},
			Requests: map[string]*request.Opened{}, Vouched: map[string]Vouch{}, Certificates: map[string]*x509.Certificate{},
			Renewed:    map[string]*x509.Certificate{},
			Carried:    map[string]map[string]*x509.Certificate{},
			algorithms: map[string]signer.Algorithm{},
		},
		folded: map[string]string{plan.File: plan.File},
		leaves: map[string][]kubepki.Leaf{}, hostKeys: map[string]string{}, said: map[string]bool{},
	}
	plan.CheckHeader(r, p)
	facts := b.cluster()
	b.previous()
	b.people()
	b.authorities()
	b.clusters()
	b.release()
	b.knownHosts()
	b.nodes(facts)
	if facts {
		identities{r, o.Held, p, b.c.Cluster, b.c.Nodes, b.leaves, nil}.check()
	}
	b.serviceAccount()
	b.requestFiles()
	b.revocations()
	if len(r.Problems) > 0 {
		return nil, r.Invalid()
	}
	if err := b.expand(); err != nil {
		return nil, err
	}
	b.c.Warnings, b.c.leaves = r.Warnings, b.leaves
	b.c.Schedule = schedule(b.c)
	b.c.Digest = fingerprint.Of(b.c.Listing())
	return b.c, nil
}
