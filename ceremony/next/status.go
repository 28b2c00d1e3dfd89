package next

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"officiant/bundle"
	"officiant/bundle/install"
	"officiant/bundle/kubepki"
	"officiant/bundle/statement"
)

// MaxStatus is above what any node says of itself, in bytes.
const MaxStatus = 4 << 20

// Statuses are what nodes say of themselves, by node.
type Statuses struct {
	Dir    string // where they lie, for messages
	of     map[string]*install.Status
	signed map[string]*statement.Signed // those that nodes signed
}

// ParseStatuses reads what `officiant-node status -o json` printed on each node, or
// `officiant-node sync --status-to` left, signed. Whose signature that is, each use says.
func ParseStatuses(dir string, files []File) (Statuses, error) {
	out := Statuses{dir, map[string]*install.Status{}, map[string]*statement.Signed{}}
	for _, f := range files {
		s, signed, err := parseStatus(f)
		if err != nil {
			return out, &Refused{Err: err, Hints: plainly("on the node: officiant-node status -o json")}
		}
		if s.Installed == nil {
			continue // its node is named where it is missed
		}
		if out.of[s.Installed.Node] != nil {
			return out, refuse("%s: a second status of node %s; keep the newer one", f.Name, oneLine(s.Installed.Node))
		}
		out.of[s.Installed.Node] = s
		if signed != nil {
			out.signed[s.Installed.Node] = signed
		}
	}
	return out, nil
}

func parseStatus(f File) (*install.Status, *statement.Signed, error) {
	if len(f.Data) > MaxStatus {
		return nil, nil, fmt.Errorf("%s: too long for a node's status", f.Name)
	}
	if statement.Is(f.Data) {
		signed, err := statement.Parse(f.Data)
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		return signed.Status, signed, nil
	}
	s := &install.Status{}
	if json.Unmarshal(f.Data, s) != nil || s.Root == "" {
		return nil, nil, fmt.Errorf("%s: not a node's status", f.Name)
	}
	return s, nil, nil
}

