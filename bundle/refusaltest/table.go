package refusaltest

import (
	"cmp"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Table is a catalogue of refusals.
type Table struct {
	Read    func(data []byte) error // what refuses, unless a row has its own
	Rows    []Row
	Sources []string          // the files whose sentences have to be in Rows
	Except  map[string]string // sentences that no row says, by their beginning, and why
}

// Row is one refusal, from both sides.
type Row struct {
	Of      string // what the input is
	Data    string
	Says    string // a part of what it is refused with; "" where it is taken
	Not     string // an input that is like it and is not meant; "" where there is none
	Instead string // a part of what Not is refused with; "" where it is taken
	Then    string // a part of what is said of what the refusal's command makes; "" where that is taken

	Read func(data []byte) error // in place of the table's

	// For the refusal's command: what it is run on, where that is not Data, and the
	// input that what it makes becomes part of; and what stands for a NAME in it.
	File string
	Back func(made []byte) []byte
	Name string
}

// Hold fails where a refusal does not say what its row says, where a command in it
// does not help, and where a sentence of the sources is in no row.
func Hold(t *testing.T, table Table) {
	t.Helper()
	var said []string
	for _, row := range table.Rows {
		t.Run(row.Of, func(t *testing.T) {
			if row.Read == nil {
				row.Read = table.Read
			}
			said = append(said, row.hold(t)...)
		})
	}
	texts, err := Sentences(table.Sources...)
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range missing(texts, said, table.Except) {
		t.Error(problem)
	}
}

func (row Row) hold(t *testing.T) (said []string) {
	t.Helper()
	text := judge(t, "", row.Read([]byte(row.Data)), row.Says)
	said = append(said, text)
	if row.Not != "" {
		other := judge(t, "its counterpart: ", row.Read([]byte(row.Not)), row.Instead)
		if row.Says != "" && strings.Contains(other, row.Says) {
			t.Errorf("its counterpart gets the same sentence: %s", other)
		}
		said = append(said, other)
	}
	for _, command := range Commands(text) {
		if row.Name != "" {
			command = strings.ReplaceAll(command, "NAME", row.Name)
		}
		after, ok := run(t, command, cmp.Or(row.File, row.Data))
		if ok && row.Back != nil {
			after = row.Back(after)
		}
		if ok {
			said = append(said, judge(t, command+": ", row.Read(after), row.Then))
		}
	}
	return said
}

// judge holds an error against a part of its text. No part wants no error.
func judge(t *testing.T, what string, err error, part string) string {
	t.Helper()
	text := ""
	if err != nil {
		text = err.Error()
	}
	switch {
	case part == "" && err != nil:
		t.Errorf("%srefused: %s", what, text)
	case part != "" && err == nil:
		t.Errorf("%staken, want %s", what, part)
	case !strings.Contains(text, part):
		t.Errorf("%ssays %s\nwant %s", what, text, part)
	}
	return text
}

var quoted = regexp.MustCompile("`([a-z][^`\n]* [^`\n]*)`")

// Commands are those that a text names in backquotes.
func Commands(text string) []string {
	var list []string
	for _, m := range quoted.FindAllStringSubmatch(text, -1) {
		list = append(list, m[1])
	}
	return list
}

// run runs a command on a file, and returns what it has made: the file OTHER, or what
// it changed. ok is false where the command only shows something.
func run(t *testing.T, command, data string) (after []byte, ok bool) {
	t.Helper()
	program, _, _ := strings.Cut(command, " ")
	if _, err := exec.LookPath(program); err != nil && program != "openssl" {
		t.Logf("not run, since there is no %s here: %s", program, command)
		return nil, false
	}
	dir := t.TempDir()
	for _, name := range []string{"FILE", "COPY"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", command)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir)
	cmd.Stdin = strings.NewReader(Passphrase + "\n")
	if strings.HasPrefix(command, "openssl pkey ") || strings.HasPrefix(command, "openssl pkcs12 ") {
		cmd.Args[2] = command + " -passin stdin" // which it would ask for on a terminal
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", command, err, out)
		return nil, false
	}
	for _, name := range []string{"OTHER", "COPY", "FILE"} {
		made, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil && string(made) != data {
			return made, true
		}
	}
	return nil, false
}

// Passphrase is that of encrypted inputs.
const Passphrase = "a passphrase"
