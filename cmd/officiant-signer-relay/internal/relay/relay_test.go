package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	certsv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"officiant/cmd/officiant-signer-relay/internal/endpoint"
	"officiant/cmd/officiant-signer-relay/internal/metrics"
)

const serving = certsv1.KubeletServingSignerName

// desk is an API server, a signer and what keeps heads, all in memory. Its API server
// holds updates against uid and resource version, as a real one does.
type desk struct {
	t      *testing.T
	client *fake.Clientset
	cfg    Config

	mu     sync.Mutex
	asked  []endpoint.Request
	answer func(endpoint.Request) (*endpoint.Answer, error)
	update func(*certsv1.CertificateSigningRequest, string) error // before an update; nil: nothing
	kept   []endpoint.Head
	keep   error
	seq    int64
	wrote  []string // SUBRESOURCE NAME, and "head"
	change chan struct{}
}

func newDesk(t *testing.T, objects ...*certsv1.CertificateSigningRequest) *desk {
	d := &desk{t: t, change: make(chan struct{}, 1)}
	var list []runtime.Object
	for _, o := range objects {
		list = append(list, o)
	}
	d.client = fake.NewClientset(list...)
	d.client.PrependReactor("update", "certificatesigningrequests", d.react)
	d.answer = func(endpoint.Request) (*endpoint.Answer, error) { return d.signed(), nil }
	d.cfg = Config{Client: d.client, Signer: d, Heads: d, SignerNames: []string{serving}, Workers: 2,
		First: time.Millisecond, Longest: 4 * time.Millisecond, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Counts: &metrics.Counts{}}
	return d
}

func (d *desk) signed() *endpoint.Answer {
	return &endpoint.Answer{State: endpoint.Signed, Certificate: []byte("certificate"), Head: endpoint.Head{Seq: 7}}
}

func (d *desk) Sign(_ context.Context, r endpoint.Request) (*endpoint.Answer, error) {
	d.mu.Lock()
	d.asked = append(d.asked, r)
	answer := d.answer
	d.mu.Unlock()
	return answer(r)
}

func (d *desk) Newest() endpoint.Head { return endpoint.Head{} }

func (d *desk) Keep(_ context.Context, _, head endpoint.Head) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.keep != nil {
		return d.keep
	}
	d.kept = append(d.kept, head)
	d.wrote = append(d.wrote, "head")
	return nil
}

// react is the API server's part of an update.
func (d *desk) react(action clienttesting.Action) (bool, runtime.Object, error) {
	csr := action.(clienttesting.UpdateAction).GetObject().(*certsv1.CertificateSigningRequest).DeepCopy()
	if action.GetSubresource() == "" {
		return false, nil, nil
	}
	d.mu.Lock()
	before := d.update
	d.mu.Unlock()
	if before != nil {
		if err := before(csr, action.GetSubresource()); err != nil {
			return true, nil, err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	live := d.live(csr.Name)
	if live == nil {
		return true, nil, apierrors.NewNotFound(certsv1.Resource("certificatesigningrequests"), csr.Name)
	}
	if live.UID != csr.UID || live.ResourceVersion != csr.ResourceVersion {
		return true, nil, apierrors.NewConflict(certsv1.Resource("certificatesigningrequests"), csr.Name,
			errors.New("it was changed"))
	}
	csr.Spec = live.Spec
	n, _ := strconv.Atoi(live.ResourceVersion)
	csr.ResourceVersion = strconv.Itoa(n + 1)
	d.wrote = append(d.wrote, action.GetSubresource()+" "+csr.Name)
	d.signal()
	return true, csr, d.client.Tracker().Update(action.GetResource(), csr, "")
}

func (d *desk) signal() {
	select {
	case d.change <- struct{}{}:
	default:
	}
}

func (d *desk) live(name string) *certsv1.CertificateSigningRequest {
	obj, err := d.client.Tracker().Get(certsv1.SchemeGroupVersion.WithResource("certificatesigningrequests"), "", name)
	if err != nil {
		return nil
	}
	return obj.(*certsv1.CertificateSigningRequest)
}

// until waits for an object to be as it should.
func (d *desk) until(name string, is func(*certsv1.CertificateSigningRequest) bool) *certsv1.CertificateSigningRequest {
	d.t.Helper()
	for {
		d.mu.Lock()
		live := d.live(name)
		d.mu.Unlock()
		if live != nil && is(live) {
			return live
		}
		select {
		case <-d.change:
		case <-time.After(10 * time.Millisecond):
		case <-d.t.Context().Done():
			d.t.Fatal("it did not come to that")
		}
	}
}

// run begins a Relay; what it returns ends it.
func (d *desk) run() (stop func()) {
	_, stop = d.begin()
	return stop
}

func (d *desk) begin() (r *Relay, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	r = New(d.cfg)
	go func() { defer close(done); r.Run(ctx, context.WithoutCancel(ctx)) }()
	var once sync.Once
	stop = func() { once.Do(func() { cancel(); <-done }) }
	d.t.Cleanup(stop)
	return r, stop
}

func (d *desk) questions() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.asked)
}

