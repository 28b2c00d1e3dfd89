package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"officiant/bundle/durable"
	"officiant/ceremony/online"
	"officiant/ceremony/online/grant"
	"officiant/ceremony/online/onlinetest"
	"officiant/ceremony/online/policy"
	"officiant/ceremony/station"
	"officiant/signer"
)

// BenchmarkStorm has 5,000 nodes rotate their client certificates at once, on SoftHSM, and
// shows the rate beside that of the bare key in the same run.
func BenchmarkStorm(b *testing.B) {
	const nodes, atOnce, workers = 5000, 256, 4
	r := newRoom(b)
	r.grant.Nodes = nil
	for i := range nodes {
		r.grant.Nodes = append(r.grant.Nodes, grant.Node{Name: fmt.Sprint("node-", i), Roles: []string{"worker"},
			SignaturesPerDay: 10_000})
	}
	st, err := station.Open(r.path("station.yaml"))
	if err != nil {
		b.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	o := &options{Now: time.Now}
	tokens := o.tokens(st, "demo", log)
	key, err := tokens.Key(b.Context(), "kubelet-client")
	if err != nil {
		b.Fatal(err)
	}
	var requests []policy.Request
	for i := range nodes {
		requests = append(requests, onlinetest.ClientRequest(b, fmt.Sprint("node-", i), onlinetest.NewKey(b, "k")))
	}
	for n := 0; b.Loop(); n++ {
		raw := bare(b, key, nodes, workers)
		service := online.New(online.Config{Grant: onlinetest.Parse(b, r.grant), Keys: tokens, Disk: &durable.Disk{},
			Journal: filepath.Join(r.dir, fmt.Sprint(n, ".jsonl")), Now: time.Now, Rand: rand.Reader, Workers: workers})
		ctx, end := context.WithCancel(b.Context())
		ended := make(chan error, 1)
		go func() { ended <- service.Run(ctx) }()
		began, cpu := time.Now(), processorTime(b)
		took := storm(b, service, requests, atOnce)
		cpu = processorTime(b) - cpu
		rate := nodes / time.Since(began).Seconds()
		end()
		if err := <-ended; err != nil {
			b.Fatal(err)
		}
		slices.Sort(took)
		b.ReportMetric(rate, "certs/s")
		b.ReportMetric(raw, "bare/s")
		b.ReportMetric(rate/raw, "of-bare")
		b.ReportMetric(float64(cpu.Microseconds())/nodes, "cpu-µs/cert")
		b.ReportMetric(took[len(took)*99/100].Seconds()*1000, "p99-ms")
	}
}

// bare is how many digests a key signs in a second.
func bare(b *testing.B, key signer.Key, n, workers int) float64 {
	next := make(chan [32]byte)
	var wg sync.WaitGroup
	began := time.Now()
	for range workers {
		wg.Go(func() {
			for digest := range next {
				if _, err := key.SignContext(b.Context(), digest[:], crypto.SHA256); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for i := range n {
		next <- sha256.Sum256(fmt.Append(nil, i))
	}
	close(next)
	wg.Wait()
	return float64(n) / time.Since(began).Seconds()
}

func storm(b *testing.B, service *online.Service, requests []policy.Request, atOnce int) (took []time.Duration) {
	next := make(chan policy.Request)
	var wg sync.WaitGroup
	var mu sync.Mutex
	for range atOnce {
		wg.Go(func() {
			for q := range next {
				began := time.Now()
				a := service.Ask(b.Context(), q)
				mu.Lock()
				took = append(took, time.Since(began))
				mu.Unlock()
				if a.State != online.Signed {
					b.Errorf("%+v", a)
				}
			}
		})
	}
	for _, q := range requests {
		next <- q
	}
	close(next)
	wg.Wait()
	return took
}

// processorTime is what this process has used; the module's has its own.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
