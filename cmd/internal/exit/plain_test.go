package exit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/spf13/cobra"
)

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"":                                       "",
		"cp-1: 2 findings\n\ta “b” …":            "cp-1: 2 findings\n\ta “b” …",
		"a\x1b[2J\x1b[Hverdict":                  `a\x1b[2J\x1b[Hverdict`,
		"a\rb\x00\u009b2J":                       `a\rb\x00\u009b2J`,
		"\u202etxt.exe\u200b\ufeff":              `\u202etxt.exe\u200b\ufeff`,
		"a\u115fb\u3164\uffa0\u2800\u034f\ufe0f": `a\u115fb\u3164\uffa0\u2800\u034f\ufe0f`,
		"\xff\xfe \ufffd":                        `\xff\xfe` + " \ufffd",
		"a" + "\xc3" + "b\\x1b":                  `a\xc3b\x1b`,
	} {
		if got := Plain(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestLine(t *testing.T) {
	if got, want := Line("box\n\tpin \x1b[2Jok"), `box\n\tpin \x1b[2Jok`; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestHints: what others wrote moves no cursor in a hint, and adds no line.
func TestHints(t *testing.T) {
	var said bytes.Buffer
	root := &cobra.Command{Use: "x", RunE: func(*cobra.Command, []string) error {
		return &Error{Code: Refused, Err: errors.New("no"), Hints: []string{"the root: CN=\x1b[2Jroot\nNo findings."}}
	}}
	root.SetArgs(nil)
	if code := Run(context.Background(), root, &said, nil); code != Refused {
		t.Errorf("exit %d", code)
	}
	if got, want := said.String(), "x: no\n  the root: CN=\\x1b[2Jroot\\nNo findings.\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestSaid: of a file that cannot be read, the name and the reason are said; of what was
// interrupted, what that was.
func TestSaid(t *testing.T) {
	run := &cobra.Command{Use: "run"}
	ceremony := &cobra.Command{Use: "ceremony"}
	ceremony.AddCommand(run)
	(&cobra.Command{Use: "officiant"}).AddCommand(ceremony)
	_, err := os.Open("nowhere/plan.yaml")
	for in, want := range map[error]string{
		err:                            "nowhere/plan.yaml: no such file or directory",
		fmt.Errorf("bundle: %w", err):  "bundle: nowhere/plan.yaml: no such file or directory",
		errors.New("open the station"): "open the station",
		fmt.Errorf("interrupted: the PIN: %w", context.Canceled): "interrupted: the PIN",
		fmt.Errorf("the PIN: %w", context.Canceled):              "the PIN: interrupted",
		context.Canceled: "ceremony run: interrupted",
	} {
		if got := said(run, in); got != want {
			t.Errorf("%v: %q, want %q", in, got, want)
		}
	}
}

// TestDiskFailed: a full disk refuses nothing that people could put right in their input.
func TestDiskFailed(t *testing.T) {
	for reason, want := range map[error]int{
		syscall.ENOSPC: Failure, syscall.EROFS: Failure, syscall.EACCES: Refused, errors.New("two nodes"): Refused,
	} {
		root := &cobra.Command{Use: "x", RunE: func(*cobra.Command, []string) error {
			return &Error{Code: Refused, Err: &fs.PathError{Op: "open", Path: "fleet/cp-1.tar", Err: reason}}
		}}
		root.SetArgs(nil)
		if code := Run(context.Background(), root, &bytes.Buffer{}, nil); code != want {
			t.Errorf("%v: exit %d, want %d", reason, code, want)
		}
	}
}
