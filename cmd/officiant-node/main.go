// Officiant-node makes a node's requests and installs the bundles it gets back.
// It is static, without cgo, and cannot reach a CA key.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"officiant/bundle/durable"
	"officiant/cmd/internal/interrupt"
	"officiant/cmd/internal/terminal"
)

// version is set by the linker.
var version = "devel"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C kills: what is on disk can be gone on from
	columns := os.Getenv("COLUMNS")
	stdout, stderr := terminal.NewScreen(os.Stdout, columns), terminal.NewScreen(os.Stderr, columns)
	terminal.Colors(os.Getenv, stdout, stderr)
	o := &options{
		Stdin: os.Stdin, Stdout: stdout, Stderr: stderr,
		Disk: &durable.Disk{}, Rand: rand.Reader, Now: time.Now, Hostname: os.Hostname, Program: runProgram,
		Version: version, Getenv: os.Getenv, guard: &interrupt.Guard{},
	}
	code := o.guard.Run(ctx, "officiant-node", o.Stderr, func() int { return execute(ctx, o, os.Args[1:]) })
	_ = errors.Join(stdout.Flush(), stderr.Flush()) // what has no end of line
	stop()
	os.Exit(code)
}
