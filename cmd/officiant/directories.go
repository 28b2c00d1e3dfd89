package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"officiant/ceremony/history"
	"officiant/ceremony/schedule"
	"officiant/cmd/internal/exit"
)

// isCeremony refuses an argument that is no ceremony directory: a wrong argument, unless
// it has what a ceremony leaves, and only its record is gone.
func isCeremony(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	_, err = os.Lstat(filepath.Join(dir, history.RecordFile))
	switch {
	case !info.IsDir():
		return &exit.Error{Code: exit.Usage, Err: fmt.Errorf("%s: not a ceremony directory: it is a file", dir),
			Hints: []string{}}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	held, err := ceremoniesIn(dir)
	switch {
	case err != nil:
		return err
	case len(held) > 0:
		return &exit.Error{Code: exit.Usage, Err: fmt.Errorf("%s: not a ceremony directory, but a folder that holds "+
			"ceremonies: give one of them, such as %s", dir, held[len(held)-1]), Hints: []string{}}
	case leftOver(dir):
		return &exit.Error{Code: exit.Unverified, Err: fmt.Errorf("%s: it has files of a ceremony, but no %s: its "+
			"record was removed", dir, history.RecordFile)}
	}
	return &exit.Error{Code: exit.Usage, Err: fmt.Errorf("%s: not a ceremony directory: it has no %s", dir,
		history.RecordFile), Hints: []string{}}
}

// ceremoniesIn lists the ceremony directories right below a folder.
func ceremoniesIn(dir string) (list []string, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if _, err := os.Lstat(filepath.Join(path, history.RecordFile)); err == nil {
			list = append(list, path)
		}
	}
	return list, err
}

// leftOver says whether a directory without a record has what a ceremony leaves. A
// release.pub alone says nothing: people keep it, wherever they work.
func leftOver(dir string) bool {
	for _, name := range []string{history.SignatureFile, "authorities", "bundles", "witnesses"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return true
		}
	}
	return false
}

// openPlan opens a plan; a file that is not there, or is no file, is a wrong argument.
func openPlan(path string, o schedule.Options) (*schedule.Ceremony, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, &exit.Error{Code: exit.Usage, Err: fmt.Errorf("%s: is a directory, not a plan", path),
			Hints: []string{}}
	}
	return schedule.Open(path, o)
}
