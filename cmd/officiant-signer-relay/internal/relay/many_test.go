package relay

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	certsv1 "k8s.io/api/certificates/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	certsv1client "k8s.io/client-go/kubernetes/typed/certificates/v1"
	clienttesting "k8s.io/client-go/testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"officiant/cmd/officiant-signer-relay/internal/endpoint"
)

type signerFunc func(context.Context, endpoint.Request) (*endpoint.Answer, error)

func (f signerFunc) Sign(ctx context.Context, r endpoint.Request) (*endpoint.Answer, error) {
	return f(ctx, r)
}

// contextual is a client whose updates fail when their context has ended, as real ones do.
type contextual struct{ kubernetes.Interface }

// IsWatchListSemanticsUnSupported says so of the fake one in it.
func (contextual) IsWatchListSemanticsUnSupported() bool { return true }

func (c contextual) CertificatesV1() certsv1client.CertificatesV1Interface {
	return contextualGroup{c.Interface.CertificatesV1()}
}

type contextualGroup struct {
	certsv1client.CertificatesV1Interface
}

func (c contextualGroup) CertificateSigningRequests() certsv1client.CertificateSigningRequestInterface {
	return contextualRequests{c.CertificatesV1Interface.CertificateSigningRequests()}
}

type contextualRequests struct {
	certsv1client.CertificateSigningRequestInterface
}

func (c contextualRequests) UpdateApproval(ctx context.Context, name string, csr *certsv1.CertificateSigningRequest,
	o metav1.UpdateOptions) (*certsv1.CertificateSigningRequest, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return c.CertificateSigningRequestInterface.UpdateApproval(ctx, name, csr, o)
}

// TestTurns: each requester has its turn.
func TestTurns(t *testing.T) {
	q := newTurns()
	for i := range 5 {
		q.Push(item{name: fmt.Sprint(i), user: "flood"})
	}
	q.Push(item{name: "x", user: "other"})
	q.Push(item{name: "y", user: "other"})
	got := ""
	for q.Len() > 0 {
		got += q.Pop().name
	}
	if got != "0x1y234" {
		t.Errorf("in the order %s", got)
	}
}

// TestFlood: who has few requests does not wait for who has many.
func TestFlood(t *testing.T) {
	objects := []*certsv1.CertificateSigningRequest{csr("other", "other")}
	for i := range 300 {
		objects = append(objects, csr(fmt.Sprint("a", i), "flood"))
	}
	d := newDesk(t, objects...)
	d.cfg.Workers = 1
	d.answer = func(endpoint.Request) (*endpoint.Answer, error) {
		return &endpoint.Answer{State: endpoint.Later, Reason: "busy"}, nil
	}
	queued, first := make(chan struct{}), make(chan int, 1)
	d.cfg.Signer = signerFunc(func(ctx context.Context, r endpoint.Request) (*endpoint.Answer, error) {
		<-queued
		a, err := d.Sign(ctx, r)
		if r.Username == "other" {
			select {
			case first <- d.questions():
			default:
			}
		}
		return a, err
	})
	r, _ := d.begin()
	for r.Standing().Waiting < 300 { // one is being asked for
		time.Sleep(time.Millisecond)
	}
	close(queued)
	if n := <-first; n > 3 {
		t.Errorf("it was asked for as number %d", n)
	}
}

// TestBackoff: longer each time, to a bound, and not all at once.
func TestBackoff(t *testing.T) {
	b := newBackoff(time.Second, time.Minute)
	it, seen := item{name: "a"}, map[time.Duration]bool{}
	for n := range 100 {
		most := min(time.Minute, time.Second<<min(n, 10))
		if d := b.When(it); d < most/2 || d > most {
			t.Fatalf("after %d tries: %s", n, d)
		} else {
			seen[d] = true
		}
	}
	if len(seen) < 50 || b.NumRequeues(it) != 30 {
		t.Errorf("%d waits, %d tries", len(seen), b.NumRequeues(it))
	}
	if b.Forget(it); b.When(it) > time.Second {
		t.Error("what was forgotten waits on")
	}
}

// TestTenThousand at once: few are handed on at a time, and each once.
func TestTenThousand(t *testing.T) {
	const all = 10_000
	var objects []*certsv1.CertificateSigningRequest
	for i := range all {
		objects = append(objects, csr(fmt.Sprint("c", i), fmt.Sprint("node-", i%500)))
	}
	d := newDesk(t, objects...)
	var wrote, at, most atomic.Int64
	var mu sync.Mutex
	asked := map[string]int{}
	take, stop := context.WithCancel(t.Context())
	d.client.PrependReactor("update", "certificatesigningrequests", func(a clienttesting.Action) (bool, runtime.Object,
		error) {
		if a.GetSubresource() == "status" && wrote.Add(1) == all {
			stop()
		}
		return true, a.(clienttesting.UpdateAction).GetObject(), nil
	})
	d.cfg.Signer = signerFunc(func(_ context.Context, r endpoint.Request) (*endpoint.Answer, error) {
		n := at.Add(1)
		defer at.Add(-1)
		mu.Lock()
		asked[string(r.Request)]++
		mu.Unlock()
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		return d.signed(), nil
	})
	d.cfg.Workers = 8
	New(d.cfg).Run(take, t.Context())
	if wrote.Load() != all || most.Load() > 8 || len(asked) != all {
		t.Errorf("%d certificates for %d requests, %d at once", wrote.Load(), len(asked), most.Load())
	}
	for r, n := range asked {
		if n != 1 {
			t.Errorf("%s was asked for %d times", r, n)
		}
	}
}