// csr is a request as an API server has it.
func csr(name, user string, conditions ...certsv1.RequestConditionType) *certsv1.CertificateSigningRequest {
	c := &certsv1.CertificateSigningRequest{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("uid-" + name), ResourceVersion: "1"},
		Spec: certsv1.CertificateSigningRequestSpec{SignerName: serving, Username: user, UID: "made up",
			Groups: []string{"system:nodes"}, Request: []byte("PEM of " + name),
			Usages: []certsv1.KeyUsage{certsv1.UsageServerAuth}},
	}
	for _, kind := range conditions {
		c.Status.Conditions = append(c.Status.Conditions, certsv1.CertificateSigningRequestCondition{Type: kind,
			Status: corev1.ConditionTrue, Reason: "Somebody"})
	}
	return c
}

func certified(c *certsv1.CertificateSigningRequest) bool { return len(c.Status.Certificate) > 0 }

func TestSigned(t *testing.T) {
	approved := csr("b", "u", certsv1.CertificateApproved)
	seconds := int32(600)
	approved.Spec.ExpirationSeconds = &seconds
	d := newDesk(t, csr("a", "u"), approved)
	d.cfg.Workers = 1
	r, stop := d.begin()
	a, b := d.until("a", certified), d.until("b", certified)
	for kept := 1; r.Standing().Undecided > 0 || kept > 0; { // until the cache has what was written
		time.Sleep(time.Millisecond)
		kept = 0
		r.state.Load().done.Range(func(any, any) bool { kept++; return true })
	}
	stop()
	if len(d.asked) != 2 {
		t.Errorf("asked %d times for two", len(d.asked))
	}
	if string(a.Status.Certificate) != "certificate" || len(a.Status.Conditions) != 1 ||
		a.Status.Conditions[0].Type != certsv1.CertificateApproved || a.Status.Conditions[0].Reason != conditionReason {
		t.Errorf("%+v", a.Status)
	}
	if len(b.Status.Conditions) != 1 || b.Status.Conditions[0].Reason != "Somebody" {
		t.Errorf("somebody else's approval: %+v", b.Status)
	}
	if got := strings.Join(d.wrote, ", "); got != "head, approval a, status a, head, status b" &&
		got != "head, status b, head, approval a, status a" {
		t.Errorf("a head is kept before, and approval comes before the certificate: %s", got)
	}
	for _, r := range d.asked {
		if r.SignerName != serving || r.Username != "u" || len(r.Groups) != 1 || r.Usages[0] != "server auth" ||
			(string(r.Request) == "PEM of b") != (r.Seconds != nil && *r.Seconds == 600) {
			t.Errorf("asked %+v", r)
		}
	}
}

func TestDenied(t *testing.T) {
	d := newDesk(t, csr("a", "u"), csr("b", "u", certsv1.CertificateApproved))
	d.answer = func(endpoint.Request) (*endpoint.Answer, error) {
		return &endpoint.Answer{State: endpoint.Denied, Reason: "san-not-in-grant", Detail: "a\x1b[2J\n" +
			strings.Repeat("ä", 2000)}, nil
	}
	stop := d.run()
	a := d.until("a", finished).Status.Conditions
	b := d.until("b", finished).Status.Conditions
	stop()
	if len(a) != 1 || a[0].Type != certsv1.CertificateDenied || a[0].Reason != conditionReason ||
		!strings.HasPrefix(a[0].Message, "san-not-in-grant: a?[2J?ä") || len(a[0].Message) > maxMessage {
		t.Errorf("%+v", a)
	}
	if len(b) != 2 || b[1].Type != certsv1.CertificateFailed { // it cannot be approved and denied
		t.Errorf("%+v", b)
	}
}

