package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/next"
	"officiant/ceremony/schedule"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/infile"
)

// longestGrant is how many bytes a grant has at most.
const longestGrant = 32 << 20

// journalFlags are about the journal of an online signer that a ceremony takes in.
type journalFlags struct {
	file   string
	head   string
	grants []string
	begun  bool
}

func (j *journalFlags) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&j.file, "journal", "", "take in this journal `FILE` of the online signer")
	f.StringVar(&j.head, "journal-head", "",
		"with --journal: the newest `HEAD` that somebody kept, as the relay does: SEQ:SHA-256")
	f.StringArrayVar(&j.grants, "grant", nil,
		"with --journal: grant `FILE` that no ceremony made, with its signature in FILE.sig; repeatable")
	f.BoolVar(&j.begun, "new-journal", false,
		"with --journal: the signer began another journal than the one taken in before")
}

// read reads what the flags name; nil when they name nothing.
func (j *journalFlags) read(desk next.Desk) (*next.Journal, error) {
	switch given := j.head != "" || len(j.grants) > 0; {
	case j.file == "" && !given && !j.begun:
		return nil, nil
	case j.file == "":
		return nil, exit.Usagef("--journal-head, --grant and --new-journal go with --journal FILE")
	case j.head == "":
		return nil, exit.Usagef("--journal needs --journal-head SEQ:SHA-256: the newest head that somebody kept")
	}
	seq, sum, ok := strings.Cut(j.head, ":")
	line, err := strconv.Atoi(seq)
	head, bad := fingerprint.Parse(sum)
	if !ok || err != nil || line < 1 || bad != nil {
		return nil, exit.Usagef("--journal-head %s is not SEQ:SHA-256", j.head)
	}
	out := &next.Journal{Line: line, Head: head, New: j.begun}
	out.File = next.File{Name: j.file, Below: below(desk.Dir, j.file)}
	if out.File.Below == "" {
		if out.File.Data, err = infile.ReadFile(context.Background(), j.file, schedule.MaxJournal); err != nil {
			return nil, err
		}
	}
	for _, file := range j.grants {
		g, err := grantIn(desk, file)
		if err != nil {
			return nil, err
		}
		out.Grants = append(out.Grants, g)
	}
	return out, nil
}

func grantIn(desk next.Desk, file string) (g next.Grant, err error) {
	data, err := infile.ReadFile(context.Background(), file, longestGrant)
	if err != nil {
		return g, err
	}
	g.File = next.File{Name: file, Data: data, Below: below(desk.Dir, file)}
	g.Signature, err = input(desk, file+".sig")
	return g, err
}
