// Officiant conducts root signing ceremonies for Kubernetes.
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

// version and built are set by the linker; built is when the source's last
// change was committed, so that the same source makes the same program.
var version, built = "devel", ""

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C kills: what is on disk can be gone on from
	o := &options{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Disk: &durable.Disk{}, Rand: rand.Reader, Now: time.Now, Setenv: os.Setenv,
		NoColor: os.Getenv("NO_COLOR") != "", Version: version,
	}
	os.Exit(execute(ctx, o, os.Args[1:]))
}