// TestLeftAlone: what is done with, or another signer's, is not asked for.
func TestLeftAlone(t *testing.T) {
	certificate, other := csr("c", "u", certsv1.CertificateApproved), csr("o", "u")
	certificate.Status.Certificate, other.Spec.SignerName = []byte("there"), "example.com/other"
	d := newDesk(t, certificate, other, csr("d", "u", certsv1.CertificateDenied),
		csr("f", "u", certsv1.CertificateApproved, certsv1.CertificateFailed), csr("last", "u"))
	stop := d.run()
	d.until("last", certified)
	stop()
	if len(d.asked) != 1 || string(d.live("c").Status.Certificate) != "there" {
		t.Errorf("asked %d times: %+v", len(d.asked), d.asked)
	}
	for _, action := range d.client.Actions() { // the API server is asked for nothing else
		if w, ok := action.(clienttesting.ListAction); ok &&
			w.GetListRestrictions().Fields.String() != "spec.signerName="+serving {
			t.Errorf("listed: %s", w.GetListRestrictions().Fields)
		}
	}
}

// TestReplaced: while the signer is asked, the object is replaced by another one of its
// name. The answer is not that one's.
func TestReplaced(t *testing.T) {
	d := newDesk(t, csr("a", "u"))
	var once sync.Once
	d.answer = func(r endpoint.Request) (*endpoint.Answer, error) {
		if string(r.Request) != "PEM of a" {
			return &endpoint.Answer{State: endpoint.Denied, Reason: "subject"}, nil
		}
		once.Do(func() {
			api := d.client.CertificatesV1().CertificateSigningRequests()
			another := csr("a", "attacker")
			another.UID, another.ResourceVersion, another.Spec.Request = "another", "9", []byte("another key")
			if err := errors.Join(api.Delete(t.Context(), "a", metav1.DeleteOptions{}),
				d.client.Tracker().Add(another)); err != nil {
				t.Error(err)
			}
		})
		return d.signed(), nil
	}
	stop := d.run()
	got := d.until("a", finished)
	stop()
	if got.UID != "another" || certified(got) || !has(got, certsv1.CertificateDenied) {
		t.Errorf("%+v", got)
	}
}

// TestEdited: an object that was edited between reading and writing is asked for again.
func TestEdited(t *testing.T) {
	d := newDesk(t, csr("a", "u"))
	var once sync.Once
	d.update = func(c *certsv1.CertificateSigningRequest, sub string) error {
		once.Do(func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			edited := d.live("a").DeepCopy()
			edited.ResourceVersion, edited.Labels = "5", map[string]string{"edited": "yes"}
			if err := d.client.Tracker().Update(certsv1.SchemeGroupVersion.WithResource("certificatesigningrequests"),
				edited, ""); err != nil {
				t.Error(err)
			}
		})
		return nil
	}
	stop := d.run()
	got := d.until("a", certified)
	stop()
	if got.Labels["edited"] != "yes" || d.questions() < 2 {
		t.Errorf("%+v, asked %d times", got.ObjectMeta, d.questions())
	}
}

// TestAgain: whatever is no decision is tried again, and nothing is written meanwhile.
func TestAgain(t *testing.T) {
	missing := apierrors.NewNotFound(corev1.Resource("configmaps"), "x")
	forbidden := apierrors.NewForbidden(certsv1.Resource("signers"), "x", errors.New("no"))
	for name, c := range map[string]struct {
		answer        *endpoint.Answer
		err, keep, up error
		at            string
	}{
		"later":                    {answer: &endpoint.Answer{State: endpoint.Later, Reason: "token"}},
		"the signer is away":       {err: errors.New("connection refused"), at: "signer"},
		"the signer refuses it":    {err: &endpoint.Refused{Status: 400}, at: "signer-refused"},
		"the head is not kept":     {keep: errors.New("alarm"), at: "head"},
		"the ConfigMap is gone":    {keep: missing, at: "head"},
		"another wrote the head":   {keep: apierrors.NewConflict(corev1.Resource("configmaps"), "x", nil), at: "head"},
		"the API server is away":   {up: apierrors.NewServiceUnavailable("away"), at: "api-server"},
		"the relay has no right":   {up: forbidden, at: "forbidden"},
		"somebody was there first": {up: apierrors.NewConflict(corev1.Resource("x"), "x", nil), at: "conflict"},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, csr("a", "u"))
			d.keep = c.keep
			d.update = func(*certsv1.CertificateSigningRequest, string) error { return c.up }
			if c.answer != nil || c.err != nil {
				d.answer = func(endpoint.Request) (*endpoint.Answer, error) { return c.answer, c.err }
			}
			stop := d.run()
			for d.questions() < 4 {
				time.Sleep(time.Millisecond)
			}
			d.mu.Lock()
			for _, w := range d.wrote {
				if w != "head" {
					t.Errorf("%s was written", w)
				}
			}
			d.keep, d.update = nil, nil
			d.answer = func(endpoint.Request) (*endpoint.Answer, error) { return d.signed(), nil }
			d.mu.Unlock()
			d.until("a", certified)
			stop()
			var text strings.Builder
			d.cfg.Counts.Write(&text, nil)
			if c.at != "" && !strings.Contains(text.String(), `officiant_relay_errors_total{at="`+c.at+`"}`) {
				t.Errorf("not counted as %s:\n%s", c.at, &text)
			}
		})
	}
}

