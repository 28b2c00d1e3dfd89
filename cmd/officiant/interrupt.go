package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"

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
