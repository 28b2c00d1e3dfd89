//go:build cgo

package module

import (
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// progress is memory that both sides see: for each request, by its number, the
// function that the module is in. It tells of a module that hangs or dies in
// which of the calls of a request it was. A second half counts the signatures of a request
// that are made, so that each has a limit of its own.
type progress []byte

const (
	progressSlots = 1024
	progressSize  = 2 * 4 * progressSlots
)

// newProgress makes the memory and the file by which a process gets it.
func newProgress() (progress, *os.File, error) {
	f, err := os.CreateTemp("", "officiant-progress-")
	if err == nil {
		err = os.Remove(f.Name())
	}
	if err == nil {
		err = f.Truncate(progressSize)
	}
	var p progress
	if err == nil {
		p, err = unix.Mmap(int(f.Fd()), 0, progressSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	}
	if err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("memory to share: %w", err)
	}
	return p, f, nil
}

// openProgress takes the memory from a descriptor; a process that cannot has
// its own, and nobody sees it.
func openProgress(fd int) progress {
	p, err := unix.Mmap(fd, 0, progressSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return make(progress, progressSize)
	}
	return p
}

func (p progress) at(id uint32) *uint32 {
	return (*uint32)(unsafe.Pointer(&p[4*(id%progressSlots)]))
}

// made is how many signatures of a request, of which at tells, are there.
func made(at *uint32) *uint32 { return (*uint32)(unsafe.Add(unsafe.Pointer(at), 4*progressSlots)) }

// waits is in the memory of a request that the module has not been asked yet.
const waits = 1 << 8

// begun tells whether the module has been asked.
func (p progress) begun(id uint32) bool { return atomic.LoadUint32(p.at(id)) < functions }

// function is the one that a request is in; asked is the one it was made for.
func (p progress) function(id uint32, asked byte) string {
	n := atomic.LoadUint32(p.at(id))
	if k, ok := known[byte(n)]; ok && n < functions {
		return k.name
	}
	return known[asked].name
}