// TestApprovedIsNotLost: a relay that ends between approval and certificate leaves what
// the next one finds.
func TestApprovedIsNotLost(t *testing.T) {
	d := newDesk(t, csr("a", "u"))
	tried := make(chan struct{}, 100)
	d.update = func(_ *certsv1.CertificateSigningRequest, sub string) error {
		if sub != "status" {
			return nil
		}
		select {
		case tried <- struct{}{}:
		default:
		}
		return apierrors.NewServiceUnavailable("away")
	}
	stop := d.run()
	<-tried
	stop()
	if live := d.live("a"); !has(live, certsv1.CertificateApproved) || certified(live) {
		t.Fatalf("%+v", live.Status)
	}
	d.update = nil
	d.run()
	if got := d.until("a", certified); len(got.Status.Conditions) != 1 {
		t.Errorf("%+v", got.Status)
	}
}

// TestTooLarge: a request that no signer reads is denied by its size, and not kept.
func TestTooLarge(t *testing.T) {
	large := csr("a", "u")
	large.Spec.Request = make([]byte, endpoint.MaxBody+1)
	lists := csr("b", "u")
	d := newDesk(t, large, lists)
	d.answer = func(endpoint.Request) (*endpoint.Answer, error) { return nil, endpoint.ErrTooLarge }
	stop := d.run()
	for _, name := range []string{"a", "b"} {
		if got := d.until(name, finished); !strings.HasPrefix(got.Status.Conditions[0].Message, "csr-size: ") {
			t.Errorf("%+v", got.Status)
		}
	}
	stop()
	if len(d.asked) != 1 {
		t.Errorf("asked %d times", len(d.asked))
	}
	light, err := lighten(large.DeepCopy())
	if err != nil || len(light.(*certsv1.CertificateSigningRequest).Spec.Request) != 0 {
		t.Error("the cache keeps what nobody reads")
	}
}

// TestAnnotations are not kept in memory, and not removed by what is written.
func TestAnnotations(t *testing.T) {
	with := csr("a", "u")
	with.Annotations = map[string]string{"example.com/long": strings.Repeat("x", 1000)}
	with.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubelet"}}
	light, err := lighten(with.DeepCopy())
	if c := light.(*certsv1.CertificateSigningRequest); err != nil || len(c.Annotations["example.com/long"]) > 0 ||
		c.ManagedFields != nil || c.Spec.UID != "" {
		t.Errorf("%+v", c)
	}
	d := newDesk(t, with)
	d.run()
	if got := d.until("a", certified); len(got.Annotations["example.com/long"]) != 1000 {
		t.Errorf("%+v", got.Annotations)
	}
}

// TestLeaseLost: what is asked when the Lease is lost is not written, and the next relay
// asks again.
func TestLeaseLost(t *testing.T) {
	d := newDesk(t, csr("a", "u"))
	lead, lose := context.WithCancel(t.Context())
	d.cfg.Signer = signerFunc(func(ctx context.Context, r endpoint.Request) (*endpoint.Answer, error) {
		lose()
		<-ctx.Done()
		return d.Sign(ctx, r)
	})
	d.cfg.Client = contextual{d.client}
	New(d.cfg).Run(t.Context(), lead)
	if live := d.live("a"); len(live.Status.Conditions) > 0 {
		t.Fatalf("written without a Lease: %+v", live.Status)
	}
	New(d.cfg).Run(t.Context(), lead) // it has none any more
	if d.questions() != 1 {
		t.Errorf("asked %d times", d.questions())
	}
	d.cfg.Signer = d
	d.run()
	d.until("a", certified)
}

// TestStop: what was begun is finished, and nothing else begun.
func TestStop(t *testing.T) {
	var objects []*certsv1.CertificateSigningRequest
	for i := range 50 {
		objects = append(objects, csr(fmt.Sprint("c", i), "u"))
	}
	d := newDesk(t, objects...)
	take, stop := context.WithCancel(t.Context())
	d.cfg.Signer = signerFunc(func(ctx context.Context, r endpoint.Request) (*endpoint.Answer, error) {
		stop()
		return d.Sign(ctx, r)
	})
	New(d.cfg).Run(take, t.Context())
	done := 0
	for _, o := range objects {
		if certified(d.live(o.Name)) {
			done++
		}
	}
	if done < 1 || done != len(d.asked) || done > d.cfg.Workers {
		t.Errorf("%d asked, %d certified", len(d.asked), done)
	}
}
