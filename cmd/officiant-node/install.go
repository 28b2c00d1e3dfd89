package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"officiant/bundle"
	"officiant/bundle/fingerprint"
	"officiant/bundle/install"
	"officiant/cmd/internal/exit"
)

func newInstallCommand(o *options) *cobra.Command {
	var root, releaseKey, newRelease, newRoot string
	var dryRun bool
	var minSequence int
	c := &cobra.Command{
		Use:   "install BUNDLE --release-key FILE",
		Short: "Verify a bundle and install it, all or nothing",
		Long: `Install verifies a bundle (a folder or a .tar) as verify does, and checks that it was
made for this node's own keys. Then it opens the sealed service-account key, puts the
node's private keys beside their certificates and into the kubeconfigs, and installs
everything below /etc/kubernetes with kubeadm's names and modes, all or nothing. The
first install pins the root and the release key. If it is interrupted, run the same
command again.

A node refuses bundles older than the newest it has seen. A node that has seen none
cannot know the newest. If there was more than one ceremony, pass --min-sequence.

A bundle may announce the next release key. Once it is installed, the node accepts
bundles signed by that key, and the first of them replaces the previous key for good.
The node refuses any other key. If the release key was lost, compare the new key's
fingerprint over a different channel than its file, and pass it in words or hex with
--new-release-key. In the same way, --new-root accepts a root that this node does not
know.`,
		Args: exit.ExactArgs(1, "one bundle"),
		RunE: func(c *cobra.Command, args []string) error {
			if releaseKey == "" {
				return exit.Usagef("install needs --release-key, the ceremony's release.pub")
			}
			if minSequence < 0 {
				return exit.Usagef("--min-sequence is a number from 1, not %d", minSequence)
			}
			release, err := readReleaseKey(c.Context(), releaseKey)
			if err != nil {
				return err
			}
			comparedKey, err := spoken("new-release-key", newRelease)
			if err != nil {
				return err
			}
			comparedRoot, err := spoken("new-root", newRoot)
			if err != nil {
				return err
			}
			b, err := bundle.Open(args[0])
			if err != nil {
				return refused(err)
			}
			node := &install.Node{Root: root, Disk: o.Disk, Now: o.Now}
			r, err := node.Install(b, install.Options{
				Release: release, NewRelease: comparedKey, NewRoot: comparedRoot, DryRun: dryRun, MinSequence: minSequence})
			if err != nil {
				return refusedAfter(r, err)
			}
			return printInstall(o.Stdout, r, root, dryRun)
		},
	}
	c.Flags().StringVar(&root, "root", "/", "directory that etc/kubernetes and the node's state are below")
	c.Flags().StringVar(&releaseKey, "release-key", "", "the ceremony's release.pub, from a source you trust")
	c.Flags().StringVar(&newRelease, "new-release-key", "",
		"compared `FINGERPRINT` of --release-key, when it replaces a lost key")
	c.Flags().StringVar(&newRoot, "new-root", "",
		"compared `FINGERPRINT` of a root certificate in the bundle that replaces the pinned one")
	c.Flags().BoolVar(&dryRun, "dry-run", false,
		"check everything and show what would change, file by file; write nothing")
	c.Flags().IntVar(&minSequence, "min-sequence", 0,
		"refuse a bundle with a lower sequence; for a node without a bundle")
	return c
}

// spoken reads the fingerprint that people compared, in words or hex; nil when
// the flag was not given.
func spoken(flag, typed string) (*fingerprint.SHA256, error) {
	if typed == "" {
		return nil, nil
	}
	f, err := parseSpoken(typed)
	if err != nil {
		return nil, exit.Usagef("--%s: %w", flag, err)
	}
	return &f, nil
}

// refused gives errors that mean "this bundle is not accepted here" their exit code.
func refused(err error) error {
	var r *install.Refused
	if errors.As(err, &r) || len(bundle.Refusals(err)) > 0 {
		hints := []string{"nothing on this node was changed"}
		if strings.Contains(err.Error(), install.OtherRelease) {
			hints = append(hints, "the pinned key's successor is accepted after the bundle that announces it; if "+
				"the pinned key is lost,",
				"compare the new one over another channel than its file: --new-release-key")
		}
		if _, sum, other := strings.Cut(err.Error(), install.OtherRoot); other {
			sum, _, _ = strings.Cut(sum, "\n")
			hints = append(hints, "a new root is accepted once people have compared its words: --new-root "+sum)
		}
		return &exit.Error{Code: exit.Unverified, Err: err, Hints: hints}
	}
	return err
}

