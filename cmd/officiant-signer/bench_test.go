package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
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

// BenchmarkStorm has 5,000 nodes rotate their client certificates at once, on SoftHSM. It
// shows the rate, and the processor time that a certificate takes, beside those of the bare
// key in the same run. The module's process is counted, too: it shares the processors.
func BenchmarkStorm(b *testing.B) {
	for _, a := range []signer.Algorithm{signer.ECDSAP256, signer.ECDSAP384, signer.RSA3072} {
		b.Run(string(a), func(b *testing.B) { benchmarkStorm(b, a) })
	}
}

func benchmarkStorm(b *testing.B, algorithm signer.Algorithm) {
	const nodes, atOnce, workers = 5000, 256, 4
	r := newRoomOf(b, algorithm)
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
	var requests []policy.Request
	for i := range nodes {
		requests = append(requests, onlinetest.ClientRequest(b, fmt.Sprint("node-", i), onlinetest.NewKey(b, "k")))
	}
	for n := 0; b.Loop(); n++ {
		key, err := tokens.Key(b.Context(), "kubelet-client")
		if err != nil {
			b.Fatal(err)
		}
		raw := measure(b, nodes, func() { bare(b, key, nodes, workers) })
		service := online.New(online.Config{Grant: onlinetest.Parse(b, r.grant), Keys: tokens, Disk: &durable.Disk{},
			Journal: filepath.Join(r.dir, fmt.Sprint(n, ".jsonl")), Now: time.Now, Rand: rand.Reader, Workers: workers,
			Log: log})
		ctx, end := context.WithCancel(b.Context())
		ended := make(chan error, 1)
		go func() { ended <- service.Run(ctx) }()
		var took []time.Duration
		certs := measure(b, nodes, func() { took = storm(b, service, requests, atOnce) })
		end()
		if err := <-ended; err != nil {
			b.Fatal(err)
		}
		slices.Sort(took)
		b.ReportMetric(certs.rate, "certs/s")
		b.ReportMetric(raw.rate, "bare/s")
		b.ReportMetric(certs.rate/raw.rate, "of-bare")
		b.ReportMetric(certs.cpu.Seconds()*1e6, "cpu-µs/cert")
		b.ReportMetric(raw.cpu.Seconds()*1e6, "cpu-µs/bare")
		b.ReportMetric(raw.cpu.Seconds()/certs.cpu.Seconds(), "of-bare-cpu")
		b.ReportMetric(took[len(took)*99/100].Seconds()*1000, "p99-ms")
		b.ReportMetric(float64(peak(b))/1024, "peak-MiB")
	}
}

// speed is how many there are in a second, and what each takes of the processors.
type speed struct {
	rate float64
	cpu  time.Duration
}

func measure(b *testing.B, n int, do func()) speed {
	began, cpu := time.Now(), processorTime(b)
	do()
	return speed{float64(n) / time.Since(began).Seconds(), (processorTime(b) - cpu) / time.Duration(n)}
}

// bare has a key sign digests, and does nothing else.
func bare(b *testing.B, key signer.Key, n, workers int) {
	next := make(chan [32]byte)
	var wg sync.WaitGroup
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

// processorTime is that of this process, and of the modules that it has in others.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	sum := time.Duration(u.Utime.Nano() + u.Stime.Nano())
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		data, _ := os.ReadFile(file)                  // a process may have ended
		_, rest, _ := strings.Cut(string(data), ") ") // its name may have spaces
		f := strings.Fields(rest)
		if len(f) < 13 || f[1] != strconv.Itoa(os.Getpid()) {
			continue
		}
		for _, ticks := range f[11:13] {
			n, err := strconv.Atoi(ticks)
			if err != nil {
				b.Fatal(err)
			}
			sum += time.Duration(n) * 10 * time.Millisecond // USER_HZ is 100
		}
	}
	return sum
}

// peak is the greatest resident size of this process so far, in KiB.
func peak(b *testing.B) int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	n, err := strconv.Atoi(strings.Fields(after)[0])
	if err != nil {
		b.Fatal(err)
	}
	return n
}
