package main

import (
	"cmp"
	"fmt"
	"slices"
	"syscall"
	"time"
)

// mark is one of the design's marks, and what was measured.
type mark struct {
	what   string
	figure float64
	most   float64
	unit   string
}

func (b *bench) mark(what string, figure, most float64, unit string) {
	b.marks = append(b.marks, mark{what, figure, most, unit})
}

func (b *bench) printMarks() {
	if len(b.marks) == 0 {
		return
	}
	b.printf("\nMarks\n")
	for _, m := range b.marks {
		verdict := "met   "
		if m.figure > m.most {
			verdict = "missed"
		}
		b.printf("  %s  %7.2f%-4s of at most %g%-4s  %s\n", verdict, m.figure, m.unit, m.most, m.unit, m.what)
	}
}

// median of several; of an even number the upper one.
func median[T cmp.Ordered](of []T) T {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2]
}

func seconds(d time.Duration) float64 { return d.Seconds() }

// fileSystem names what a folder lies on, as far as it matters here: in memory
// a sync costs nothing.
func fileSystem(path string) string {
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return "an unknown file system"
	}
	switch s.Type {
	case 0x01021994:
		return "tmpfs: in memory, where a sync costs nothing"
	case 0xEF53:
		return "ext4"
	case 0x794c7630:
		return "overlayfs"
	}
	return fmt.Sprintf("file system type %#x", s.Type)
}
