package main

import (
	"crypto/x509"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"officiant/bundle/phrase"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/output"
	"officiant/cmd/internal/terminal"
)

// file adds a file to the table.
func (v *verdict) file(path string, cert *x509.Certificate) {
	f := verifiedFile{File: path}
	if cert != nil {
		f.Subject, f.NotAfter = cert.Subject.String(), cert.NotAfter.UTC().Format(time.RFC3339)
	}
	v.Files = append(v.Files, f)
}

// count gives each file its findings, and those that are about a file that is not
// in the table a line of their own.
func (v *verdict) count() {
	at := map[string]int{}
	for i, f := range v.Files {
		at[f.File] = i
	}
	for _, f := range v.Findings {
		i, ok := at[f.File]
		if !ok {
			i = len(v.Files)
			at[f.File] = i
			v.Files = append(v.Files, verifiedFile{File: f.File})
		}
		v.Files[i].Findings++
	}
}

func (v *verdict) print(w io.Writer, format output.Format) error {
	v.count()
	if format.Fields() {
		return format.Write(w, v)
	}
	fmt.Fprintf(w, "%-14s %s\n", "verifying", exit.Plain(v.What))
	if v.Node != "" {
		fmt.Fprintf(w, "%-14s %s of cluster %s\n", "node", v.Node, v.Cluster)
		fmt.Fprintf(w, "%-14s %d\n%-14s %s\n", "sequence", v.Sequence, "ceremony", v.Ceremony)
		fmt.Fprintf(w, "%-14s %s\n", "valid until", v.NotAfter)
	}
	if v.Root != "" {
		fmt.Fprintf(w, "%-14s %s\n", "root SHA-256", v.Root)
		for _, r := range v.RootsBeside {
			fmt.Fprintf(w, "%-14s %s\n", "  beside it", r)
		}
	}
	for _, a := range v.Adopted {
		fmt.Fprintf(w, "%-14s %s\n", "adopted", a)
	}
	for _, c := range v.Checks {
		fmt.Fprintf(w, "%-14s %s: %s\n", c.Result, c.Name, c.Detail)
	}
	v.printFiles(w)
	if err := v.printFindings(w); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%-14s %s%s\n", "verdict", v.Verdict, counted(len(v.Findings)))
	return err
}

// printFiles shows a line for each file.
func (v *verdict) printFiles(w io.Writer) {
	if len(v.Files) == 0 {
		return
	}
	t := &terminal.Table{Header: []string{"FILE", "RESULT", "EXPIRES", "SUBJECT"}}
	for _, f := range v.Files {
		result := "ok"
		if f.Findings > 0 {
			result = strings.TrimPrefix(counted(f.Findings), ": ")
		}
		t.Add(named(f.File), result, dash(f.NotAfter), dash(quoted(f.Subject)))
	}
	fmt.Fprintln(w)
	_ = t.Write(w, terminal.Width(w)) // the last line shows what the writer's errors are
	fmt.Fprintln(w)
}

// printFindings groups them by file.
func (v *verdict) printFindings(w io.Writer) error {
	for _, f := range v.Files {
		if f.Findings == 0 {
			continue
		}
		fmt.Fprintf(w, "%s\n", named(f.File))
		for _, found := range v.Findings {
			if found.File == f.File {
				// Names in a bundle are whoever's who made it.
				problem := strings.ReplaceAll(exit.Plain(found.Problem), "\n", "\n    ")
				fmt.Fprintf(w, "    %s\n", problem)
			}
		}
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
	}
	return nil
}

// named is a file's name as the table has it: on one line, in one cell.
func named(file string) string {
	if file == "" {
		return "(the whole)"
	}
	return quoted(file)
}

// quoted writes out what would break a table or act on a terminal.
func quoted(s string) string {
	return strings.NewReplacer("\n", `\n`, "\t", `\t`).Replace(exit.Plain(s))
}

func dash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

func counted(n int) string {
	if n == 0 {
		return ""
	}
	return ": " + phrase.Count(n, "finding")
}

// parseSpan reads how long something has to be valid: days ("30d") or what Go
// reads ("720h"). Nothing means no time at all.
func parseSpan(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	const most = 100 * 365 * 24 * time.Hour
	d, err := time.ParseDuration(s)
	if number, ok := strings.CutSuffix(s, "d"); ok {
		var days uint64
		days, err = strconv.ParseUint(number, 10, 16)
		d = time.Duration(days) * 24 * time.Hour
	}
	if err != nil || d < 0 || d > most {
		return 0, fmt.Errorf("%q is not a time such as 30d or 720h", s)
	}
	return d, nil
}
