package contents

import (
	"maps"
	"slices"

	"officiant/bundle"
)

// What became of a file from one bundle to another.
const (
	Added   = "added"
	Removed = "removed"
	Changed = "changed"
)

// Changes is in what a bundle differs from an earlier one.
type Changes struct {
	Same    int      `json:"same"` // files
	Changes []Change `json:"changes"`
}

// Change is a file that only one bundle has, or both with other bytes.
type Change struct {
	File        string       `json:"file"`
	What        string       `json:"what"` // Added, Removed, Changed
	Differences []Difference `json:"differences"`
}

// CompareBundles holds two bundles against each other, file by file, sorted by name.
func CompareBundles(before, after *bundle.Bundle) Changes {
	list := Changes{Changes: []Change{}}
	all := maps.Clone(before.Files)
	maps.Copy(all, after.Files)
	for _, path := range slices.Sorted(maps.Keys(all)) {
		was, had := before.Files[path]
		is, has := after.Files[path]
		c := Change{File: path, What: Changed}
		var from, to []Fact
		switch {
		case had && has && string(was) == string(is):
			list.Same++
			continue
		case !had:
			c.What, to = Added, Of(path, is)
		case !has:
			c.What, from = Removed, Of(path, was)
		default:
			from, to = Of(path, was), Of(path, is)
		}
		c.Differences = Compare(from, to)
		list.Changes = append(list.Changes, c)
	}
	return list
}
