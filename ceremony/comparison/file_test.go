package comparison

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestCheckFile: what is no file, or no file of a schedule, is told by what it is.
func TestCheckFile(t *testing.T) {
	dir := t.TempDir()
	info := func(size int64) fs.FileInfo {
		path := filepath.Join(dir, "schedule.txt")
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, size); err != nil { // a sparse file
			t.Fatal(err)
		}
		i, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	folder, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckFile("schedule.txt", info(MaxFile)); err != nil {
		t.Error(err)
	}
	if err := CheckFile("schedule.txt", info(MaxFile+1)); err == nil ||
		err.Error() != "schedule.txt: is larger than 256 MiB" {
		t.Error(err)
	}
	if err := CheckFile("schedule.txt", folder); err == nil || err.Error() != "schedule.txt: is not a plain file" {
		t.Error(err)
	}
}
