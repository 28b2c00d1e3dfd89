package online_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
	"officiant/ceremony/chain"
	"officiant/ceremony/online"
	"officiant/ceremony/online/grant"
	"officiant/ceremony/online/journal"
	"officiant/ceremony/online/onlinetest"
	"officiant/ceremony/online/policy"
	"officiant/ceremony/online/proof"
	"officiant/signer"
)

// keys are in memory; away is why none is there.
type keys struct {
	w    *onlinetest.World
	mu   sync.Mutex
	away error
}

func (k *keys) set(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.away = err
}

func (k *keys) Key(_ context.Context, name string) (signer.Key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.away != nil {
		return nil, k.away
	}
	return map[string]*onlinetest.Key{"kubelet-client": k.w.Client, "kubelet-serving": k.w.Server,
		"journal": k.w.Journal}[name], nil
}
func (*keys) Lost(error)   {}
func (*keys) Close() error { return nil }

// desk is a running Service.
type desk struct {
	*online.Service
	t     *testing.T
	world *onlinetest.World
	keys  *keys
	disk  *durable.Disk
	path  string
	clock atomic.Int64 // seconds after the fixture's start
	stop  func()
}

func start(t *testing.T, change func(*onlinetest.World)) *desk {
	w := onlinetest.New(t)
	if change != nil {
		change(w)
	}
	d := &desk{t: t, world: w, keys: &keys{w: w}, disk: &durable.Disk{}, path: filepath.Join(t.TempDir(),
		"journal.jsonl")}
	d.clock.Store(3600)
	d.run()
	t.Cleanup(func() { d.stop() })
	return d
}

func (d *desk) now() time.Time {
	return onlinetest.Start.Add(time.Duration(d.clock.Load()) * time.Second)
}

// run begins a Service, as a new process does.
func (d *desk) run() {
	d.Service = online.New(online.Config{Grant: onlinetest.Parse(d.t, d.world.Grant), Keys: d.keys, Disk: d.disk,
		Journal: d.path, Program: "test", Now: d.now, Rand: rand.Reader, Interval: 20 * time.Millisecond, Heads: 8})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func(s *online.Service) { ended <- s.Run(ctx) }(d.Service)
	var once sync.Once
	d.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				d.t.Error(err)
			}
		})
	}
}

// ask wants a state and a reason.
func (d *desk) ask(r policy.Request, state online.State, reason policy.Reason) online.Answer {
	d.t.Helper()
	a := d.Ask(context.Background(), r)
	if a.State != state || a.Reason != reason {
		d.t.Errorf("%s, %s: %s; want %s, %s", a.State, a.Reason, a.Detail, state, reason)
	}
	return a
}

// until asks again and again, as a relay does, while nothing is decided.
func (d *desk) until(r policy.Request) online.Answer {
	d.t.Helper()
	for {
		if a := d.Ask(context.Background(), r); a.State != online.Later {
			return a
		}
		d.clock.Add(1)
		time.Sleep(time.Millisecond)
	}
}

// waits returns once n requests wait, and have for a while: while some still come and others
// are taken, n is passed on the way.
func (d *desk) waits(n int) {
	d.t.Helper()
	for still := 0; still < 100; still++ {
		if d.Status().Waiting != n {
			still = 0
		}
		time.Sleep(time.Millisecond)
	}
}

// records are those of the journal, which is whole.
func (d *desk) records() (lines []chain.Line) {
	d.t.Helper()
	f, err := os.Open(d.path)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	if _, err := journal.Read(d.path, f, func(l chain.Line) error {
		lines = append(lines,
			l)
		return nil
	}); err != nil {
		d.t.Fatal(err)
	}
	return lines
}

func count[T chain.Record](lines []chain.Line) (n int) {
	for _, l := range lines {
		if _, ok := l.Record.(T); ok {
			n++
		}
	}
	return n
}

