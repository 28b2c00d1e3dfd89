package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"officiant/bundle/phrase"
	"officiant/bundle/sshsig"
	"officiant/ceremony"
	"officiant/ceremony/approval"
	"officiant/ceremony/issue"
	"officiant/ceremony/schedule"
	"officiant/cmd/internal/exit"
)

type approveOptions struct {
	*options
	key     string
	confirm string
	print   bool
}

func newApproveCommand(o *options) *cobra.Command {
	approve := &approveOptions{options: o}
	c := &cobra.Command{
		Use:   "approve PLAN --key FILE [--confirm DIGEST] | --print",
		Short: "Approve a plan, as one of the people it names",
		Long: `Approve a plan: show what it will do, ask for its name, and sign its digest with an SSH
key, which must be the key of one of the plan's people. In scripts, --confirm takes the
digest instead of the name. The approval is written to approvals/NAME.sig beside the
plan. An existing one is never replaced.

The key can also stay where it is: for everybody whose approval is missing, --print shows
the command that signs with ssh-keygen alone, on another machine, with a security key or
an agent.`,
		Args: exit.ExactArgs(1, "one plan"),
		RunE: func(c *cobra.Command, args []string) error { return approve.run(c.Context(), args[0]) },
	}
	c.Flags().StringVar(&approve.key, "key", "", "SSH private key `FILE` to sign with")
	c.Flags().StringVar(&approve.confirm, "confirm", "", "the ceremony's `DIGEST`, instead of typing the plan's name")
	c.Flags().BoolVar(&approve.print, "print", false, "print the ssh-keygen commands, and sign nothing")
	return c
}

func (o *approveOptions) run(ctx context.Context, path string) error {
	if (o.key == "") == !o.print {
		return exit.Usagef("ceremony approve needs either --key FILE or --print")
	}
	c, err := openPlan(path, schedule.Options{Now: o.Now()})
	if err != nil {
		return err
	}
	if err := ceremony.DryRun(issue.NewChecker(o.Rand), c, o.Now().UTC().Truncate(1e9), o.Rand); err != nil {
		return err
	}
	if err := ceremony.Continued(o.continued(), c); err != nil {
		return err
	}
	if len(c.Approvers()) == 0 {
		return &exit.Error{Code: exit.Refused, Err: fmt.Errorf("%s names no people, so nobody has to approve it, "+
			"and nobody can", path)}
	}
	o.show(c)
	if o.print {
		return o.lines(c)
	}
	return o.sign(ctx, c)
}

// show says what is approved.
func (o *approveOptions) show(c *schedule.Ceremony) {
	fmt.Fprintf(o.Stderr, "Plan %s for cluster %s, ceremony %d of its chain: %s.\n", c.Plan.Name, c.Cluster.Name,
		c.Sequence, phrase.Count(c.Len(), "signature"))
	fmt.Fprintf(o.Stderr, "Afterwards there will be:\n%s", afterwards(c))
	for _, w := range findings(c.Warnings) {
		fmt.Fprintf(o.Stderr, "warning: %s\n", w)
	}
	fmt.Fprintf(o.Stderr, "Digest of the ceremony:\n  %s\n%s", c.Digest, indentLines(c.Digest.Lines()))
}

func (o *approveOptions) sign(ctx context.Context, c *schedule.Ceremony) error {
	key, err := openSSHKey(ctx, o.options, o.key)
	if err != nil {
		return err
	}
	file, person, err := approval.FileFor(key.PublicKey(), c.Approvers()...)
	if err != nil {
		return &exit.Error{Code: exit.Refused, Err: fmt.Errorf("an approval with %s %w", o.key, err)}
	}
	if err := o.confirmed(ctx, c, o.confirm, "Type the plan's name to approve it: "); err != nil {
		return err
	}
	path := filepath.Join(filepath.Dir(c.File), "approvals", file)
	signature, err := sshsig.Sign(o.Rand, key, approval.PlanNamespace, approval.PlanMessage(c.Digest))
	if err != nil {
		return fmt.Errorf("%s: %w", o.key, err)
	}
	if err := placeSignature(o.options, path, signature); err != nil {
		return err
	}
	fmt.Fprintf(o.Stderr, "approved by %s\n", person)
	verdict, err := judge(c)
	if err != nil {
		return err
	}
	for _, t := range verdict.Progress {
		fmt.Fprintf(o.Stderr, "%s\n", t)
	}
	_, err = fmt.Fprintln(o.Stdout, path)
	return err
}

// lines prints what makes the missing approvals with ssh-keygen alone.
func (o *approveOptions) lines(c *schedule.Ceremony) error {
	verdict, err := judge(c)
	if err != nil {
		return err
	}
	said := map[string]bool{}
	for _, t := range verdict.Progress {
		for _, p := range t.People.Approvers() {
			key, err := sshsig.ParseKey(p.Key)
			if err != nil {
				return err
			}
			file, _, err := approval.FileFor(key, c.Approvers()...)
			if err != nil {
				return err
			}
			if said[file] || !missing(t, p.Name) {
				continue
			}
			said[file] = true
			fmt.Fprintf(o.Stdout, "%s\n", keygenLine(approval.PlanMessage(c.Digest), approval.PlanNamespace, file))
		}
	}
	fmt.Fprintf(o.Stderr, "Each line is for the person it ends with: they put their key in place of KEY. The file "+
		"it writes belongs in approvals/ beside the plan.\n")
	return nil
}

func missing(t approval.Progress, name string) bool {
	for _, m := range t.Missing {
		if m == name {
			return true
		}
	}
	return false
}

// keygenLine signs a message with ssh-keygen alone.
func keygenLine(message []byte, namespace, file string) string {
	return fmt.Sprintf(`printf '%s' | ssh-keygen -Y sign -n %s -f KEY > %s`, strings.ReplaceAll(string(message), "\n", `\n`), namespace, file)
}

// placeSignature writes a signature where none is.
func placeSignature(o *options, path string, signature []byte) error {
	if err := o.Disk.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	err := o.Disk.Create(path, signature, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return &exit.Error{Code: exit.Usage, Err: fmt.Errorf("%s already exists; an approval is never replaced", path),
			Hints: []string{"if it is for another digest, move it away first"}}
	}
	return err
}

// judge reads the approvals beside a plan.
func judge(c *schedule.Ceremony) (*approval.Verdict, error) {
	files, err := ceremony.ReadApprovals(os.DirFS(filepath.Dir(c.File)))
	if err != nil {
		return nil, err
	}
	return approval.Judge(c.Digest, files, c.Approvers()...), nil
}
