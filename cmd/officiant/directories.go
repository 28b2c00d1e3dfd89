package main

import (
	"errors"
	"fmt"
	"io/fs"

	"officiant/cmd/internal/exit"
)

// noSuch makes a file or directory that a command line names and that is not there a
// wrong argument.
func noSuch(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &exit.Error{Code: exit.Usage, Err: err, Hints: []string{}}
	}
	return err
}

// notCeremony says that an argument names a directory, and none of a ceremony.
func notCeremony(dir string) error {
	return &exit.Error{Code: exit.Usage, Hints: []string{},
		Err: fmt.Errorf("%s: no transcript.jsonl in it: not a ceremony directory", dir)}
}
