package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"officiant/bundle/install"
	"officiant/cmd/internal/exit"
)

func newRollbackCommand(o *options) *cobra.Command {
	var root string
	var dryRun bool
	c := &cobra.Command{
		Use:   "rollback",
		Short: "Restore the files that the last install replaced",
		Long: `Rollback restores the files of /etc/kubernetes as they were before the last install, all
or nothing, once. To go forward, install the newest bundle again. The node still refuses
bundles older than the newest it has seen.`,
		Args: exit.ExactArgs(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			node := &install.Node{Root: root, Disk: o.Disk, Now: o.Now}
			r, err := node.Rollback(dryRun)
			if errors.Is(err, install.ErrNoWayBack) {
				return fmt.Errorf("rollback below %s: %w", root, err)
			}
			if err != nil {
				return refused(err)
			}
			return printRollback(o.Stdout, r, root, dryRun)
		},
	}
	c.Flags().StringVar(&root, "root", "/", "directory that etc/kubernetes is below")
	c.Flags().BoolVar(&dryRun, "dry-run", false, "show what would change, file by file; write nothing")
	return c
}

func printRollback(w io.Writer, r *install.Report, root string, dryRun bool) error {
	if r.Finished != "" {
		fmt.Fprintf(w, "finished the %s that had been interrupted\n", r.Finished)
		if r.Finished == "rollback" {
			_, err := fmt.Fprintf(w, "installed on node %s of cluster %s: %s\n", r.Node, r.Cluster,
				sequence(r.Sequence))
			return err
		}
	}
	verb := "rolled back"
	if dryRun {
		verb = "would roll back"
	}
	for _, path := range r.Aside {
		fmt.Fprintf(w, "the kubelet has since created %s, which is moved aside for the previous one\n", path)
	}
	fmt.Fprintf(w, "%s node %s of cluster %s from %s to %s\n", verb, r.Node, r.Cluster, sequence(r.Before), sequence(r.Sequence))
	if dryRun {
		printDiff(w, r)
		return printReaders(w, r, root)
	}
	return printChanges(w, r, root)
}

func sequence(n int) string {
	if n == 0 {
		return "no bundle"
	}
	return fmt.Sprintf("sequence %d", n)
}
