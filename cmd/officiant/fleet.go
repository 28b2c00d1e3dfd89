package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"officiant/bundle/phrase"
	"officiant/ceremony/fleet"
	"officiant/ceremony/history"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/output"
	"officiant/cmd/internal/terminal"
)

func newFleetCommand(o *options) *cobra.Command {
	return exit.Group(&cobra.Command{
		Use:   "fleet",
		Short: "Publish bundles for nodes that fetch them, and see which node has which",
	}, newFleetPublishCommand(o), newFleetStatusCommand(o))
}

type publishOptions struct {
	*options
	to, status, cluster string
	waves, lagging      []string
}

func newFleetPublishCommand(o *options) *cobra.Command {
	p := &publishOptions{options: o}
	c := &cobra.Command{
		Use:   "publish [CEREMONY...] --to DIR [--wave NAME=NODE,...]",
		Short: "Publish the newest bundles for nodes that fetch them, in waves",
		Long: `Publish what a web server or a share serves to "officiant-node sync": a file NODE.tar for
each node of the cluster, from the newest of these ceremonies that made a bundle for it.
If that bundle would change nothing on the node, the published one stays: an etcd
rollover needs no install on workers.

Waves come in the order given. A wave's bundles are published once every node of the
earlier waves is well by its signed status, in DIR/status or --status. Nodes that no wave
names come last. Repeat the command until no node waits: exit code 7 means that one does.
A node that failed holds up the next wave until a newer bundle fixes it, or --lagging
names it. DIR serves one cluster.` + directoriesHelp,
		Args: o.someDirectories,
		RunE: func(_ *cobra.Command, args []string) error { return p.run(o.directories(args)) },
	}
	f := c.Flags()
	f.StringVar(&p.to, "to", "", "`DIR` to publish bundles in (required)")
	f.StringArrayVar(
		&p.waves,
		"wave",
		nil,
		"`NAME=NODE,...`: these nodes together, before later waves; repeatable",
	)
	f.StringSliceVar(&p.lagging, "lagging", nil, "do not wait for this `NODE`; repeatable")
	f.StringVar(&p.status, "status", "", "`DIR` where nodes leave their statuses (default DIR/status of --to)")
	clusterFlag(c, &p.cluster)
	return c
}

// wavesOf reads NAME=NODE,NODE.
func wavesOf(texts []string) ([]fleet.Wave, error) {
	var waves []fleet.Wave
	for _, text := range texts {
		name, nodes, ok := strings.Cut(text, "=")
		if !ok || name == "" || nodes == "" {
			return nil, exit.Usagef("--wave %q: not of the form NAME=NODE,NODE", text)
		}
		if slices.ContainsFunc(waves, func(w fleet.Wave) bool { return w.Name == name }) {
			return nil, exit.Usagef("--wave %s is given twice", name)
		}
		waves = append(waves, fleet.Wave{Name: name, Nodes: strings.Split(nodes, ",")})
	}
	return waves, nil
}

func (p *publishOptions) run(dirs []string) error {
	if p.to == "" {
		return exit.Usagef("fleet publish needs --to DIR")
	}
	waves, err := wavesOf(p.waves)
	if err != nil {
		return err
	}
	h, err := historyOf(dirs, p.cluster)
	if err != nil {
		return err
	}
	folder := &fleet.Folder{Dir: p.to, Status: p.status, Disk: p.Disk, Now: p.Now()}
	done, err := folder.Publish(h, waves, p.lagging)
	if err != nil {
		return &exit.Error{Code: exit.Refused, Err: err}
	}
	return p.tell(done)
}

// historyOf is the record of one cluster.
func historyOf(dirs []string, cluster string) (*history.History, error) {
	archive, err := find(dirs)
	if err != nil {
		return nil, err
	}
	clusters := archive.Clusters()
	switch {
	case cluster == "" && len(clusters) > 1:
		return nil, &exit.Error{Code: exit.Refused, Hints: []string{"say whose bundles: --cluster NAME"},
			Err: fmt.Errorf("there are ceremonies of several clusters here: %s", strings.Join(clusters, ", "))}
	case cluster == "":
		cluster = clusters[0]
	}
	h, err := archive.History(cluster)
	if err != nil {
		return nil, &exit.Error{Code: exit.Refused, Err: err,
			Hints: []string{"to see what is wrong: officiant ceremony verify DIR"}}
	}
	return h, nil
}

