// Officiant-node makes a node's requests and installs the bundles it gets back.
// It is static, without cgo, and cannot reach a CA key.
package main

import (
	"context"
	"crypto/rand"
	"os"
	"os/signal"
	"syscall"
	"time"

	"officiant/bundle/durable"
)

// version is set by the linker.
var version = "devel"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C kills: what is on disk can be gone on from
	o := &options{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Disk: &durable.Disk{}, Rand: rand.Reader, Now: time.Now, Hostname: os.Hostname,
		NoColor: os.Getenv("NO_COLOR") != "", Version: version,
	}
	code := execute(ctx, o, os.Args[1:])
	stop()
	os.Exit(code)
}
