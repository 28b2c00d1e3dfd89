package relay

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	certsv1 "k8s.io/api/certificates/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"

	"officiant/cmd/officiant-signer-relay/internal/endpoint"
	"officiant/cmd/officiant-signer-relay/internal/metrics"
)

// Signer answers requests; endpoint.Client is one.
type Signer interface {
	Sign(ctx context.Context, r endpoint.Request) (*endpoint.Answer, error)
}

// Heads keeps the newest head; heads.Keeper is one.
type Heads interface {
	Newest() endpoint.Head
	Keep(ctx context.Context, floor, head endpoint.Head) error
}

// Config is what a Relay works with.
type Config struct {
	Client         kubernetes.Interface
	Signer         Signer
	Heads          Heads
	SignerNames    []string
	Workers        int
	First, Longest time.Duration // until a request is asked again
	Now            func() time.Time
	Log            *slog.Logger
	Counts         *metrics.Counts
}

// Relay hands requests on while Run runs.
type Relay struct {
	cfg   Config
	state atomic.Pointer[round]
	one   sync.Mutex // one Run at a time
}

// round is what one Run works with.
type round struct {
	*Relay
	queue     workqueue.TypedRateLimitingInterface[item]
	informers map[string]cache.SharedIndexInformer // by signer name
	synced    atomic.Bool
	done      sync.Map // uids of what is written, and not yet in the cache
}

// New makes a Relay.
func New(cfg Config) *Relay { return &Relay{cfg: cfg} }

// Run hands on requests until take ends; workers then finish what they have begun. When
// work ends, it is aborted. Nothing runs on after Run has returned.
func (r *Relay) Run(take, work context.Context) {
	r.one.Lock()
	defer r.one.Unlock()
	if work.Err() != nil || take.Err() != nil {
		return
	}
	n := r.newRound()
	r.state.Store(n)
	defer r.state.Store(nil)
	watch, end := context.WithCancel(work)
	var informing, workers sync.WaitGroup
	defer informing.Wait()
	defer end()
	for _, informer := range n.informers {
		informing.Go(func() { informer.RunWithContext(watch) })
	}
	stop := context.AfterFunc(work, n.queue.ShutDown)
	defer stop()
	stopTaking := context.AfterFunc(take, n.queue.ShutDown)
	defer stopTaking()
	defer n.queue.ShutDown()
	for _, informer := range n.informers {
		if !cache.WaitForCacheSync(mergeDone(watch, take), informer.HasSynced) {
			return
		}
	}
	n.synced.Store(true)
	for range r.cfg.Workers {
		workers.Go(func() {
			for n.next(take, work) {
			}
		})
	}
	workers.Wait()
}

// mergeDone ends with the first of the two.
func mergeDone(a, b context.Context) <-chan struct{} {
	c, cancel := context.WithCancel(a)
	context.AfterFunc(b, cancel)
	return c.Done()
}

func (r *Relay) newRound() *round {
	n := &round{Relay: r, informers: map[string]cache.SharedIndexInformer{}}
	n.queue = workqueue.NewTypedRateLimitingQueueWithConfig[item](newBackoff(r.cfg.First, r.cfg.Longest),
		workqueue.TypedRateLimitingQueueConfig[item]{DelayingQueue: workqueue.NewTypedDelayingQueueWithConfig(
			workqueue.TypedDelayingQueueConfig[item]{Queue: workqueue.NewTypedWithConfig(
				workqueue.TypedQueueConfig[item]{Queue: newTurns()})})})
	for _, name := range r.cfg.SignerNames {
		only := fields.OneTermEqualSelector("spec.signerName", name).String()
		factory := informers.NewSharedInformerFactoryWithOptions(r.cfg.Client, 0, informers.WithTransform(lighten),
			informers.WithTweakListOptions(func(o *metav1.ListOptions) { o.FieldSelector = only }))
		informer := factory.Certificates().V1().CertificateSigningRequests().Informer()
		add := func(obj any) {
			csr, ok := obj.(*certsv1.CertificateSigningRequest)
			switch {
			case !ok || csr.Spec.SignerName != name:
			case finished(csr):
				n.done.Delete(csr.UID)
			default:
				n.queue.Add(item{csr.Name, csr.UID, csr.Spec.Username})
			}
		}
		gone := func(obj any) {
			if unknown, ok := obj.(cache.DeletedFinalStateUnknown); ok {
				obj = unknown.Obj
			}
			if csr, ok := obj.(*certsv1.CertificateSigningRequest); ok {
				n.done.Delete(csr.UID)
			}
		}
		// An error says that the informer has been stopped; it has not begun.
		_, _ = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: add,
			UpdateFunc: func(_, obj any) { add(obj) }, DeleteFunc: gone})
		n.informers[name] = informer
	}
	return n
}

// next takes one item; false when there is none to come.
func (n *round) next(take, work context.Context) bool {
	it, end := n.queue.Get()
	if end {
		return false
	}
	defer n.queue.Done(it)
	if take.Err() != nil || work.Err() != nil {
		return true // until the queue is empty: a shut queue hands out what it has
	}
	if _, ok := n.done.Load(it.uid); ok || n.handle(work, it) { // a change of ours brought it again
		n.queue.Forget(it)
	} else {
		n.queue.AddRateLimited(it)
	}
	return true
}

// find is the object as the cache has it; nil when it is gone, or another one.
func (n *round) find(it item) *certsv1.CertificateSigningRequest {
	for name, informer := range n.informers {
		obj, ok, err := informer.GetStore().GetByKey(it.name)
		if csr, is := obj.(*certsv1.CertificateSigningRequest); err == nil && ok && is && csr.UID == it.uid &&
			csr.Spec.SignerName == name {
			return csr
		}
	}
	return nil
}

// Standing is how a Relay stands.
type Standing struct {
	Synced      bool    // it knows all requests there are
	Waiting     int     // requests whose turn has not come
	Undecided   int     // requests with neither certificate nor denial
	Uncertified int     // of those, approved ones
	Oldest      float64 // seconds since it was made, of the oldest undecided one
}

// Standing says how the Relay stands; zero while Run does not run.
func (r *Relay) Standing() (s Standing) {
	n := r.state.Load()
	if n == nil {
		return s
	}
	s.Synced, s.Waiting = n.synced.Load(), n.queue.Len()
	now := r.cfg.Now()
	for name, informer := range n.informers {
		for _, obj := range informer.GetStore().List() {
			csr, ok := obj.(*certsv1.CertificateSigningRequest)
			if !ok || csr.Spec.SignerName != name || finished(csr) {
				continue
			}
			s.Undecided++
			s.Oldest = max(s.Oldest, now.Sub(csr.CreationTimestamp.Time).Seconds())
			if has(csr, certsv1.CertificateApproved) {
				s.Uncertified++
			}
		}
	}
	return s
}