func (p *publishOptions) tell(done *fleet.Publication) error {
	for _, l := range []struct {
		what  string
		nodes []string
	}{
		{"published", done.Published}, {"up to date", done.Stands}, {"waits for its wave", done.Waits},
		{"removed, the node has left", done.Removed},
	} {
		for _, node := range l.nodes {
			fmt.Fprintf(p.Stdout, "%-22s %s\n", l.what, exit.Line(node))
		}
	}
	if len(done.Waits) == 0 {
		return nil
	}
	for _, n := range done.For {
		fmt.Fprintf(p.Stderr, "not yet well: %s (%s) %s\n", exit.Line(n.Node), n.State, exit.Line(n.Reason))
	}
	return &exit.Error{
		Code: exit.Expiring,
		Err: fmt.Errorf("%s wait until %s before them well", phrase.Count(len(done.Waits), "node"),
			isOrAre(len(done.For))),
		Hints: []string{"officiant fleet status " + p.to, "then the same command again"},
	}
}

func isOrAre(n int) string {
	if n == 1 {
		return "the one is"
	}
	return fmt.Sprintf("the %d are", n)
}

func newFleetStatusCommand(o *options) *cobra.Command {
	var status string
	var format output.Format
	c := &cobra.Command{
		Use:   "status DIR",
		Short: "Show which node has which bundle, which lag, and which failed and why",
		Long: `For each node of a folder that "fleet publish" filled, show the bundle it should have, the
bundle it has by its own signed status, and the reason if they differ: it lags, its wave
waits, it rolled back, or its state is unknown. A week-old status counts as none. Exit
code 7 means that some node is not well.`,
		Args: exit.ExactArgs(1, "one published folder"),
		RunE: func(_ *cobra.Command, args []string) error {
			folder := &fleet.Folder{Dir: args[0], Status: status, Disk: o.Disk, Now: o.Now()}
			cluster, nodes, err := folder.Statuses()
			if errors.Is(err, fleet.ErrNothing) {
				return &exit.Error{Code: exit.Usage, Err: err,
					Hints: []string{"publish bundles there: officiant fleet publish CEREMONY… --to " + args[0]}}
			}
			if err != nil {
				return &exit.Error{Code: exit.Refused, Err: err}
			}
			return o.printFleet(cluster, nodes, format)
		},
	}
	c.Flags().StringVar(&status, "status", "", "`DIR` where nodes leave their statuses (default DIR/status)")
	output.Flag(c, &format)
	return c
}

// shownFleet is what fleet status prints.
type shownFleet struct {
	Cluster string       `json:"cluster"`
	Nodes   []fleet.Node `json:"nodes"`
	Behind  []string     `json:"behind"` // nodes that are not well
}

func (o *options) printFleet(cluster string, nodes []fleet.Node, format output.Format) error {
	shown := shownFleet{cluster, nodes, []string{}}
	for _, n := range nodes {
		if n.State != fleet.Well {
			shown.Behind = append(shown.Behind, n.Node)
		}
	}
	if format.Fields() {
		if err := format.Write(o.Stdout, shown); err != nil {
			return err
		}
	} else if err := o.fleetTable(nodes); err != nil {
		return err
	}
	if len(shown.Behind) == 0 {
		return nil
	}
	return &exit.Error{
		Code: exit.Expiring,
		Err:  fmt.Errorf("%s of %d not well", phrase.Count(len(shown.Behind), "node"), len(nodes)),
	}
}

func (o *options) fleetTable(nodes []fleet.Node) error {
	t := &terminal.Table{Header: []string{"NODE", "WAVE", "WANTED", "PUBLISHED", "HAS", "STATE", "SEEN", "REASON"}}
	number := func(n int) string {
		if n == 0 {
			return "–"
		}
		return fmt.Sprint(n)
	}
	for _, n := range nodes {
		seen := "–"
		if !n.Seen.IsZero() {
			seen = n.Seen.Format("2006-01-02 15:04")
		}
		// What a node says is its own.
		t.Add(exit.Line(n.Node), exit.Line(n.Wave), fmt.Sprint(n.Sequence), number(n.Published), number(n.Has),
			string(n.State), seen, exit.Line(n.Reason))
	}
	return t.Write(o.Stdout, terminal.Width(o.Stdout))
}
