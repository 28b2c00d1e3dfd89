package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	certsv1 "k8s.io/api/certificates/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"officiant/cmd/officiant-signer-relay/internal/endpoint"
	"officiant/cmd/officiant-signer-relay/internal/manifests"
)

// answers is a signer whose journal grows with each request.
type answers struct {
	mu    sync.Mutex
	seq   int64
	away  error
	asked int
	hold  chan struct{} // answers wait for it; nil: none
}

func (a *answers) head() endpoint.Head {
	return endpoint.Head{Seq: a.seq, Hash: strings.Repeat("a", 64)}
}

func (a *answers) Sign(ctx context.Context, _ endpoint.Request) (*endpoint.Answer, error) {
	a.mu.Lock()
	a.asked++
	hold := a.hold
	a.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.away != nil {
		return nil, a.away
	}
	a.seq++
	return &endpoint.Answer{State: endpoint.Signed, Certificate: []byte("c"), Head: a.head()}, nil
}

func (a *answers) Status(context.Context) (*endpoint.Status, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return &endpoint.Status{Ready: true, Head: a.head()}, a.away
}

func (a *answers) questions() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked
}

// cluster is an API server in memory, with what the manifests make.
func cluster() *fake.Clientset {
	meta := metav1.ObjectMeta{Name: manifests.Name, Namespace: "ns"}
	return fake.NewClientset(&coordinationv1.Lease{ObjectMeta: meta}, &corev1.ConfigMap{ObjectMeta: meta})
}

// post is one relay of a cluster.
type post struct {
	*duty
	t    *testing.T
	stop context.CancelFunc
	done chan error
}

func start(t *testing.T, client *fake.Clientset, s signer, host string, change ...func(*runOptions)) *post {
	t.Helper()
	o := &runOptions{options: &options{Now: time.Now}, signerNames: manifests.SignerNames(), namespace: "ns",
		workers: 2, deadline: 10 * time.Second, lease: time.Second, longest: time.Second, qps: 1}
	for _, c := range change {
		c(o)
	}
	p := &post{t: t, duty: newDuty(o, client, s, host, slog.New(slog.NewJSONHandler(io.Discard, nil))),
		done: make(chan error, 1)}
	var ctx context.Context
	ctx, p.stop = context.WithCancel(t.Context())
	go func() { p.done <- p.serve(ctx) }()
	t.Cleanup(p.end)
	return p
}

func (p *post) end() {
	p.stop()
	if err := <-p.done; err != nil {
		p.t.Error(err)
	}
	p.done <- nil
}

func (p *post) get(path string) (int, string) {
	w := httptest.NewRecorder()
	p.handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Code, w.Body.String()
}

