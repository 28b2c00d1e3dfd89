package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"officiant/ceremony/report"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/infile"
)

type reportOptions struct {
	*options
	out, output string
}

func newReportCommand(o *options) *cobra.Command {
	r := &reportOptions{options: o}
	c := &cobra.Command{
		Use:   "report DIR [--out FILE | -o text]",
		Short: "Write the minutes of a ceremony: one HTML file to print and sign, or text",
		Long: `Write the minutes of a ceremony: who, when and where, what was created, the hierarchy and
its expiry as pictures, fingerprints as hex, words and QR codes, the evidence for each
key, deviations, every step with its time, and lines to sign on. It is one HTML file that
loads nothing and runs no script.

The directory is verified first, without pins, and the minutes show the result. The same
directory always gives the same bytes. By default they are DIR/report.html. If that file
exists and differs, the directory has changed since, and nothing is written. The exit
code is 4 if the directory does not verify.

-o text prints the same in 80 columns on standard output, without the pictures, for a
room without a browser.`,
		Args: exit.ExactArgs(1, "one ceremony directory"),
		RunE: func(c *cobra.Command, args []string) error { return r.run(c.Context(), args[0]) },
	}
	c.Flags().StringVar(&r.out, "out", "", "`FILE` to write, instead of report.html in the directory")
	c.Flags().StringVarP(&r.output, "output", "o", "html", "`FORMAT`: html or text")
	return c
}

func (o *reportOptions) run(ctx context.Context, dir string) error {
	if o.output != "text" && o.output != "html" {
		return exit.Usagef("-o %s: html or text", o.output)
	}
	if err := isCeremony(dir); err != nil {
		return err
	}
	m, err := report.Directory(dir)
	if err != nil {
		return err
	}
	if o.output == "text" {
		err = o.text(ctx, m)
	} else {
		err = o.html(ctx, dir, m)
	}
	if findings := m.Audit.Findings(); err == nil && len(findings) > 0 {
		return &exit.Error{Code: exit.Unverified, Err: fmt.Errorf("%s: %s: %s; the report says so", dir,
			m.Audit.Verdict(), findings[0])}
	}
	return err
}

// text prints the minutes, or writes them to the file that was named.
func (o *reportOptions) text(ctx context.Context, m *report.Minutes) error {
	var page strings.Builder
	if err := m.Text(&page); err != nil {
		return err
	}
	text := exit.Plain(page.String())
	if o.out != "" {
		return o.write(ctx, o.out, []byte(text))
	}
	_, err := io.WriteString(o.Stdout, text)
	return err
}

// html writes the minutes to the file that was named, or to the ceremony's directory.
func (o *reportOptions) html(ctx context.Context, dir string, m *report.Minutes) error {
	out := o.out
	if out == "" {
		if m.Record == nil || !m.Audit.Finished {
			return &exit.Error{Code: exit.Refused, Err: fmt.Errorf("%s: the ceremony is unfinished, so its "+
				"directory gets no report", dir),
				Hints: []string{"for minutes of what was done so far: --out FILE"}}
		}
		out = filepath.Join(dir, "report.html")
		if m.Open().Rehearsal {
			out = filepath.Join(dir, "report.rehearsal.html")
		}
	}
	var page bytes.Buffer
	if err := m.HTML(&page); err != nil {
		return err
	}
	return o.write(ctx, out, page.Bytes())
}

// write puts a page in its place, and says where.
func (o *reportOptions) write(ctx context.Context, path string, page []byte) error {
	if err := o.place(ctx, path, page); err != nil {
		return err
	}
	_, err := fmt.Fprintln(o.Stdout, path)
	return err
}

// place writes the page, or finds it there as it is.
func (o *reportOptions) place(ctx context.Context, path string, page []byte) error {
	switch found, err := infile.ReadFile(ctx, path, len(page)); {
	case err == nil && bytes.Equal(found, page):
		fmt.Fprintln(o.Stderr, "It already exists, and is what the directory gives.")
		return nil
	case err == nil || errors.Is(err, infile.ErrLarge):
		return &exit.Error{Code: exit.Usage, Err: fmt.Errorf("%s exists, and is not what the directory gives now",
			path),
			Hints: []string{"a witness may have signed since, or somebody changed one of the two; remove it, or " +
				"write to another file: --out FILE"}}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	return o.Disk.Create(path, page, 0o644)
}