// refusedAfter is refused, for an install that may have finished an earlier one first.
func refusedAfter(r *install.Report, err error) error {
	err = refused(err)
	var own *exit.Error
	if r != nil && r.Finished != "" && errors.As(err, &own) {
		own.Hints = []string{"the interrupted " + r.Finished + " was finished first; beyond that, nothing was changed"}
	}
	return err
}

func printInstall(w io.Writer, r *install.Report, root string, dryRun bool) error {
	if r.Finished != "" {
		fmt.Fprintf(w, "finished the %s that had been interrupted\n", r.Finished)
	}
	switch {
	case r.Already:
		_, err := fmt.Fprintf(w, "sequence %d is already installed on node %s of cluster %s; nothing to do\n", r.Sequence, r.Node, r.Cluster)
		return err
	case dryRun:
		fmt.Fprintf(w, "would install sequence %d on node %s of cluster %s below %s; nothing was written\n", r.Sequence, r.Node, r.Cluster, root)
	default:
		fmt.Fprintf(w, "installed sequence %d on node %s of cluster %s below %s\n", r.Sequence, r.Node, r.Cluster, root)
	}
	if r.First {
		verb := "pinned; later bundles must have the same"
		if dryRun {
			verb = "would be pinned"
		}
		printPin(w, "root certificate, "+verb, r.Pins.Root)
		printPin(w, "release key, "+verb, r.Pins.Release)
	}
	printRoots(w, r, dryRun)
	printLeft(w, r.Left)
	if r.Unread != "" {
		const text = "\nthe installed bundle is damaged: files that only it had stay where they are\n  %s\n"
		fmt.Fprintf(w, text, exit.Plain(r.Unread))
	}
	printReleases(w, r, dryRun)
	printKubelet(w, r, dryRun)
	if dryRun {
		printDiff(w, r)
		return printReaders(w, r, root)
	}
	return printChanges(w, r, root)
}

// printRoots shows what a rollover of the root does to this node's pin.
func printRoots(w io.Writer, r *install.Report, dryRun bool) {
	if r.Unpinned != nil {
		verb := "pinned"
		if dryRun {
			verb = "would be pinned"
		}
		printPin(w, "root certificate, "+verb+"; the previous one is no longer in the bundle", r.Pins.Root)
		printPin(w, "root certificate, no longer pinned", *r.Unpinned)
	}
	for _, f := range r.Beside {
		printPin(w, "root certificate beside the pinned one; once a later bundle drops that, this one may replace it",
			f)
	}
}

// printLeft names the private keys that were to be in a safe.
func printLeft(w io.Writer, files []string) {
	if len(files) == 0 {
		return
	}
	fmt.Fprintln(w, "\nprivate keys of kubeadm's authorities are on this node; the last stage's bundle is refused "+
		"until they are removed:")
	for _, f := range files {
		fmt.Fprintf(w, "  %s\n", f)
	}
}

// printKubelet says what a kubelet would have used in place of kubelet.conf, and that
// it is to keep to that.
func printKubelet(w io.Writer, r *install.Report, dryRun bool) {
	k := r.Kubelet
	if k == nil || k.Instead == nil && (!k.Rotates || k.Signed) {
		return
	}
	if k.Instead != nil {
		verb := "was"
		if dryRun {
			verb = "would be"
		}
		fmt.Fprintf(w, "\nthe kubelet would use this instead of kubelet.conf, so it %s moved aside:\n  %s\n", verb,
			exit.Plain(k.Instead.String()))
	}
	if k.Rotates && !k.Signed {
		fmt.Fprintf(w, "\nthe kubelet rotates its certificate (%s),\n"+
			"and nobody signs the next one: make it use kubelet.conf, with\n"+
			"--rotate-certificates=false in KUBELET_KUBEADM_ARGS of /var/lib/kubelet/kubeadm-flags.env\n", k.By)
	}
}

// printReleases shows which release key the node takes from now on, and which next.
func printReleases(w io.Writer, r *install.Report, dryRun bool) {
	if r.Retired != nil {
		verb := "pinned"
		if dryRun {
			verb = "would be pinned"
		}
		printPin(w, "release key, "+verb+" instead of the previous one; later bundles must have it", r.Pins.Release)
		printPin(w, "release key, no longer pinned", *r.Retired)
	}
	if r.Next != nil {
		printPin(w, "release key that this bundle announces; bundles signed by it are accepted from now on", *r.Next)
	}
}

func printPin(w io.Writer, title string, f fingerprint.SHA256) {
	fmt.Fprintf(w, "\n%s\n  SHA-256 %s\n", title, f)
	for _, line := range f.Lines() {
		fmt.Fprintf(w, "    %s\n", line)
	}
}
