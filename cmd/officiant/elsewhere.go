package main

import (
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
)

// maxReceived is more than any certificate with its chain has.
const maxReceived = 1 << 20

// readReceived reads the certificates that came back from elsewhere, by
// authority; nil when none are given. Files of other names are passed over.
func (o *runOptions) readReceived(c *schedule.Ceremony) (map[string][]byte, error) {
	if o.received == "" {
		return nil, nil
	}
	awaited := c.Awaited()
	if len(awaited) == 0 {
		return nil, exit.Usagef("--certificates: this plan waits for no certificate signed elsewhere")
	}
	out := map[string][]byte{}
	for _, e := range awaited {
		file := filepath.Join(o.received, e.Name+".crt")
		info, err := os.Stat(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue // which are missing is said with what is wrong with the others
		}
		if err != nil {
			return nil, err
		}
		if !info.Mode().IsRegular() || info.Size() > maxReceived {
			return nil, &exit.Error{Code: exit.Refused, Err: fmt.Errorf("%s: not a file of at most %d KiB", file, maxReceived>>10)}
		}
		if out[e.Name], err = os.ReadFile(file); err != nil {
			return nil, err
		}
	}
	if len(out) == 0 {
		return nil, exit.Usagef("--certificates: %s holds none of %s", o.received, strings.Join(backNames(awaited), ", "))
	}
	return out, nil
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
		"bring back, each in PEM with the CAs between it and the root after it: "+strings.Join(wait.Back, ", "),
		"the record ends at "+wait.Head.String(), "  "+strings.Join(wait.Head.Words()[:8], " ")+" …",
		"to go on: "+o.again(planFile, &wait.Head)+" --certificates DIR")
	return &exit.Error{Code: exit.Awaiting, Err: wait, Hints: hints}
}
