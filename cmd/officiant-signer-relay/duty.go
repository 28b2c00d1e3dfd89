package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"officiant/cmd/officiant-signer-relay/internal/endpoint"
	"officiant/cmd/officiant-signer-relay/internal/heads"
	"officiant/cmd/officiant-signer-relay/internal/manifests"
	"officiant/cmd/officiant-signer-relay/internal/metrics"
	"officiant/cmd/officiant-signer-relay/internal/relay"
)

// interval is how often signer and ConfigMap are looked at when nobody asks.
const interval = 10 * time.Second

// signer is what duty asks; endpoint.Client is one.
type signer interface {
	relay.Signer
	Status(ctx context.Context) (*endpoint.Status, error)
}

// duty is a relay that waits for the Lease, or holds it.
type duty struct {
	*runOptions
	client kubernetes.Interface
	signer signer
	log    *slog.Logger
	lock   *seenLock
	heads  *heads.Keeper
	relay  *relay.Relay
	counts *metrics.Counts

	leads        atomic.Bool
	reached      atomic.Bool // the signer answered when it was last looked at
	signerReady  atomic.Bool
	signerReason atomic.Value // string: why the signer is not reached
	elector      atomic.Pointer[leaderelection.LeaderElector]
}

func newDuty(s *runOptions, client kubernetes.Interface, signer signer, host string, log *slog.Logger) *duty {
	d := &duty{runOptions: s, client: client, signer: signer, log: log, counts: &metrics.Counts{}}
	d.heads = heads.New(client.CoreV1().ConfigMaps(s.namespace), manifests.Name, s.Now, log)
	d.relay = relay.New(relay.Config{Client: client, Signer: signer, Heads: d.heads, SignerNames: s.signerNames,
		Workers: s.workers, First: 500 * time.Millisecond, Longest: s.longest, Now: s.Now, Log: log, Counts: d.counts})
	d.lock = &seenLock{Interface: &resourcelock.LeaseLock{
		LeaseMeta: metav1.ObjectMeta{Name: manifests.Name, Namespace: s.namespace}, Client: client.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: host + "_" + string(uuid.NewUUID())}}, now: s.Now}
	return d
}

// serve works until ctx ends, or nobody can be answered at --metrics.
func (d *duty) serve(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	if d.metrics != "" {
		l, err := net.Listen("tcp", d.metrics)
		if err != nil {
			return fmt.Errorf("--metrics: %w", err)
		}
		operators := &http.Server{Handler: d.handler(), ReadHeaderTimeout: 10 * time.Second,
			ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, MaxHeaderBytes: 16 << 10,
			ErrorLog: slog.NewLogLogger(d.log.Handler(), slog.LevelWarn)}
		all.Go(func() {
			if err := operators.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				cancel(fmt.Errorf("--metrics: %w", err))
			}
		})
		defer all.Wait()
		defer operators.Close()
	}
	all.Go(func() { d.look(ctx) })
	for ctx.Err() == nil {
		if err := d.term(ctx); err != nil {
			return err
		}
	}
	d.log.Info("stopped")
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// term waits for the Lease, works while it holds it, and returns when it does no more, or
// ctx has ended. Then the Lease is given back after all work is done.
func (d *duty) term(ctx context.Context) error {
	hold, release := context.WithCancel(context.Background())
	defer release()
	d.lock.held.Store(false)
	ended := make(chan struct{})
	elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
		Lock: d.lock, Name: manifests.Name, ReleaseOnCancel: true,
		LeaseDuration: d.lease, RenewDeadline: d.lease * 2 / 3, RetryPeriod: d.lease * 2 / 15,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(lead context.Context) {
				defer close(ended)
				defer release()
				d.work(ctx, lead)
			},
			OnStoppedLeading: func() {},
		},
	})
	if err != nil {
		return err
	}
	d.elector.Store(elector)
	defer context.AfterFunc(ctx, func() { // nothing to finish where nothing was begun
		if !elector.IsLeader() {
			release()
		}
	})()
	elector.Run(hold)
	if d.lock.held.Load() { // then work was begun, in a goroutine of its own
		<-ended
	}
	return nil
}

// work hands requests on until lead ends, or ctx, and then --deadline.
func (d *duty) work(ctx, lead context.Context) {
	lead, stop := context.WithCancel(lead)
	defer stop()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(d.deadline, stop) })()
	d.log.Info("leading", "identity", d.lock.Identity())
	d.leads.Store(true)
	defer d.log.Info("not leading any more")
	defer d.leads.Store(false)
	for ctx.Err() == nil && lead.Err() == nil {
		err := d.heads.Load(lead)
		if err == nil {
			d.relay.Run(ctx, lead)
			return
		}
		d.counts.Failed("head")
		d.log.Error("not begun", "error", err)
		wait(lead, ctx, d.lease/15)
	}
}

// wait waits, or until one of them ends.
func wait(a, b context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-a.Done():
	case <-b.Done():
	case <-t.C:
	}
}

// look asks the signer how it stands, time and again; the one that leads has its head
// kept, and sees whether people have removed an alarm.
func (d *duty) look(ctx context.Context) {
	for ctx.Err() == nil {
		floor := d.heads.Newest()
		st, err := d.signer.Status(ctx)
		if was := d.reached.Swap(err == nil); err != nil && ctx.Err() == nil && (was || d.signerReason.Load() == nil) {
			d.log.Error("the signer is not reached", "error", err)
		} else if err == nil && !was {
			d.log.Info("the signer is reached", "ready", st.Ready, "cluster", st.Cluster)
		}
		d.signerReady.Store(err == nil && st.Ready)
		if err != nil {
			d.signerReason.Store(err.Error())
		}
		if d.leads.Load() {
			if e := d.heads.Load(ctx); e != nil && ctx.Err() == nil {
				d.counts.Failed("head")
				d.log.Error("the newest head", "error", e)
			} else if err == nil && d.leads.Load() {
				_ = d.heads.Keep(ctx, floor, st.Head) // an alarm is in the log; what else fails comes again
			}
		}
		wait(ctx, ctx, interval)
	}
}

// seenLock notes when the API server last answered for the Lease, and that it was had.
type seenLock struct {
	resourcelock.Interface
	now  func() time.Time
	seen atomic.Int64
	held atomic.Bool // since it was last set to false
}

func (l *seenLock) note(err error) {
	if err == nil {
		l.seen.Store(l.now().UnixNano())
	}
}

func (l *seenLock) Get(ctx context.Context) (*resourcelock.LeaderElectionRecord, []byte, error) {
	r, raw, err := l.Interface.Get(ctx)
	l.note(err)
	return r, raw, err
}

func (l *seenLock) Update(ctx context.Context, r resourcelock.LeaderElectionRecord) error {
	err := l.Interface.Update(ctx, r)
	l.note(err)
	if err == nil && r.HolderIdentity == l.Identity() {
		l.held.Store(true)
	}
	return err
}
