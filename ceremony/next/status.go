package next

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"officiant/bundle/install"
	"officiant/bundle/kubepki"
)

// MaxStatus is above what any node says of itself, in bytes.
const MaxStatus = 4 << 20

// Statuses are what nodes say of themselves, by node.
type Statuses struct {
	Dir string // where they lie, for messages
	of  map[string]*install.Status
}

// ParseStatuses reads what `officiant-node status -o json` printed on each node.
func ParseStatuses(dir string, files []File) (Statuses, error) {
	out := Statuses{dir, map[string]*install.Status{}}
	for _, f := range files {
		s := &install.Status{}
		var err error
		if len(f.Data) > MaxStatus {
			err = fmt.Errorf("%s: too long for a node's status", f.Name)
		} else if json.Unmarshal(f.Data, s) != nil || s.Root == "" {
			err = fmt.Errorf("%s: not a node's status", f.Name)
		}
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
	}
	return out, nil
}

// gate holds every node against the stage before, and returns those that are let
// through although they lag.
func (r *rolling) gate() ([]string, error) {
	var behind error
	var late []string
	var nodes []kubepki.Node
	seen := map[string]bool{}
	for _, p := range r.chain.all { // newest first
		for _, n := range p.plan.Nodes {
			if !r.concerns(n.Roles) || seen[n.Name] || slices.Contains(r.Without, n.Name) || slices.Contains(r.Left, n.Name) {
				continue
			}
			seen[n.Name] = true
			if _, left := r.chain.Left(n.Name); left {
				continue
			}
			nodes = append(nodes, n)
			why := r.lags(p, r.Statuses.of[n.Name])
			switch {
			case why == "":
			case slices.Contains(r.Lagging, n.Name):
				late = append(late, n.Name)
			default:
				behind = errors.Join(behind, fmt.Errorf("node %s: %s", n.Name, why))
			}
		}
	}
	for _, name := range r.Lagging {
		if !slices.Contains(late, name) {
			return nil, refuse("node %s does not lag behind, or is no node of these ceremonies", oneLine(name))
		}
	}
	if behind != nil {
		return nil, &Refused{Err: behind, Hints: append(
			plainly("put that right on the node, and take its status again: officiant-node status -o json"),
			Hint{Way: WayOfLaggards})}
	}
	if limited, ok := r.stage.(limited); ok {
		return late, limited.mayLag(nodes, late)
	}
	return late, nil
}

// lags says how a node is not where the stage before leaves it; empty when it is.
// made is the newest ceremony that made a bundle for it.
func (r *rolling) lags(made *Previous, s *install.Status) string {
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
	if has := r.chain.all[i]; has != made {
		return fmt.Sprintf(
			"it has the bundle of ceremony %d installed; install that of ceremony %d, %s",
			has.Open.Sequence,
			made.Open.Sequence,
			filepath.Join(made.Dir, "bundles", made.node(s.Installed.Node)+".tar"),
		)
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
