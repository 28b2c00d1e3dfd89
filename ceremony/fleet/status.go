package fleet

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"officiant/bundle"
	"officiant/bundle/fingerprint"
	"officiant/bundle/statement"
)

// State compares what a node has with what it is to have.
type State string

const (
	Well    State = "well"    // it has it, and nothing is amiss
	Waiting State = "waiting" // its wave is not published yet
	Lags    State = "lags"    // it is published, and the node does not have it yet
	Failed  State = "failed"  // the node went back, or what it has is not as it was installed
	Unknown State = "unknown" // no status, or none that counts
)

// Node is a node, what it is to have, and what it says of itself.
type Node struct {
	Wanted
	State  State     `json:"state"`
	Has    int       `json:"has,omitempty"` // sequence in place, as it says
	Seen   time.Time `json:"seen,omitzero"` // when it said so
	Reason string    `json:"reason,omitempty"`
}

// ErrNothing says that no bundles were published in a folder.
var ErrNothing = errors.New("nothing was published there")

// Statuses says which node has what, in the order of waves.
func (f *Folder) Statuses() (cluster string, nodes []Node, err error) {
	x, err := f.read()
	if err != nil {
		return "", nil, err
	}
	if x.Cluster == "" {
		return "", nil, fmt.Errorf("%s holds no %s: %w", f.Dir, indexFile, ErrNothing)
	}
	statuses, err := f.statuses()
	if err != nil {
		return "", nil, err
	}
	for _, w := range x.Nodes {
		b, err := f.published(w.Node)
		if err != nil {
			return "", nil, err
		}
		nodes = append(nodes, f.node(w, b, statuses[w.Node]))
	}
	return x.Cluster, nodes, nil
}

// said is a status file as it was found.
type said struct {
	signed *statement.Signed
	err    error
}

// statuses reads what nodes left. A file that is none speaks for the node of its name
// alone.
func (f *Folder) statuses() (map[string]said, error) {
	names, err := filepath.Glob(filepath.Join(f.statusDir(), "*.json"))
	if err != nil {
		return nil, err
	}
	out := map[string]said{}
	for _, name := range names {
		node := strings.TrimSuffix(filepath.Base(name), ".json")
		data, err := readUpTo(name, statement.MaxBytes+1)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var s *statement.Signed
		if err == nil {
			s, err = statement.Parse(data)
		}
		if err == nil && s.Node != node {
			err = fmt.Errorf("is of node %.100q", s.Node)
		}
		out[node] = said{s, err}
	}
	return out, nil
}

func readUpTo(name string, most int64) ([]byte, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a plain file")
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, most))
}

// node holds what a node says against what it is to have; b is what is published.
func (f *Folder) node(w Wanted, b *bundle.Bundle, is said) Node {
	n := Node{Wanted: w, State: Unknown}
	s := is.signed
	switch {
	case is.err != nil:
		n.Reason = fmt.Sprintf("its status does not count: %v", is.err)
		return n
	case s == nil:
		n.Reason = "it has left no status"
		return n
	}
	n.Seen, n.Has = s.Time, s.Sequence
	if s.Old(f.Now, statement.Life) {
		n.Reason = fmt.Sprintf("its status is of %s, and counts no more", s.Time.Format(time.RFC3339))
		return n
	}
	if !slices.Contains(w.Accepts, s.Bundle) {
		return f.behind(n, b, s)
	}
	if b == nil {
		n.Reason = "its status cannot be proven: no bundle of it is published"
		return n
	}
	if err := s.SignedFor(b); err != nil {
		n.Reason = fmt.Sprintf("its status is not its own: %v", err)
		return n
	}
	switch {
	case s.Status.Interrupted != "":
		n.State, n.Reason = Lags, "an "+s.Status.Interrupted+" is not finished"
	case len(s.Status.Findings) > 0:
		n.State, n.Reason = Failed, s.Status.Findings[0].String()
	case s.Sync.State == statement.RolledBack || s.Sync.State == statement.Failed:
		n.State, n.Reason = Failed, s.Sync.Reason
	case s.Sync.State == statement.Waiting:
		n.State, n.Reason = Lags, s.Sync.Reason
	default:
		n.State = Well
		if !s.Sync.Well() {
			n.Reason = s.Sync.Reason // it has it, and cannot read the place
		}
	}
	return n
}

// behind is a node that has another bundle in place.
func (f *Folder) behind(n Node, b *bundle.Bundle, s *statement.Signed) Node {
	n.State = Lags
	switch {
	case b == nil || !slices.Contains(n.Accepts, fingerprint.Of(b.Sums)):
		n.State = Waiting
	case s.Sync.State == statement.RolledBack && s.Sync.Sequence == n.Published:
		n.State = Failed
	}
	if !s.Sync.Well() {
		n.Reason = s.Sync.Reason
	}
	return n
}
