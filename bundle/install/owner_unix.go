//go:build unix

package install

import (
	"io/fs"
	"syscall"
)

// ownerOf says to whom a file belongs.
func ownerOf(info fs.FileInfo) *owner {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return &owner{int(st.Uid), int(st.Gid)}
}
