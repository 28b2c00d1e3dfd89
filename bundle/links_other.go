//go:build !unix

package bundle

import "io/fs"

// linkCount is not known on this system.
func linkCount(fs.FileInfo) uint64 { return 1 }
