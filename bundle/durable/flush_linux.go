package durable

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// journaled are file systems that one syncfs flushes whole, errors included. Others
// (FAT, FUSE, NFS, SMB, what is not known) are told file by file.
var journaled = map[int64]bool{
	unix.EXT4_SUPER_MAGIC:      true, // ext2 and ext3, too
	unix.XFS_SUPER_MAGIC:       true,
	unix.BTRFS_SUPER_MAGIC:     true,
	unix.F2FS_SUPER_MAGIC:      true,
	unix.TMPFS_MAGIC:           true, // nothing of it lasts
	unix.OVERLAYFS_SUPER_MAGIC: true,
}

// flushes says whether flush is enough for the file system of f. Before Linux 5.8
// syncfs kept to itself that writing back had failed.
func flushes(f *os.File) bool {
	var at unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &at); err != nil || !journaled[int64(at.Type)] {
		return false
	}
	var name unix.Utsname
	return unix.Uname(&name) == nil && sinceRelease(unix.ByteSliceToString(name.Release[:]), 5, 8)
}

// sinceRelease says whether a kernel's release ("6.12.48+deb13-amd64") is not before one.
func sinceRelease(release string, major, minor int) bool {
	first, rest, _ := strings.Cut(release, ".")
	second := rest
	if i := strings.IndexFunc(rest, func(c rune) bool { return c < '0' || c > '9' }); i >= 0 {
		second = rest[:i]
	}
	x, err := strconv.Atoi(first)
	if err != nil {
		return false
	}
	y, err := strconv.Atoi(second)
	return err == nil && (x > major || x == major && y >= minor)
}

// flush has the file system of f write everything that was written to it.
func flush(f *os.File) error { return unix.Syncfs(int(f.Fd())) }
