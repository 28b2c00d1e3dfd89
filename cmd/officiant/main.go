// Officiant conducts root signing ceremonies for Kubernetes.
package main

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"officiant/bundle/durable"
	"officiant/cmd/internal/interrupt"
	"officiant/cmd/internal/terminal"
	"officiant/signer/pkcs11/module"
)

// version and built are set by the linker; built is when the source's last
// change was committed, so that the same source makes the same program.
var version, built = "devel", ""

func main() {
	// A PKCS#11 module has a process of its own: this program, started again.
	if code, ok := module.Serve(os.Args); ok {
		os.Exit(code)
	}
	var last sync.Mutex
	ctx := untilSignalled(&last)
	columns := os.Getenv("COLUMNS")
	stdout, stderr := terminal.NewScreen(os.Stdout, columns), terminal.NewScreen(os.Stderr, columns)
	terminal.Colors(os.Getenv, stdout, stderr)
	o := &options{
		Stdin: os.Stdin, Stdout: stdout, Stderr: stderr,
		Disk: &durable.Disk{}, Rand: rand.Reader, Now: time.Now, Setenv: os.Setenv, Getenv: os.Getenv,
		State:   stateFolder(os.Getenv("XDG_STATE_HOME"), os.Getenv("HOME")),
		Version: version, guard: &interrupt.Guard{},
	}
	code := o.guard.Run(ctx, "officiant", o.Stderr, func() int { return execute(ctx, o, os.Args[1:]) })
	_ = errors.Join(stdout.Flush(), stderr.Flush()) // what has no end of line
	last.Lock()
	os.Exit(code)
}

// stateFolder is where the program remembers things on this machine, as the XDG base
// directory specification has it: paths that are not absolute are ignored.
func stateFolder(state, home string) string {
	switch {
	case filepath.IsAbs(state):
		return filepath.Join(state, "officiant")
	case filepath.IsAbs(home):
		return filepath.Join(home, ".local", "state", "officiant")
	}
	return ""
}
