// Officiant-signer signs a cluster's kubelet certificates between ceremonies, with keys
// in a token or KMS, within a grant that the release key has signed. It talks to no
// Kubernetes API.
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
	"officiant/signer/pkcs11/module"
)

// version and built are set by the linker.
var version, built = "devel", ""

func main() {
	// A PKCS#11 module has a process of its own: this program, started again.
	if code, ok := module.Serve(os.Args); ok {
		os.Exit(code)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C kills: the journal is gone on from
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	columns := os.Getenv("COLUMNS")
	stdout, stderr := terminal.NewScreen(os.Stdout, columns), terminal.NewScreen(os.Stderr, columns)
	terminal.Colors(os.Getenv, stdout, stderr)
	o := &options{
		Stdout: stdout, Stderr: stderr, Log: os.Stderr, Disk: &durable.Disk{}, Rand: rand.Reader, Now: time.Now,
		Setenv: os.Setenv, Getenv: os.Getenv, Hangup: hangup, Version: version,
		guard: &interrupt.Guard{},
	}
	code := o.guard.Run(ctx, "officiant-signer", o.Stderr, func() int { return execute(ctx, o, os.Args[1:]) })
	_ = errors.Join(stdout.Flush(), stderr.Flush()) // what has no end of line
	stop()
	os.Exit(code)
}
