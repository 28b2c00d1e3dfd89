package exit

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"officiant/bundle/nearest"
)

// inCeremony are the files by which a directory is seen to be none of a ceremony.
var inCeremony = []string{"transcript.jsonl", ".lock"}

// names says whether an error is about a file or directory that the command line names
// and that is not there, or is the other of the two: a wrong argument. What is missing
// elsewhere is no fault of the command line.
func names(c *cobra.Command, err error) bool {
	var of *fs.PathError
	if !errors.As(err, &of) || c == nil ||
		!errors.Is(of, fs.ErrNotExist) && !errors.Is(of, syscall.EISDIR) && !errors.Is(of, syscall.ENOTDIR) {
		return false
	}
	path := filepath.Clean(of.Path)
	for _, word := range words(c) {
		word = filepath.Clean(word)
		if path == word || slices.Contains(inCeremony, filepath.Base(path)) && filepath.Dir(path) == word {
			return true
		}
	}
	return false
}

// flagOf is the flag that gave a path which an error is about and says nothing more of; empty
// for an argument.
func flagOf(c *cobra.Command, err error, path string) (flag string) {
	if _, bare := err.(*fs.PathError); !bare || !names(c, err) || slices.Contains(c.Flags().Args(), path) {
		return ""
	}
	c.Flags().Visit(func(f *pflag.Flag) {
		if slices.Contains(given(f), path) {
			flag = "--" + f.Name + " "
		}
	})
	return flag
}

// reason is why a path cannot be read. A link that leads nowhere is there, and would be
// looked for in vain by who is told that it is not.
func reason(failed *fs.PathError) string {
	if to := linkTo(failed.Path); to != "" && errors.Is(failed, fs.ErrNotExist) {
		return "is a link to " + to + ", which is not there"
	}
	return failed.Err.Error()
}

// linkTo is where a link leads; empty for what is none.
func linkTo(path string) string {
	to, err := os.Readlink(path)
	if err != nil {
		return ""
	}
	return to
}

// nearby says which file beside it may have been meant by one that is not there.
func nearby(path string) string {
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return ""
	}
	var there []string
	for _, e := range entries {
		there = append(there, e.Name())
	}
	if name, ok := nearest.Name(filepath.Base(path), slices.Values(there)); ok {
		return "; did you mean " + filepath.Join(filepath.Dir(path), name) + "?"
	}
	return ""
}

// words are the arguments of a command line and the values of its flags.
func words(c *cobra.Command) []string {
	list := slices.Clone(c.Flags().Args())
	c.Flags().Visit(func(f *pflag.Flag) {
		list = append(list, given(f)...)
	})
	return slices.DeleteFunc(list, func(s string) bool { return strings.TrimSpace(s) == "" })
}

// given are the values of a flag.
func given(f *pflag.Flag) []string {
	if many, ok := f.Value.(pflag.SliceValue); ok {
		return many.GetSlice()
	}
	return []string{f.Value.String()}
}

// diskFailed says whether an error is a disk's that did not take what was written: no
// input is at fault, whatever a command takes all its errors for.
func diskFailed(err error) bool {
	reasons := []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG, syscall.EROFS, syscall.EIO}
	return slices.ContainsFunc(reasons, func(reason syscall.Errno) bool { return errors.Is(err, reason) })
}
