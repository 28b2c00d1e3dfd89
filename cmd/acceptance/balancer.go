package main

import (
	"context"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// balancer passes connections on to API servers, in turn, and to the next when
// one does not answer: what stands before a control plane of several nodes.
type balancer struct {
	listener net.Listener
	mu       sync.Mutex
	backends []string
	next     int
}

// balance begins to listen.
func balance(address string, backends ...string) (*balancer, error) {
	listener, err := net.Listen("tcp4", address)
	if err != nil {
		return nil, err
	}
	b := &balancer{listener: listener, backends: backends}
	go b.serve()
	return b, nil
}

// set says which backends there are from now on. Connections that are open stay.
func (b *balancer) set(backends ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.backends = slices.Clone(backends)
}

func (b *balancer) close() { b.listener.Close() }

func (b *balancer) serve() {
	for {
		client, err := b.listener.Accept()
		if err != nil {
			return // closed
		}
		go b.pass(client.(*net.TCPConn))
	}
}

func (b *balancer) pass(client *net.TCPConn) {
	defer client.Close()
	server := b.dial()
	if server == nil {
		return
	}
	defer server.Close()
	done := make(chan struct{})
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.CloseWrite()
		close(done)
	}()
	_, _ = io.Copy(client, server)
	_ = client.CloseWrite()
	<-done
}

func (b *balancer) dial() *net.TCPConn {
	b.mu.Lock()
	backends := slices.Clone(b.backends)
	b.next++
	first := b.next
	b.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for i := range backends {
		server, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp4", backends[(first+i)%len(backends)])
		if err == nil {
			return server.(*net.TCPConn)
		}
	}
	return nil
}
