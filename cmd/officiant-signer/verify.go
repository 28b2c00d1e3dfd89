package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/online/grant"
	"officiant/ceremony/online/journal"
	"officiant/ceremony/online/proof"
	"officiant/cmd/internal/exit"
)

func newVerifyCommand(o *options) *cobra.Command {
	var release, head string
	var grants []string
	c := &cobra.Command{
		Use:   "verify JOURNAL",
		Short: "Prove that each certificate in a journal was within its grant",
		Long: `Verify reads a journal line by line, and checks each certificate against the grant under
which it was signed. It needs no token. If a line was changed, dropped, doubled, moved or
forged, it names the line and ends with exit code 4.

Lines cut from the end leave no trace. --head takes the newest head that somebody kept,
SEQ:SHA-256, as status prints it, and proves that nothing is missing up to it.`,
		Args: exit.ExactArgs(1, "one journal"),
		RunE: func(c *cobra.Command, args []string) error {
			return o.verify(c.Context(), args[0], grants, release, head)
		},
	}
	c.Flags().StringArrayVar(&grants, "grant", nil,
		"grant `FILE`, with its signature in FILE.sig; give each grant")
	c.Flags().StringVar(&release, "release-key", "", "public key `FILE` of the release key")
	c.Flags().StringVar(&head, "head", "", "`SEQ:SHA-256` of the newest head that somebody kept")
	for _, name := range []string{"grant", "release-key"} {
		_ = c.MarkFlagRequired(name) // the flag is there
	}
	return c
}

func (o *options) verify(ctx context.Context, path string, files []string, releaseFile, head string) error {
	kept, err := keptHead(head)
	if err != nil {
		return err
	}
	release, err := releaseKey(ctx, releaseFile)
	if err != nil {
		return err
	}
	grants := map[fingerprint.SHA256]*grant.Grant{}
	for _, file := range files {
		g, err := signedGrant(ctx, file, release)
		if err != nil {
			return err
		}
		grants[g.Digest()] = g
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	v, err := proof.Check(path, f, proof.Against{Grants: grants, Kept: kept})
	if err != nil {
		return err
	}
	if len(v.Findings) > 0 {
		var all []error
		for _, found := range v.Findings {
			all = append(all, &journal.Broken{File: path, Line: found.Line, Reason: found.Problem})
		}
		return errors.Join(all...)
	}
	fmt.Fprintf(o.Stdout, "%s: %d certificates, each within its grant; %d abandoned; %d lines, signed up to line %d\n",
		exit.Line(v.Cluster), v.Certificates, v.Abandoned, v.Lines, v.SignedTo)
	fmt.Fprintf(o.Stdout, "head %d:%s\n", v.Head.Seq, v.Head.Hash)
	if len(kept) == 0 {
		fmt.Fprintln(o.Stderr, "no kept head was given: lines cut from the end would not show (--head)")
	}
	return nil
}

func keptHead(text string) ([]proof.Head, error) {
	if text == "" {
		return nil, nil
	}
	seq, sum, ok := strings.Cut(text, ":")
	n, err := strconv.Atoi(seq)
	hash, e := fingerprint.Parse(sum)
	if !ok || err != nil || n < 1 || e != nil {
		return nil, exit.Usagef("--head %s is not SEQ:SHA-256", text)
	}
	return []proof.Head{{Seq: n, Hash: hash}}, nil
}
