package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"officiant/bundle/fingerprint"
	"officiant/ceremony"
	"officiant/ceremony/schedule"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/infile"
)

// maxReceived is more than any certificate with its chain has.
const maxReceived = 1 << 20

// readReceived reads the certificates that came back from an external root, by
// authority; nil when none are given. Files of other names are passed over.
func (o *runOptions) readReceived(ctx context.Context, c *schedule.Ceremony) (map[string][]byte, error) {
	if o.received == "" {
		return nil, nil
	}
	awaited := c.Awaited()
	if len(awaited) == 0 {
		return nil, exit.Usagef("--certificates: this plan waits for no certificate of an external root")
	}
	out := map[string][]byte{}
	for _, e := range awaited {
		file, info, err := receivedFile(o.received, e.Name)
		if err != nil {
			return nil, err
		}
		if file == "" {
			continue // which are missing is said with what is wrong with the others
		}
		if !info.Mode().IsRegular() || info.Size() > maxReceived {
			return nil, &exit.Error{
				Code: exit.Refused,
				Err:  fmt.Errorf("%s: not a file of at most %d KiB", file, maxReceived>>10),
			}
		}
		if out[e.Name], err = infile.ReadFile(ctx, file, maxReceived); err != nil {
			return nil, err
		}
	}
	if len(out) == 0 {
		return nil, exit.Usagef("--certificates: %s holds none of %s (%s may stand in place of .crt)", o.received,
			strings.Join(backNames(awaited), ", "), strings.Join(endings[1:], ", "))
	}
	return out, nil
}

// endings are the ends of names that companies give to certificates. What is in a file
// is told by its content.
var endings = []string{".crt", ".pem", ".cer", ".der", ".p7b", ".p7c", ".p7"}

// receivedFile finds an authority's file among those that came back; "" when there is
// none.
func receivedFile(dir, authority string) (file string, info fs.FileInfo, err error) {
	for _, ending := range endings {
		at := filepath.Join(dir, authority+ending)
		there, err := os.Stat(at)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return "", nil, err
		case file != "":
			return "", nil, &exit.Error{
				Code: exit.Refused,
				Err: fmt.Errorf("%s and %s are both there, and it is not known which "+
					"is meant", file, at),
				Hints: []string{"leave the one that is meant in the folder"},
			}
		}
		file, info = at, there
	}
	return file, info, nil
}

func backNames(awaited []schedule.Entry) []string {
	var names []string
	for _, e := range awaited {
		names = append(names, e.Name+".crt")
	}
	return names
}

// awaiting says what to take where, what to bring back, and how to go on.
func (o *runOptions) awaiting(wait *ceremony.Awaiting, planFile string) error {
	hints := []string{"take these to the root, to be signed as the schedule says (docs/external-root.md shows how):"}
	for _, file := range wait.Requests {
		hints = append(hints, "  "+file)
	}
	hints = append(hints,
		fmt.Sprintf("the root they have to lead to: %s, SHA-256 %s", wait.Root.Subject, fingerprint.Of(wait.Root.Raw)),
		"bring back, each with the CAs between it and the root (PEM, DER or .p7b): "+strings.Join(wait.Back, ", "),
		"the record ends at "+wait.Head.String(), "  "+strings.Join(wait.Head.Words()[:8], " ")+" …",
		"to go on: "+o.again(planFile, &wait.Head)+" --certificates DIR")
	return &exit.Error{Code: exit.Awaiting, Err: wait, Hints: hints}
}