// bundle is what a ceremony made for a node; nil when its directory has none.
func (l *Previous) bundle(node string) (*bundle.Bundle, error) {
	name := "bundles/" + node + ".tar"
	data, err := fs.ReadFile(l.folder, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return bundle.Parse(filepath.Join(l.Dir, name), data)
}

// unproven says why a signed status does not count; empty when it does, or when a person
// took it on the node.
func (r *rolling) unproven(has *Previous, node string) string {
	s := r.Statuses.signed[node]
	if s == nil {
		return ""
	}
	if s.Old(r.Now, statement.Life) {
		return fmt.Sprintf("its status is of %s, and counts no more", s.Time.Format(time.RFC3339))
	}
	b, err := has.bundle(node)
	if err == nil && b == nil {
		err = fmt.Errorf("%s has no bundle of it to hold its status against", has.Dir)
	}
	if err == nil {
		err = s.Check(b)
	}
	if err != nil {
		return "its status does not count: " + oneLine(err.Error())
	}
	if s.Sync.State == statement.RolledBack {
		return "it went back to what it has: " + oneLine(s.Sync.Reason)
	}
	return ""
}

// alike says whether what two ceremonies made for a node is the same to it: then it does
// not have to install the newer bundle.
func alike(a, b *Previous, node string) bool {
	x, err := a.bundle(node)
	if err != nil || x == nil {
		return false
	}
	y, err := b.bundle(node)
	return err == nil && y != nil && bundle.Alike(x, y)
}

// gate holds every node against the stage before, and returns those that are let
// through although they lag, and those although their kubelets need what goes.
func (r *rolling) gate() (late, stale []string, err error) {
	var behind error
	asked, _ := r.stage.(kubelets)
	var nodes []kubepki.Node
	seen := map[string]bool{}
	for _, p := range r.chain.all { // newest first
		for _, n := range p.plan.Nodes {
			concerned := r.concerns(n.Roles)
			if !concerned && asked == nil || seen[n.Name] || slices.Contains(r.Without, n.Name) ||
				slices.Contains(r.Left, n.Name) {
				continue
			}
			seen[n.Name] = true
			if _, left := r.chain.Left(n.Name); left {
				continue
			}
			nodes = append(nodes, n)
			s := r.Statuses.of[n.Name]
			why := r.lags(p, s, concerned)
			through := &late
			if why == "" && asked != nil {
				why, through = asked.asksBy(s), &stale
			}
			switch {
			case why == "":
			case slices.Contains(r.Lagging, n.Name):
				*through = append(*through, n.Name)
			default:
				behind = errors.Join(behind, fmt.Errorf("node %s: %s", n.Name, why))
			}
		}
	}
	for _, name := range r.Lagging {
		if !slices.Contains(late, name) && !slices.Contains(stale, name) {
			return nil, nil, refuse("node %s does not lag behind, or is no node of these ceremonies", oneLine(name))
		}
	}
	if behind != nil {
		return nil, nil, &Refused{Err: behind, Hints: append(
			plainly("put that right on the node, and take its status again: officiant-node status -o json"),
			Hint{Way: WayOfLaggards})}
	}
	if limited, ok := r.stage.(limited); ok {
		return late, stale, limited.mayLag(nodes, late)
	}
	return late, stale, nil
}

// lags says how a node is not where the stage before leaves it; empty when it is.
// made is the newest ceremony that made a bundle for it. A node that the stage does not
// concern has to have that bundle, and no more.
func (r *rolling) lags(made *Previous, s *install.Status, concerned bool) string {
	switch {
	case s == nil:
		return "no status of it in " + r.Statuses.Dir + ", or nothing is installed there"
	case s.Interrupted != "":
		return "an interrupted " + oneLine(s.Interrupted) + " has to be finished: run officiant-node install again"
	case len(s.Findings) > 0:
		return fmt.Sprintf("its files are not as they were installed: %s", oneLine(s.Findings[0].String()))
	}
	if r.Stage == Drop && len(s.AdoptedKeys) > 0 {
		return fmt.Sprintf(
			"private keys of authorities that kubeadm made are still on it, and the bundle of this stage would be refused: %s",
			oneLine(strings.Join(s.AdoptedKeys, ", ")),
		)
	}
	i := slices.IndexFunc(r.chain.all, func(p *Previous) bool { return p.Open.Digest == s.Installed.Ceremony })
	if i < 0 {
		return fmt.Sprintf("ceremony %d, which its bundle is of, is none of those given", s.Installed.Sequence)
	}
	has := r.chain.all[i]
	if why := r.unproven(has, s.Installed.Node); why != "" {
		return why
	}
	if has != made && !alike(has, made, made.node(s.Installed.Node)) {
		return fmt.Sprintf(
			"it has the bundle of ceremony %d installed; install that of ceremony %d, %s",
			has.Open.Sequence,
			made.Open.Sequence,
			filepath.Join(made.Dir, "bundles", made.node(s.Installed.Node)+".tar"),
		)
	}
	if !concerned {
		return ""
	}
	return r.stage.lags(made, s)
}

// node is a node's name as this ceremony has it: what a status says is others'.
func (l *Previous) node(name string) string {
	for _, n := range l.plan.Nodes {
		if n.Name == name {
			return n.Name
		}
	}
	return "NODE"
}

// oneAtATime allows what works while the lagging nodes install first: workers talk
// to API servers alone, which trust both generations or have new leaves; one other
// node finds all its peers so. Two would find each other otherwise.
func oneAtATime(nodes []kubepki.Node, late []string) error {
	var others []string
	for _, n := range nodes {
		if slices.Contains(late, n.Name) && (n.Has(kubepki.ControlPlane) || n.Has(kubepki.Etcd)) {
			others = append(others, n.Name)
		}
	}
	if len(others) > 1 {
		return &Refused{
			Err: fmt.Errorf(
				"nodes %s lag behind together: whichever installs first, the other does not trust it",
				strings.Join(others, ", "),
			),
			Hints: plainly("bring all but one to the stage before: its bundles are in that ceremony's directory"),
		}
	}
	return nil
}