// eventually waits for what has no signal of its own.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for !is() {
		if t.Context().Err() != nil {
			t.Fatal(what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func create(t *testing.T, client *fake.Clientset, name string) {
	t.Helper()
	if _, err := client.CertificatesV1().CertificateSigningRequests().Create(t.Context(),
		&certsv1.CertificateSigningRequest{ObjectMeta: metav1.ObjectMeta{Name: name, UID: "1"},
			Spec: certsv1.CertificateSigningRequestSpec{SignerName: certsv1.KubeletServingSignerName, Username: "u",
				Request: []byte("r")}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

func certified(client *fake.Clientset, name string) bool {
	c, err := client.CertificatesV1().CertificateSigningRequests().Get(context.Background(), name, metav1.GetOptions{})
	return err == nil && len(c.Status.Certificate) > 0
}

// TestTakesOver: one relay works; when it ends, it gives the Lease back, and the other
// goes on, with the head that was kept.
func TestTakesOver(t *testing.T) {
	client, s := cluster(), &answers{seq: 3}
	first := start(t, client, s, "a")
	eventually(t, "leads", func() bool { code, _ := first.get("/readyz"); return code == 200 && first.leads.Load() })
	second := start(t, client, s, "b")
	eventually(t, "waits", func() bool { code, _ := second.get("/readyz"); return code == 200 })
	if second.leads.Load() {
		t.Error("both lead")
	}
	create(t, client, "one")
	eventually(t, "is certified", func() bool { return certified(client, "one") })
	first.end()
	create(t, client, "two")
	eventually(t, "is certified by the other", func() bool { return certified(client, "two") })
	if first.leads.Load() || !second.leads.Load() || second.heads.Newest().Seq < 4 {
		t.Errorf("leads: %t, %t; head %d", first.leads.Load(), second.leads.Load(), second.heads.Newest().Seq)
	}
	var text string
	eventually(t, "the cache has it", func() bool {
		_, text = second.get("/metrics")
		return strings.Contains(text, "officiant_relay_undecided 0\n")
	})
	for _, want := range []string{"officiant_relay_leader 1\n", "officiant_relay_ready 1\n",
		"officiant_relay_asked_total 1\n", `officiant_relay_written_total{what="certificate"} 1`,
		"officiant_relay_head_alarm 0\n", `officiant_relay_answers_total{state="signed",reason=""} 1`,
		"officiant_relay_approved_without_certificate 0\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}

// TestLeaseIsLost: a relay that cannot renew its Lease stops, writes nothing, and works on
// when the API server is back.
func TestLeaseIsLost(t *testing.T) {
	client, s := cluster(), &answers{seq: 3, hold: make(chan struct{})}
	var away atomic.Bool
	client.PrependReactor("*", "leases", func(clienttesting.Action) (bool, runtime.Object, error) {
		return away.Load(), nil, apierrors.NewServiceUnavailable("away")
	})
	p := start(t, client, s, "a")
	create(t, client, "one")
	eventually(t, "is asked", func() bool { return s.questions() == 1 })
	away.Store(true)
	eventually(t, "leads no more", func() bool { return !p.leads.Load() })
	eventually(t, "is not ready", func() bool {
		code, text := p.get("/readyz")
		return code == 503 && strings.Contains(text, "has not answered")
	})
	if certified(client, "one") {
		t.Error("written without a Lease")
	}
	close(s.hold)
	away.Store(false)
	eventually(t, "is certified", func() bool { return certified(client, "one") })
}

// TestStops: what was begun is finished before the Lease is given back.
func TestStops(t *testing.T) {
	client, s := cluster(), &answers{seq: 3, hold: make(chan struct{})}
	p := start(t, client, s, "a")
	create(t, client, "one")
	eventually(t, "is asked", func() bool { return s.questions() == 1 })
	p.stop()
	close(s.hold)
	p.end()
	lease, err := client.CoordinationV1().Leases("ns").Get(t.Context(), manifests.Name, metav1.GetOptions{})
	if err != nil || !certified(client, "one") || lease.Spec.HolderIdentity != nil && *lease.Spec.HolderIdentity != "" {
		t.Errorf("certified: %t, lease %+v, %v", certified(client, "one"), lease.Spec, err)
	}
}

// TestDeadline: what takes longer is broken off.
func TestDeadline(t *testing.T) {
	client, s := cluster(), &answers{seq: 3, hold: make(chan struct{})}
	p := start(t, client, s, "a", func(o *runOptions) { o.deadline = time.Millisecond })
	create(t, client, "one")
	eventually(t, "is asked", func() bool { return s.questions() == 1 })
	p.end()
	if certified(client, "one") {
		t.Error("nobody answered it")
	}
}

// TestNotReady: each state that keeps requests from being handed on.
func TestNotReady(t *testing.T) {
	client, s := cluster(), &answers{seq: 9, away: errors.New("connection refused")}
	p := start(t, client, s, "a")
	eventually(t, "the signer is away", func() bool {
		_, text := p.get("/readyz")
		return strings.Contains(text, "signer is not reached") && p.leads.Load()
	})
	s.mu.Lock()
	s.away = nil
	s.mu.Unlock()
	create(t, client, "one")
	eventually(t, "is certified", func() bool { return certified(client, "one") })
	s.mu.Lock()
	s.seq = 2 // cut
	s.mu.Unlock()
	create(t, client, "two")
	eventually(t, "alarm", func() bool { return p.heads.Alarm() != "" })
	p.reached.Store(true)
	if code, text := p.get("/readyz"); code != 503 || !strings.Contains(text, "not the one it was") {
		t.Errorf("%d: %s", code, text)
	}
	if code, _ := p.get("/healthz"); code != 200 { // a restart helps nobody
		t.Errorf("not healthy: %d", code)
	}
	if certified(client, "two") {
		t.Error("handed on with a journal that was cut")
	}
}
