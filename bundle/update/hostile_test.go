package update_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/fetch"
	"officiant/bundle/statement"
)

// mirror is a web server that wants this node ill. It holds everything that was ever
// published, and what others sign.
type mirror struct {
	older, newest, another, mixed, foreign, forged []byte
}

func newMirror(t *testing.T, p *bundletest.PKI, n *node, older, newest *bundle.Bundle) *mirror {
	other := newNode(t, p, bundletest.EtcdOnly())
	stranger := bundletest.New(t, bundletest.Cluster())
	mixed := bundletest.Clone(newest)
	mixed.Files["kubelet.conf"] = older.Files["kubelet.conf"]
	forged := bundletest.Clone(newest)
	forged.Sequence = newest.Sequence + 1
	forged.Sums = bundletest.Sums(forged.Header, forged.Files)
	stranger.Seal(t, forged)
	return &mirror{
		older: tar(t, older), newest: tar(t, newest), another: tar(t, p.Bundle(t, other.who, 9)),
		mixed: tar(t, mixed), foreign: tar(t, stranger.Bundle(t, n.who, 9)), forged: tar(t, forged),
	}
}

// bytes are answers that are no more than wrong bytes.
func (m *mirror) bytes(kind int, r *rand.Rand) (what string, data []byte) {
	flipped := slices.Clone(m.newest)
	switch kind {
	case 0:
		return "older", m.older
	case 1:
		return "another node's", m.another
	case 2:
		return "mixed", m.mixed
	case 3:
		return "of another ceremony", m.foreign
	case 4:
		return "signed by another key", m.forged
	case 5:
		return "truncated", m.newest[:r.IntN(len(m.newest)-1)]
	case 6:
		flipped[512+r.IntN(len(flipped)-1536)] ^= byte(1 << r.IntN(8))
		return "one bit", flipped
	case 7:
		return "more behind it", append(flipped, m.older[:1+r.IntN(4096)]...)
	case 8:
		at := 512 * (1 + r.IntN(len(flipped)/1024))
		return "the end first", append(slices.Clone(flipped[at:]), flipped[:at]...)
	case 9:
		return "a page", []byte("<html>" + strings.Repeat("x", r.IntN(9999)))
	}
	return "nothing", nil
}

const byteKinds = 11

// manners are answers that are wrong in how they come.
func (m *mirror) manners(kind int, to string) (string, http.HandlerFunc) {
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	switch kind {
	case 0:
		return "a redirect to the bundle", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, to, http.StatusFound)
		}
	case 1:
		return "a redirect to itself", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path, http.StatusTemporaryRedirect)
		}
	case 2:
		return "endless", func(w http.ResponseWriter, _ *http.Request) {
			for block := make([]byte, 64<<10); ; {
				if _, err := w.Write(block); err != nil {
					return
				}
			}
		}
	case 3:
		return "slow", func(w http.ResponseWriter, r *http.Request) {
			for i := 0; i < len(m.newest) && r.Context().Err() == nil; i++ {
				_, _ = w.Write(m.newest[i : i+1])
				w.(http.Flusher).Flush()
				time.Sleep(20 * time.Millisecond)
			}
		}
	case 4:
		return "less than announced", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(m.newest)))
			_, _ = w.Write(m.newest[:len(m.newest)/2])
		}
	case 5:
		return "endless headers", func(w http.ResponseWriter, _ *http.Request) {
			for i := range 400 {
				w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 200))
			}
			_, _ = w.Write(m.newest)
		}
	case 6:
		return "hangs up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	case 7:
		return "not modified", status(http.StatusNotModified)
	case 8:
		return "partial", status(http.StatusPartialContent)
	}
	codes := []int{http.StatusNotFound, http.StatusInternalServerError, http.StatusNoContent, http.StatusUnauthorized}
	return "an error", status(codes[kind%len(codes)])
}

const mannerKinds = 12

// TestHostile: 500 answers of a mirror that wants this node ill. It can delay, and that
// shows; nothing is installed and nothing restarted.
func TestHostile(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	n := newNode(t, p, bundletest.Worker())
	older, newest := p.Bundle(t, n.who, 1), p.Bundle(t, n.who, 3)
	n.place(t, p, older)
	s := newServer(t)
	s.serves(tar(t, p.Bundle(t, n.who, 2)))
	r := n.runner(t, s.URL, p.Release.Public())
	if got, err := r.Run(t.Context()); err != nil || got.State != statement.Installed {
		t.Fatalf("%+v, %v", got, err)
	}
	m := newMirror(t, p, n, older, newest)
	files, restarts := n.files(t), len(n.services.order)
	good := newServer(t) // what a redirect would lead to
	good.serves(m.newest)
	random := rand.New(rand.NewPCG(15, 500))
	now := bundletest.Now
	n.Now = func() time.Time { return now }
	short, err := fetch.Open(s.URL, fetch.Options{Timeout: 300 * time.Millisecond, Bytes: 1 << 20})
	must(t, err)
	place := r.Place
	told := map[statement.State]int{}
	for i := range 500 {
		now = now.Add(24 * time.Hour / 100)
		what, data := m.bytes(i%(byteKinds+mannerKinds), random)
		if kind := i % (byteKinds + mannerKinds); kind < byteKinds {
			s.serves(data)
		} else {
			var h http.HandlerFunc
			what, h = m.manners(kind-byteKinds, good.URL+"/worker-1.tar")
			s.answers(h)
		}
		r.Place = place
		if what == "slow" {
			r.Place = short
		}
		got, err := r.Run(t.Context())
		if err != nil {
			t.Fatalf("%d, %s: %v", i, what, err)
		}
		told[got.State]++
		if got.State != statement.Refused && got.State != statement.Absent || got.Reason == "" {
			t.Errorf("%d, %s: %+v", i, what, got.Outcome)
		}
		if n.sequence(t) != 2 || len(n.services.order) != restarts || !maps.Equal(files, n.files(t)) {
			t.Fatalf("%d, %s: something was changed: %+v", i, what, got)
		}
		want := fmt.Sprintf("verified_age_seconds %d\n", int(now.Sub(bundletest.Now).Seconds()))
		if !strings.Contains(string(r.Metrics()), want) {
			t.Fatalf("%d, %s: metrics do not show the age:\n%s", i, what, r.Metrics())
		}
	}
	if told[statement.Refused] < 150 || told[statement.Absent] < 150 {
		t.Errorf("told: %v", told)
	}
	// The same node takes the newest bundle from the same mirror when that serves it.
	s.serves(m.newest)
	if got, err := r.Run(t.Context()); err != nil || got.State != statement.Installed || n.sequence(t) != 3 {
		t.Errorf("the real one: %+v, %v", got, err)
	}
}
