package durable

import "os"

// linkNoReplace is a rename in two steps that cannot replace either: a hard
// link fails when its name is taken. Killed in between, it leaves a second,
// temporary name of a complete file.
func linkNoReplace(from, to string) error {
	if err := os.Link(from, to); err != nil {
		return err
	}
	return os.Remove(from)
}
