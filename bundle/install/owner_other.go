//go:build !unix

package install

import "io/fs"

// ownerOf is not known here: nodes run Linux.
func ownerOf(fs.FileInfo) *owner { return nil }
