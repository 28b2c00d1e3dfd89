package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"officiant/cmd/internal/exit"
	"officiant/signer/pkcs11/module"
)

// readers are the commands that read much and write little, in whole files, and
// "ceremony run" until its ceremony begins. A signal ends them where they are.
var readers = map[string]bool{
	"officiant ceremony check":     true,
	"officiant ceremony diff":      true,
	"officiant ceremony expiry":    true,
	"officiant ceremony inventory": true,
	"officiant ceremony new":       true,
	"officiant ceremony adopt":     true,
	"officiant ceremony renew":     true,
	"officiant ceremony report":    true,
	"officiant ceremony revoke":    true,
	"officiant ceremony rollover":  true,
	"officiant ceremony run":       true,
	"officiant ceremony script":    true,
	"officiant ceremony status":    true,
	"officiant ceremony verify":    true,
	"officiant doctor":             true,
	"officiant fleet publish":      true,
	"officiant fleet status":       true,
}

// untilSignalled is a context that ends at the first SIGINT, SIGTERM or SIGHUP. The
// second one ends this process as it would any, and the modules' processes before it:
// what is on disk can be gone on from, and nothing writes to a token unseen. last is
// held by whoever ends the process: a call that fails as its module ends is no answer
// to who asked for that.
func untilSignalled(last *sync.Mutex) context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	heard := make(chan os.Signal, 2)
	signal.Notify(heard, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		<-heard
		cancel()
		again := <-heard
		last.Lock() // for good
		module.EndAll()
		signal.Reset()
		if s, ok := again.(syscall.Signal); ok {
			_ = syscall.Kill(os.Getpid(), s)
		}
	}()
	return ctx
}

// grace is how long a command may take to end by itself after a signal.
const grace = time.Second

// interruptible runs a command. After a signal it ends by itself, or where it is, as soon
// as nothing is under way that has to come to an end.
func (o *options) interruptible(ctx context.Context, command func() int) int {
	done := make(chan int, 1)
	go func() { done <- command() }()
	select {
	case code := <-done:
		return code
	case <-ctx.Done():
	}
	select {
	case code := <-done:
		return code
	case <-time.After(grace):
	}
	idle := make(chan struct{})
	go func() {
		o.busy.Lock() // for good: nothing begins any more
		close(idle)
	}()
	select {
	case code := <-done:
		return code
	case <-idle:
		fmt.Fprintln(o.Stderr, "officiant: interrupted")
		return exit.Interrupted
	}
}

// finishes keeps a signal from cutting short what is done until the function it
// returns is called.
func (o *options) finishes() (end func()) {
	if o.busy == nil {
		return func() {}
	}
	o.busy.RLock()
	return o.busy.RUnlock
}
