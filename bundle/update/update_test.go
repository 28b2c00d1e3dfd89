package update_test

import (
	"errors"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle/bundletest"
	"officiant/bundle/durable"
	"officiant/bundle/service"
	"officiant/bundle/statement"
	"officiant/bundle/update"
)

// TestRun: a node gets its next bundle, restarts in order what it names, and does
// nothing at the run after.
func TestRun(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	n := newNode(t, p, bundletest.First())
	n.place(t, p, p.Bundle(t, n.who, 1))
	s := newServer(t)
	asked := ""
	data := tar(t, p.Bundle(t, n.who, 2))
	s.answers(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Path
		w.Header().Set("ETag", `"two"`)
		if r.Header.Get("If-None-Match") == `"two"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write(data)
	})
	r := n.runner(t, s.URL+"/demo", p.Release.Public())
	r.DryRun = true
	got, err := r.Run(t.Context())
	must(t, err)
	if got.State != statement.Waiting || got.Installed == nil || n.sequence(t) != 1 || len(n.services.order) > 0 {
		t.Errorf("a dry run: %+v", got)
	}
	if _, err := os.Stat(filepath.Join(n.Root, "var/lib/officiant-node/sync.json")); err == nil {
		t.Error("a dry run wrote something")
	}
	r.DryRun = false
	got, err = r.Run(t.Context())
	must(t, err)
	if got.State != statement.Installed || n.sequence(t) != 2 || asked != "/demo/cp-1.tar" || n.services.locks != 0 {
		t.Errorf("asked %q, sequence %d, %+v", asked, n.sequence(t), got)
	}
	want := []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet"}
	if !slices.Equal(n.services.order, want) || !slices.Equal(got.Restart, want) {
		t.Errorf("restarted %q, want %q", n.services.order, want)
	}
	got, err = r.Run(t.Context())
	must(t, err)
	if got.State != statement.Current || len(n.services.order) != len(want) {
		t.Errorf("a second run: %+v, %q", got, n.services.order)
	}
	if text := string(r.Metrics()); !strings.Contains(text, `officiant_sync_outcome{state="current"} 1`) ||
		!strings.Contains(text, "officiant_sync_verified_age_seconds 0") {
		t.Errorf("metrics:\n%s", text)
	}
	// A place that says for days that nothing changed is asked for the whole again.
	n.Now = func() time.Time { return bundletest.Now.Add(30 * time.Hour) }
	whole := 0
	s.answers(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-None-Match") == "" {
			whole++
		}
		w.WriteHeader(http.StatusNotModified)
	})
	got, err = r.Run(t.Context())
	must(t, err)
	if got.State != statement.Absent || whole != 1 ||
		!strings.Contains(string(r.Metrics()), "verified_age_seconds 108000") {
		t.Errorf("a place that always says 304: %+v, whole %d\n%s", got, whole, r.Metrics())
	}
}

// TestFirst: nobody's first bundle comes without a person.
func TestFirst(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	n := newNode(t, p, bundletest.Worker())
	_, err := n.runner(t, t.TempDir(), p.Release.Public()).Run(t.Context())
	if !errors.Is(err, update.ErrNotYet) {
		t.Errorf("error %v", err)
	}
}

// TestSick: what is not well after its restart has the files of before again, and the
// bundle is not tried a second time, also when sync.json is lost.
func TestSick(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	n := newNode(t, p, bundletest.First())
	n.place(t, p, p.Bundle(t, n.who, 1))
	old := n.files(t)
	s := newServer(t)
	s.serves(tar(t, p.Bundle(t, n.who, 2)))
	n.services.sick = func(name string, sequence int) bool { return name == "kube-apiserver" && sequence == 2 }
	r := n.runner(t, s.URL, p.Release.Public())
	got, err := r.Run(t.Context())
	must(t, err)
	if got.State != statement.RolledBack || !strings.Contains(got.Reason, "kube-apiserver says no") {
		t.Errorf("%+v", got)
	}
	if n.sequence(t) != 1 || !maps.Equal(old, n.files(t)) {
		t.Errorf("sequence %d, or other files", n.sequence(t))
	}
	for name, sequence := range n.services.with {
		if sequence != 1 {
			t.Errorf("%s runs with sequence %d", name, sequence)
		}
	}
	for _, lose := range []bool{false, true} {
		if lose {
			must(t, os.Remove(filepath.Join(n.Root, "var/lib/officiant-node/sync.json")))
		}
		before := len(n.services.order)
		got, err = r.Run(t.Context())
		must(t, err)
		if got.State != statement.RolledBack || n.sequence(t) != 1 || len(n.services.order) != before {
			t.Errorf("a second try (lost %t): %+v", lose, got)
		}
	}
	n.services.sick = nil
	s.serves(tar(t, p.Bundle(t, n.who, 3)))
	if got, err = r.Run(t.Context()); err != nil || got.State != statement.Installed || n.sequence(t) != 3 {
		t.Errorf("the next bundle: %+v, %v", got, err)
	}
}

// TestEtcdWaits: while a member is not well, or another node restarts its own, nothing
// is begun.
func TestEtcdWaits(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	n := newNode(t, p, bundletest.EtcdOnly())
	n.place(t, p, p.Bundle(t, n.who, 1))
	s := newServer(t)
	s.serves(tar(t, p.Bundle(t, n.who, 2)))
	r := n.runner(t, s.URL, p.Release.Public())
	for _, why := range []string{"member etcd-2 is not well", "node etcd-3 restarts its etcd now"} {
		n.services.others, n.services.busy = nil, nil
		if strings.HasPrefix(why, "member") {
			n.services.others = errors.New(why)
		} else {
			n.services.busy = &service.Busy{Holder: "etcd-3"}
		}
		got, err := r.Run(t.Context())
		must(t, err)
		if got.State != statement.Waiting || !strings.Contains(got.Reason, strings.Fields(why)[1]) || n.sequence(t) != 1 {
			t.Errorf("%s: %+v, sequence %d", why, got, n.sequence(t))
		}
	}
	n.services.others, n.services.busy = nil, nil
	if got, err := r.Run(t.Context()); err != nil || got.State != statement.Installed {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestTwo: of two at once, one refuses; an install beside a sync as well.
func TestTwo(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	n := newNode(t, p, bundletest.Worker())
	n.place(t, p, p.Bundle(t, n.who, 1))
	s := newServer(t)
	data := tar(t, p.Bundle(t, n.who, 2))
	inside, on := make(chan bool), make(chan bool)
	s.answers(func(w http.ResponseWriter, _ *http.Request) {
		inside <- true
		<-on
		_, _ = w.Write(data)
	})
	done := make(chan error)
	go func() {
		_, err := n.runner(t, s.URL, p.Release.Public()).Run(t.Context())
		done <- err
	}()
	<-inside
	if _, err := n.runner(t, s.URL, p.Release.Public()).Run(t.Context()); err == nil ||
		!strings.Contains(err.Error(), "is at work") {
		t.Errorf("a second sync: %v", err)
	}
	if _, err := at(n.Root).Rollback(false); err == nil || !strings.Contains(err.Error(), "is at work") {
		t.Errorf("a rollback beside it: %v", err)
	}
	on <- true
	must(t, <-done)
	if n.sequence(t) != 2 {
		t.Errorf("sequence %d", n.sequence(t))
	}
}

// TestReleaseFollows: a release key that the bundle in place announces is remembered, so
// that no command is typed when it takes over, nor after that.
func TestReleaseFollows(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	n := newNode(t, p, bundletest.Worker())
	next := bundletest.Key(t)
	parts := p.Parts(t, n.who)
	parts.NextRelease = bundletest.PublicPEM(t, next.Public())
	n.place(t, p, p.BundleOfParts(t, n.who, 1, parts))
	former := p.Release.Public()
	p.Release = next
	s := newServer(t)
	for sequence := 2; sequence <= 3; sequence++ {
		s.serves(tar(t, p.Bundle(t, n.who, sequence)))
		got, err := n.runner(t, s.URL, former).Run(t.Context())
		if err != nil || got.State != statement.Installed || n.sequence(t) != sequence {
			t.Fatalf("sequence %d: %+v, %v", sequence, got, err)
		}
	}
}

var errKilled = errors.New("killed")

// dying fails at operation n, and at every later one; a write is torn.
func dying(n int) *durable.Disk {
	count := 0
	return &durable.Disk{Gate: func(op durable.Op, _ string) error {
		count++
		switch {
		case count < n:
			return nil
		case count == n && op == "write":
			return durable.ErrTorn
		}
		return errKilled
	}}
}

// TestKilled ends a sync at every file operation, on its way forward and on its way
// back. Files are the old ones or the new ones, or a journal says which; and the next run
// comes to the same end as one that nobody killed, restarts included.
func TestKilled(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	for name, sick := range map[string]bool{"forward": false, "back": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, p, bundletest.Worker())
			n.place(t, p, p.Bundle(t, n.who, 1))
			want := 2
			if sick {
				want = 1
				n.services.sick = func(_ string, sequence int) bool { return sequence == 2 }
			}
			s := newServer(t)
			second := p.Bundle(t, n.who, 2)
			s.serves(tar(t, second))
			old := n.files(t)
			whole := n.copy(t)
			whole.place(t, p, second)
			fresh := whole.files(t)
			for i := 1; ; i++ {
				c := n.copy(t)
				c.Disk = dying(i)
				_, err := c.runner(t, s.URL, p.Release.Public()).Run(t.Context())
				if err == nil {
					if i < 60 {
						t.Errorf("only %d operations", i)
					}
					return
				}
				journal := filepath.Join(c.Root, "var/lib/officiant-node/journal.json")
				if _, jerr := os.Stat(journal); jerr != nil {
					now := c.files(t)
					maps.DeleteFunc(now, func(path, _ string) bool { return durable.IsTemp(path) })
					if !maps.Equal(now, old) && !maps.Equal(now, fresh) {
						t.Fatalf("operation %d: neither old nor new", i)
					}
				}
				c.Disk = &durable.Disk{}
				c.services.node = c.Node
				got, err := c.runner(t, s.URL, p.Release.Public()).Run(t.Context())
				if err != nil {
					t.Fatalf("operation %d, again: %v", i, err)
				}
				wantState := []statement.State{statement.Installed, statement.Current}
				if sick {
					wantState = []statement.State{statement.RolledBack}
				}
				if !slices.Contains(wantState, got.State) || c.sequence(t) != want || c.services.with["kubelet"] != want {
					t.Fatalf("operation %d, again: %+v, sequence %d, kubelet runs with %d", i, got, c.sequence(t),
						c.services.with["kubelet"])
				}
			}
		})
	}
}