func leaf(t *testing.T, a online.Answer) *x509.Certificate {
	t.Helper()
	block, rest := pem.Decode(a.Certificate)
	issuer, _ := pem.Decode(rest)
	if block == nil || issuer == nil {
		t.Fatalf("no certificate: %+v", a)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	by, err := x509.ParseCertificate(issuer.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if err := cert.CheckSignatureFrom(by); err != nil {
		t.Error(err)
	}
	return cert
}

// TestSigns: both kinds of kubelet certificates, on record before they leave, and the
// same one again, also by the next process.
func TestSigns(t *testing.T) {
	d := start(t, nil)
	key := onlinetest.NewKey(t, "kubelet")
	r := onlinetest.ClientRequest(t, "worker-1", key)
	a := d.ask(r, online.Signed, "")
	c := leaf(t, a)
	if c.Subject.CommonName != "system:node:worker-1" || len(c.DNSNames) > 0 ||
		c.NotAfter.Sub(c.NotBefore) != 24*time.Hour ||
		c.SerialNumber.BitLen() < 64 || a.Head.Seq == 0 {
		t.Errorf("%+v, head %+v", c.Subject, a.Head)
	}
	s := leaf(t, d.ask(onlinetest.ServerRequest(t, "worker-1", onlinetest.NewKey(t, "k"), nil, "10.0.0.11"),
		online.Signed, ""))
	if len(s.DNSNames) != 1 || s.ExtKeyUsage[0] != x509.ExtKeyUsageServerAuth || len(s.ExtKeyUsage) != 1 {
		t.Errorf("%+v", s)
	}
	again := d.ask(onlinetest.ClientRequest(t, "worker-1", key), online.Signed, "") // signed anew
	d.stop()
	d.run()
	later := d.ask(r, online.Signed, "")
	if !bytes.Equal(a.Certificate, again.Certificate) || !bytes.Equal(a.Certificate, later.Certificate) {
		t.Error("the same key and content have several certificates")
	}
	d.stop()
	lines := d.records()
	if count[journal.Issued](lines) != 2 || count[journal.Intent](lines) != 2 || count[journal.Head](lines) == 0 {
		t.Errorf("%d lines", len(lines))
	}
	if _, ok := lines[len(lines)-1].Record.(journal.Head); !ok {
		t.Error("the last line of a process that stopped is no signed head")
	}
}

// TestRefusals: what is outside the grant touches neither key nor journal.
func TestRefusals(t *testing.T) {
	d := start(t, nil)
	key := onlinetest.NewKey(t, "kubelet")
	d.ask(onlinetest.ClientRequest(t, "worker-1", key), online.Signed, "")
	before := len(d.records())
	d.ask(onlinetest.ClientRequest(t, "worker-9", key), online.Denied, policy.Unknown)
	d.ask(onlinetest.ClientRequest(t, "worker-2", key), online.Denied, policy.KeyOfAnother)
	d.ask(onlinetest.ServerRequest(t, "worker-1", key, []string{"worker-1"}), online.Denied, policy.KeyOfAnother)
	d.ask(onlinetest.ServerRequest(t, "worker-1", onlinetest.NewKey(t, "k"), []string{"worker-2"}), online.Denied,
		policy.SANName)
	long := onlinetest.ClientRequest(t, "worker-1", key)
	long.Usages = make([]string, 33)
	d.ask(long, online.Denied, policy.Size)
	for i := range 4 {
		state, reason := online.Signed, policy.Reason("")
		if i == 3 {
			state, reason = online.Later, policy.Rate
		}
		d.ask(onlinetest.ClientRequest(t, "worker-1", onlinetest.NewKey(t, "k")), state, reason)
	}
	d.clock.Add(25 * 3600)
	d.ask(onlinetest.ClientRequest(t, "worker-1", onlinetest.NewKey(t, "k")), online.Signed, "")
	d.stop()
	if lines := d.records(); count[journal.Intent](lines) != 5 || before < 4 {
		t.Errorf("%d intents", count[journal.Intent](lines))
	}
	c := d.Counts()
	if c.Answered[online.Outcome{online.Denied, policy.KeyOfAnother}] != 2 || c.Asked != 11 {
		t.Errorf("%+v", c)
	}
	d.ask(onlinetest.ClientRequest(t, "worker-1", key), online.Later, online.Stopping)
}

// TestBootstrapOnce: of two first requests at once, one is signed.
func TestBootstrapOnce(t *testing.T) {
	d := start(t, nil)
	var wg sync.WaitGroup
	var signed, spent atomic.Int64
	for range 8 {
		r := onlinetest.ClientRequest(t, "worker-1", onlinetest.NewKey(t, "k"))
		r.Username, r.Groups = "system:bootstrap:07401b", []string{"system:bootstrappers"}
		wg.Go(func() {
			switch a := d.Ask(context.Background(), r); {
			case a.State == online.Signed:
				signed.Add(1)
			case a.Reason == policy.BootstrapSpent:
				spent.Add(1)
			}
		})
	}
	wg.Wait()
	if signed.Load() != 1 || spent.Load() != 7 {
		t.Errorf("%d signed, %d refused", signed.Load(), spent.Load())
	}
}

// TestTokenAway: nothing is denied, the state is told, and all is well when it is back.
func TestTokenAway(t *testing.T) {
	d := start(t, nil)
	d.ask(onlinetest.ClientRequest(t, "worker-1", onlinetest.NewKey(t, "k")), online.Signed, "")
	r := onlinetest.ClientRequest(t, "worker-1", onlinetest.NewKey(t, "k"))
	d.keys.set(fmt.Errorf("token demo: %w", signer.ErrUnavailable))
	d.ask(r, online.Later, online.TokenAway)
	if st := d.Status(); st.Ready || !strings.Contains(st.Token, "unavailable") {
		t.Errorf("%+v", st)
	}
	d.keys.set(nil)
	if a := d.until(r); a.State != online.Signed {
		t.Errorf("%+v", a)
	}
	// It goes while it signs: the intent is abandoned, and the same request signed later.
	d.world.Client.Fail = func() error { return fmt.Errorf("token demo: %w", signer.ErrUnavailable) }
	r = onlinetest.ClientRequest(t, "worker-1", onlinetest.NewKey(t, "k"))
	d.ask(r, online.Later, online.TokenAway)
	d.stop()
	d.world.Client.Fail = nil
	d.run()
	if a := d.until(r); a.State != online.Signed {
		t.Errorf("%+v", a)
	}
	for !d.Status().Ready {
		time.Sleep(time.Millisecond)
	}
	d.stop()
	if lines := d.records(); count[journal.Abandoned](lines) != 1 || count[journal.Issued](lines) != 3 {
		t.Errorf("%d abandoned, %d issued", count[journal.Abandoned](lines), count[journal.Issued](lines))
	}
}

// TestDeniedKey: a KMS that finds a key and denies its use costs no node a signature of its
// day, however often it asks, and what no key ever signed is no finding later.
func TestDeniedKey(t *testing.T) {
	d := start(t, nil)
	r := onlinetest.ClientRequest(t, "worker-1", onlinetest.NewKey(t, "k"))
	d.world.Client.Fail = func() error { return fmt.Errorf("kms: permission denied: %w", signer.ErrUnavailable) }
	const denials = 6 // and the node has four signatures a day
	for range denials {
		d.ask(r, online.Later, online.TokenAway)
	}
	d.stop()
	d.world.Client.Fail = nil
	d.run()
	d.ask(r, online.Signed, "")
	for range 3 {
		d.ask(onlinetest.ClientRequest(t, "worker-1", onlinetest.NewKey(t, "k")), online.Signed, "")
	}
	d.ask(onlinetest.ClientRequest(t, "worker-1", onlinetest.NewKey(t, "k")), online.Later, policy.Rate)
	d.stop()
	if n := count[journal.Abandoned](d.records()); n != denials {
		t.Errorf("%d abandoned", n)
	}
	data, err := os.ReadFile(d.path)
	if err != nil {
		t.Fatal(err)
	}
	g := onlinetest.Parse(t, d.world.Grant)
	v, err := proof.Check(d.path, bytes.NewReader(data), proof.Against{
		Grants: map[fingerprint.SHA256]*grant.Grant{g.Digest(): g}})
	if err != nil || len(v.Findings) > 0 || v.Certificates != 4 {
		t.Errorf("%+v, %v", v, err)
	}
}

// TestAnotherKey: a token that has another key in the place of an authority's.
func TestAnotherKey(t *testing.T) {
	d := start(t, nil)
	d.stop()
	d.world.Client, d.world.Server = d.world.Server, d.world.Client
	d.run()
	d.ask(onlinetest.ClientRequest(t, "worker-1", onlinetest.NewKey(t, "k")), online.Later, online.TokenAway)
	for !strings.Contains(d.Status().Token, "another key") {
		time.Sleep(time.Millisecond)
	}
	d.stop()
	d.world.Journal = d.world.Client
	d.run()
	d.ask(onlinetest.ClientRequest(t, "worker-1", onlinetest.NewKey(t, "k")), online.Later, online.JournalAway)
}

// TestDiskFull: no token is asked while nothing can be recorded; when there is room
// again, what was asked is signed once.
func TestDiskFull(t *testing.T) {
	var full atomic.Bool
	var writes atomic.Int64
	d := start(t, nil)
	d.stop()
	d.disk.Gate = func(op durable.Op, _ string) error {
		if op == durable.OpWrite && full.Load() {
			if writes.Add(1)%2 == 0 {
				return durable.ErrTorn
			}
			return syscall.ENOSPC
		}
		return nil
	}
	d.run()
	asked := 0
	d.world.Client.Fail = func() error { asked++; return nil }
	d.ask(onlinetest.ClientRequest(t, "worker-1", onlinetest.NewKey(t, "k")), online.Signed, "")
	full.Store(true)
	r := onlinetest.ClientRequest(t, "worker-1", onlinetest.NewKey(t, "k"))
	var told []online.Head
	for range 3 {
		told = append(told, d.ask(r, online.Later, online.JournalAway).Head)
		d.clock.Add(2)
	}
	if st := d.Status(); st.Ready || st.Journal == "" {
		t.Errorf("%+v", st)
	}
	full.Store(false)
	if a := d.until(r); a.State != online.Signed {
		t.Errorf("%+v", a)
	}
	d.stop()
	lines := d.records()
	if count[journal.Issued](lines) != 2 || asked != 2 {
		t.Errorf("%d issued, the key was asked %d times", count[journal.Issued](lines), asked)
	}
	for _, head := range told { // of a line that was not written, a relay would say that it was cut
		if head.Seq > 0 && lines[head.Seq-1].Hash != head.Hash {
			t.Errorf("head %d was told of, and the journal has another", head.Seq)
		}
	}
}

// TestClockBack: a clock that went back signs nothing until it has caught up.
func TestClockBack(t *testing.T) {
	d := start(t, nil)
	d.ask(onlinetest.ClientRequest(t, "worker-1", onlinetest.NewKey(t, "k")), online.Signed, "")
	d.clock.Add(-1800)
	d.ask(onlinetest.ClientRequest(t, "worker-1", onlinetest.NewKey(t, "k")), online.Later, online.ClockBehind)
	if st := d.Status(); st.Ready || st.Clock == "" {
		t.Errorf("%+v", st)
	}
	d.clock.Add(1801)
	d.ask(onlinetest.ClientRequest(t, "worker-1", onlinetest.NewKey(t, "k")), online.Signed, "")
}

// TestGrants: one that is over signs nothing; another one is taken while it runs, unless
// it is another cluster's, or an older one.
func TestGrants(t *testing.T) {
	d := start(t, func(w *onlinetest.World) { w.Grant.NotAfter = onlinetest.Start.Add(2 * time.Hour) })
	r := onlinetest.ClientRequest(t, "worker-3", onlinetest.NewKey(t, "k"))
	d.ask(r, online.Denied, policy.Unknown)
	d.clock.Add(7200)
	d.ask(r, online.Later, policy.GrantTime)
	if d.Status().Ready {
		t.Error("ready after the grant's end")
	}
	for want, change := range map[string]func(g *grant.Grant){
		"cluster other":       func(g *grant.Grant) { g.Cluster = "other" },
		"another journal key": func(g *grant.Grant) { g.JournalKey[0]++ },
		"its sequence":        func(g *grant.Grant) { g.Sequence = 1 },
	} {
		g := *d.world.Grant
		g.Sequence++
		change(&g)
		g.NotAfter = g.NotAfter.AddDate(0, 0, 1)
		if err := d.Take(onlinetest.Parse(t, &g)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	g := *d.world.Grant
	g.Sequence++
	g.NotAfter = g.NotAfter.AddDate(0, 0, 1)
	g.Nodes = append(g.Nodes, grant.Node{Name: "worker-3", Roles: []string{"worker"}, SignaturesPerDay: 1})
	if err := d.Take(onlinetest.Parse(t, &g)); err != nil {
		t.Fatal(err)
	}
	d.ask(r, online.Signed, "")
	d.stop()
	d.run() // with the old one
	d.clock.Add(2)
	d.ask(r, online.Later, online.JournalAway)
	if st := d.Status(); !strings.Contains(st.Journal, "sequence 2") {
		t.Errorf("%+v", st)
	}
}

// TestFlood: one requester that asks without end takes nobody's turn.
func TestFlood(t *testing.T) {
	d := start(t, func(w *onlinetest.World) { w.Grant.Nodes[1].SignaturesPerDay = 10_000 })
	var busy atomic.Int64
	hold := make(chan struct{})
	d.world.Client.Fail = func() error { <-hold; return nil }
	var wg sync.WaitGroup
	for i := range 300 {
		r := onlinetest.ClientRequest(t, "worker-2", onlinetest.NewKey(t, fmt.Sprint(i)))
		wg.Go(func() {
			if a := d.Ask(context.Background(), r); a.Reason == online.Busy {
				busy.Add(1)
			}
		})
	}
	for busy.Load() < 300-64-16-16 { // what waits, and the batch that is signed
		time.Sleep(time.Millisecond)
	}
	r := onlinetest.ClientRequest(t, "worker-1", onlinetest.NewKey(t, "k"))
	wg.Go(func() { d.ask(r, online.Signed, "") })
	for d.Status().Waiting < 65 {
		time.Sleep(time.Millisecond)
	}
	close(hold)
	wg.Wait()
	d.stop()
	before := 0
	for _, l := range d.records() {
		if in, ok := l.Record.(journal.Intent); ok && in.Subject == "node worker-1" {
			break
		} else if ok {
			before++
		}
	}
	// Without turns there would be 80: 16 under way and 64 that wait. With them it is those
	// under way, one turn of the flood's, and the few that are drafted sooner.
	if before > 40 {
		t.Errorf("%d of the flood came before", before)
	}
}

// TestStorm: 10,000 requests at once have an answer each, and no certificate is another's.
func TestStorm(t *testing.T) {
	d := start(t, nil)
	key := onlinetest.NewKey(t, "k")
	r, bad := onlinetest.ClientRequest(t, "worker-1", key), onlinetest.ClientRequest(t, "worker-9", key)
	var answers [3]atomic.Int64
	var wg sync.WaitGroup
	for i := range 10_000 {
		q := bad
		if i%100 == 0 {
			q = r
		} else {
			q.Username = fmt.Sprint("system:node:w", i)
		}
		wg.Go(func() {
			a := d.until(q)
			switch {
			case a.State == online.Signed && q.Username == r.Username:
				answers[0].Add(1)
			case a.State == online.Denied && q.Username != r.Username:
				answers[1].Add(1)
			default:
				answers[2].Add(1)
			}
		})
	}
	wg.Wait()
	if answers[0].Load() != 100 || answers[1].Load() != 9900 || answers[2].Load() != 0 {
		t.Errorf("%d, %d, %d", answers[0].Load(), answers[1].Load(), answers[2].Load())
	}
	d.stop()
	if n := count[journal.Issued](d.records()); n != 1 {
		t.Errorf("%d certificates of one content", n)
	}
}

// TestNobodyWaits: who stops waiting gets the same certificate when asking again.
func TestNobodyWaits(t *testing.T) {
	d := start(t, nil)
	began := make(chan struct{})
	hold := make(chan struct{})
	d.world.Client.Fail = func() error { close(began); <-hold; return nil }
	ctx, cancel := context.WithCancel(context.Background())
	r := onlinetest.ClientRequest(t, "worker-1", onlinetest.NewKey(t, "k"))
	go func() { <-began; cancel() }()
	if a := d.Ask(ctx, r); a.State != online.Later {
		t.Errorf("%+v", a)
	}
	d.world.Client.Fail = func() error { return errors.New("asked a second time") }
	close(hold)
	d.ask(r, online.Signed, "")
}

// TestSlowToken: where a signature takes 20 ms, a flood from one requester delays each of
// the others by what is under way before it and with it.
func TestSlowToken(t *testing.T) {
	const others = 20
	d := start(t, func(w *onlinetest.World) {
		w.Grant.Nodes[1].SignaturesPerDay = 10_000
		for i := range others {
			w.Grant.Nodes = append(w.Grant.Nodes, grant.Node{Name: fmt.Sprint("node-", i), Roles: []string{"worker"},
				SignaturesPerDay: 1})
		}
	})
	hold := make(chan struct{}) // until all have asked
	d.world.Client.Fail = func() error {
		<-hold
		time.Sleep(20 * time.Millisecond)
		return nil
	}
	var wg sync.WaitGroup
	for range 64 {
		r := onlinetest.ClientRequest(t, "worker-2", onlinetest.NewKey(t, "k"))
		wg.Go(func() { d.Ask(context.Background(), r) })
	}
	const underway = 2 * 8 // for two workers
	d.waits(64 - underway)
	for i := range others {
		r := onlinetest.ClientRequest(t, fmt.Sprint("node-", i), onlinetest.NewKey(t, "k"))
		wg.Go(func() { d.ask(r, online.Signed, "") })
	}
	d.waits(64 - underway + others)
	close(hold)
	wg.Wait()
	d.stop()
	flood, last := 0, 0 // intents of the flood, and how many come before the last of the others
	for _, l := range d.records() {
		in, ok := l.Record.(journal.Intent)
		switch {
		case ok && in.Subject == "node worker-2":
			flood++
		case ok:
			last = flood
		}
	}
	// While the last of the others is under way, so may as many of the flood be.
	if flood != 64 || last > 2*underway {
		t.Errorf("%d of the flood's %d signatures came before the last of the others", last, flood)
	}
}
