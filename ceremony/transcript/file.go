package transcript

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// MaxFile is above every record, in bytes: one of 100,000 certificates has less.
const MaxFile = 512 << 20

// OpenFile opens a record. A pipe in its place is not waited for. What is no plain file,
// or larger than MaxFile, is a *Broken.
func OpenFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		err = CheckFile(path, info)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// ReadFile reads what OpenFile opens.
func ReadFile(path string) ([]byte, error) {
	f, err := OpenFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, MaxFile))
}

// CheckFile is for those who open a record otherwise. Its error is a *Broken.
func CheckFile(path string, info fs.FileInfo) error {
	switch {
	case !info.Mode().IsRegular():
		return &Broken{path, 1, "is not a plain file"}
	case info.Size() > MaxFile:
		return &Broken{path, 1, fmt.Sprintf("the file has %d bytes, more than a record ever has", info.Size())}
	}
	return nil
}
