package commandtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// coverDir is where make refusals gathers what has run. It is not GOCOVERDIR, which
// go test -cover sets to a folder that it removes.
const coverDir = "OFFICIANT_COVERDIR"

// Covered says whether programs are to write what has run.
func Covered() bool { return os.Getenv(coverDir) != "" }

// Build makes a program of cmd in a folder; source is the module's root. With cgo "0" it is
// static. Where OFFICIANT_COVERDIR is set, the program writes there which of its statements
// have run, so that what it says counts as said in a test.
func Build(source, folder, name, cgo string) error {
	args := []string{"build", "-ldflags=-s -w", "-o", filepath.Join(folder, name)}
	if Covered() {
		args = append(args, "-cover", "-coverpkg=officiant/...")
		if err := os.Setenv("GOCOVERDIR", os.Getenv(coverDir)); err != nil { // what it starts has it
			return err
		}
	}
	c := exec.Command("go", append(args, "./cmd/"+name)...)
	c.Dir = source
	c.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", name, err, out)
	}
	return nil
}
