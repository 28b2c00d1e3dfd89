// Officiant-signer-relay hands a cluster's CertificateSigningRequests to
// officiant-signer, and writes back what it answers. It has no key and no policy.
package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"officiant/cmd/internal/terminal"
)

// version and built are set by the linker.
var version, built = "devel", ""

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C kills: the next relay goes on
	columns := os.Getenv("COLUMNS")
	stdout, stderr := terminal.NewScreen(os.Stdout, columns), terminal.NewScreen(os.Stderr, columns)
	terminal.Colors(os.Getenv, stdout, stderr)
	o := &options{Stdout: stdout, Stderr: stderr, Log: os.Stderr, Now: time.Now, Hostname: os.Hostname,
		Version: version}
	code := execute(ctx, o, os.Args[1:])
	_ = errors.Join(stdout.Flush(), stderr.Flush()) // what has no end of line
	stop()
	os.Exit(code)
}
