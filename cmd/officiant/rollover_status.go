package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"officiant/bundle/install"
	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
	"officiant/cmd/internal/exit"
)

// maxStatus is above what any node says of itself.
const maxStatus = 4 << 20

// readStatuses reads what nodes say of themselves, by node.
func readStatuses(dir string) (map[string]*install.Status, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(dir); err != nil {
		return nil, err
	} else if !info.IsDir() {
		return nil, refuse("--status %s: not a folder", dir)
	}
	out := map[string]*install.Status{}
	for _, file := range files {
		s, err := readStatus(file)
		if err != nil {
			return nil, &exit.Error{Code: exit.Refused, Err: err, Hints: []string{"on the node: officiant-node status -o json"}}
		}
		if s.Installed == nil {
			continue // it is missed by name
		}
		if out[s.Installed.Node] != nil {
			return nil, refuse("%s: a second status of node %s; keep the newer one", file, exit.Line(s.Installed.Node))
		}
		out[s.Installed.Node] = s
	}
	return out, nil
}

func readStatus(file string) (*install.Status, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxStatus {
		return nil, fmt.Errorf("%s: too long for a node's status", file)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	s := &install.Status{}
	if err := json.Unmarshal(data, s); err != nil || s.Root == "" {
		return nil, fmt.Errorf("%s: not a node's status", file)
	}
	return s, nil
}

// gate holds every node against the stage before, and returns those that are
// let through although they lag.
func (o *rolloverOptions) gate(chain []*predecessor, r *replacement) ([]string, error) {
	statuses, err := readStatuses(o.status)
	if err != nil {
		return nil, err
	}
	var behind error
	var late []string
	var nodes []kubepki.Node
	seen := map[string]bool{}
	for _, p := range chain { // newest first
		for _, n := range p.plan.Nodes {
			if !r.concerns(n.Roles) || seen[n.Name] || slices.Contains(o.without, n.Name) {
				continue
			}
			seen[n.Name] = true
			nodes = append(nodes, n)
			why := o.lags(chain, p, statuses[n.Name], r)
			switch {
			case why == "":
			case slices.Contains(o.lagging, n.Name):
				late = append(late, n.Name)
			default:
				behind = errors.Join(behind, fmt.Errorf("node %s: %s", n.Name, why))
			}
		}
	}
	for _, name := range o.lagging {
		if !slices.Contains(late, name) {
			return nil, refuse("--lagging %s: it does not lag behind, or is no node of these ceremonies", exit.Line(name))
		}
	}
	if behind != nil {
		return nil, &exit.Error{Code: exit.Refused, Err: behind, Hints: []string{
			"put that right on the node, and take its status again: officiant-node status -o json",
			"a node that is gone is left out: --without NODE; one that has to go straight to this stage: --lagging NODE"}}
	}
	return late, r.mayLag(nodes, late)
}

// mayLag allows what works while the lagging nodes install first: workers talk
// to API servers alone, which trust both generations or have new leaves; one
// other node finds all its peers so. Two would find each other otherwise.
func (o *rolloverOptions) mayLag(nodes []kubepki.Node, late []string) error {
	var others []string
	for _, n := range nodes {
		if slices.Contains(late, n.Name) && (n.Has(kubepki.ControlPlane) || n.Has(kubepki.Etcd)) {
			others = append(others, n.Name)
		}
	}
	if len(others) > 1 && (o.stage == stageIssue || o.stage == stageDrop) {
		return &exit.Error{Code: exit.Refused,
			Err:   fmt.Errorf("nodes %s lag behind together: whichever installs first, the other does not trust it", strings.Join(others, ", ")),
			Hints: []string{"bring all but one to the stage before: its bundles are in that ceremony's directory"}}
	}
	return nil
}

// lags says how a node is not where the stage before leaves it; empty when it
// is. made is the newest ceremony that made a bundle for it.
func (o *rolloverOptions) lags(chain []*predecessor, made *predecessor, s *install.Status, r *replacement) string {
	switch {
	case s == nil:
		return "no status of it in " + o.status + ", or nothing is installed there"
	case s.Interrupted != "":
		return "an interrupted " + exit.Line(s.Interrupted) + " has to be finished: run officiant-node install again"
	case len(s.Findings) > 0:
		return fmt.Sprintf("its files are not as they were installed: %s", exit.Line(s.Findings[0].String()))
	}
	if o.stage == stageDrop && len(s.AdoptedKeys) > 0 {
		return fmt.Sprintf("private keys of authorities that kubeadm made are still on it, and the bundle of this stage would be refused: %s",
			exit.Line(strings.Join(s.AdoptedKeys, ", ")))
	}
	i := slices.IndexFunc(chain, func(p *predecessor) bool { return p.open.Digest == s.Installed.Ceremony })
	if i < 0 {
		return fmt.Sprintf("ceremony %d, which its bundle is of, is none of those given", s.Installed.Sequence)
	}
	if has := chain[i]; has != made {
		return fmt.Sprintf("it has the bundle of ceremony %d installed; install that of ceremony %d, %s", has.open.Sequence, made.open.Sequence,
			filepath.Join(made.dir, "bundles", made.node(s.Installed.Node)+".tar"))
	}
	return r.lags(made, s)
}

// generationLags says what of the stage before is missing in the newest bundle
// that was made for a node.
func (o *rolloverOptions) generationLags(made *predecessor, moves []move) string {
	for _, m := range moves {
		if o.stage != stageIssue && o.stage != stageDrop {
			break
		}
		use, ok := made.use(m.next)
		if !ok {
			return fmt.Sprintf("it does not trust %s: no bundle of the stage before was made for it", m.next)
		}
		if o.stage == stageDrop && use != plan.Issue {
			return fmt.Sprintf("its certificates are by %s still: no bundle of the stage before was made for it", m.old)
		}
	}
	return ""
}

// node is a node's name as this ceremony has it: what a status says is others'.
func (l *predecessor) node(name string) string {
	for _, n := range l.plan.Nodes {
		if n.Name == name {
			return n.Name
		}
	}
	return "NODE"
}

// use is what an authority did in a ceremony.
func (l *predecessor) use(name string) (plan.Use, bool) {
	for _, a := range l.plan.Plan.Authorities {
		if a.Name == name {
			return a.Use, true
		}
	}
	return "", false
}
