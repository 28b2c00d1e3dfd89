package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// watch asks the API, and writes to it, again and again, each time over a new
// connection to the control plane's address.
type watch struct {
	stop   context.CancelFunc
	done   chan struct{}
	asked  int
	failed []string
}

// watch begins, with the admin.conf below tree as it was at the beginning: an
// administrator's old certificate is good until it ends.
func (s *site) watch(ctx context.Context, tree string) *watch {
	ctx, stop := context.WithCancel(ctx)
	w := &watch{stop: stop, done: make(chan struct{})}
	who, err := credentials(tree, "admin.conf")()
	if err != nil {
		w.failed = []string{err.Error()}
		close(w.done)
		return w
	}
	base := "https://" + endpointAddress + ":6443"
	// The certificate names the control plane, not the balancer's address.
	c := caller{trust: filepath.Join(tree, etcKubernetes, "pki/server-ca.crt"), who: who, serverName: s.endpoint()}
	go func() {
		defer close(w.done)
		for ctx.Err() == nil {
			w.ask(ctx, c, base)
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	return w
}

func (w *watch) ask(ctx context.Context, c caller, base string) {
	begin := time.Now()
	w.asked++
	a, err := c.ask(ctx, "GET", base+"/readyz")
	if err == nil {
		err = a.is(200, "ok")
	}
	if err == nil {
		c.body = fmt.Sprintf(`{"data":{"count":"%d"}}`, w.asked)
		if a, err = c.ask(ctx, "PATCH", base+"/api/v1/namespaces/default/configmaps/acceptance"); err == nil {
			err = a.is(200, "")
		}
	}
	if err != nil && ctx.Err() == nil {
		w.failed = append(w.failed, fmt.Sprintf("%s, after %.1f s: %v", begin.Format("15:04:05.0"), time.Since(begin).Seconds(), err))
	}
}

// end stops it, and fails when the API did not answer once, or was asked less
// than least times.
func (w *watch) end(least int) error {
	w.stop()
	<-w.done
	if len(w.failed) > 0 {
		return fmt.Errorf("the API did not answer %d of %d times\n%s", len(w.failed), w.asked, strings.Join(w.failed[:min(len(w.failed), 5)], "\n"))
	}
	if w.asked < least {
		return fmt.Errorf("the API was asked only %d times", w.asked)
	}
	return nil
}
