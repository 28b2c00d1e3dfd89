package update_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/statement"
	"officiant/bundle/update"
)

// stuck is a lock that cannot be given back.
type stuck struct{ *played }

func (s stuck) Lock(context.Context, string) (func(context.Context) error, error) {
	return func(context.Context) error { return errors.New("the lease is gone") }, nil
}

// TestRefusals has each reason why a run ends, or what it says, beside a run that differs in
// that alone.
func TestRefusals(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	whole := newNode(t, p, bundletest.EtcdOnly())
	whole.place(t, p, p.Bundle(t, whole.who, 1))
	second := p.Bundle(t, whole.who, 2)
	s := newServer(t)
	s.serves(tar(t, second))
	for _, row := range []struct {
		of     string
		change func(n *node)
		dry    bool
		keys   int
		state  statement.State
		says   string // of the run's outcome, its error, or what it tells; "" where it is installed
	}{
		{of: "a node whose etcd is well", keys: 1, state: statement.Installed},
		{of: "no release key", says: "no release key was given"},
		{
			of: "an etcd that is not well",
			change: func(n *node) {
				n.services.sick = func(name string, sequence int) bool { return sequence == 0 }
			},
			keys: 1, state: statement.Waiting,
			says: "nothing was begun: this node's etcd is not well: etcd says no",
		},
		{
			of:     "a service that nobody knows",
			change: func(n *node) { n.interrupted(t, p, second, "nginx") },
			keys:   1, state: statement.RolledBack, says: `"nginx" is no service that is restarted`,
		},
		{
			of:     "a service that is known",
			change: func(n *node) { n.interrupted(t, p, second, "etcd") },
			keys:   1, state: statement.Installed,
		},
		{
			of: "what was before is not well either",
			change: func(n *node) {
				n.interrupted(t, p, second, "etcd")
				n.services.sick = func(string, int) bool { return true }
			},
			keys: 1, state: statement.RolledBack, says: "; with the files of before: etcd is not well ",
		},
		{
			of: "nothing was before",
			change: func(n *node) {
				n.interrupted(t, p, second, "nginx")
				must(t, os.Remove(filepath.Join(n.State().Dir(), "previous", "tree.tar")))
			},
			keys: 1,
			says: "sequence 2 cannot be rolled back, there is nothing to go back to: \"nginx\"",
		},
		{
			of:     "a look at what was interrupted",
			change: func(n *node) { n.interrupted(t, p, second, "etcd") },
			dry:    true, keys: 1, state: statement.Waiting,
			says: "sequence 2 was interrupted; the next run that may write goes on with it",
		},
	} {
		t.Run(row.of, func(t *testing.T) {
			n := whole.copy(t)
			if row.change != nil {
				row.change(n)
			}
			r := n.runner(t, s.URL)
			if row.keys > 0 {
				r = n.runner(t, s.URL, p.Release.Public())
			}
			r.DryRun = row.dry
			got, err := r.Run(t.Context())
			var text string
			if err != nil {
				text = err.Error()
			} else if text = got.Reason; got.State != row.state {
				t.Errorf("%s (%s), want %s", got.State, got.Reason, row.state)
			}
			if !strings.Contains(text, row.says) || row.says == "" && text != "" {
				t.Errorf("%q, want %q", text, row.says)
			}
		})
	}
}

// TestLockIsKept: that the lock could not be given back is said, and is no failure.
func TestLockIsKept(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	for _, given := range []bool{false, true} {
		n := newNode(t, p, bundletest.EtcdOnly())
		n.place(t, p, p.Bundle(t, n.who, 1))
		s := newServer(t)
		s.serves(tar(t, p.Bundle(t, n.who, 2)))
		r := n.runner(t, s.URL, p.Release.Public())
		if !given {
			r.Services = func(kubepki.Cluster, kubepki.Node) (update.Services, update.Members, error) {
				return n.services, stuck{n.services}, nil
			}
		}
		var said []string
		r.Say = func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }
		got, err := r.Run(t.Context())
		if err != nil || got.State != statement.Installed {
			t.Fatal(got, err)
		}
		const lease = "the lock in etcd could not be given back, and ends by itself: the lease is gone"
		if slices.Contains(said, lease) == given {
			t.Errorf("given back: %t, said %q", given, said)
		}
	}
}

// interrupted has a node's second bundle in place, and a run that ended before it restarted
// a service.
func (n *node) interrupted(t *testing.T, p *bundletest.PKI, second *bundle.Bundle, service string) {
	t.Helper()
	n.place(t, p, second)
	must(t, n.State().Keep("sync.json", map[string]any{
		"apiVersion": "officiant/v1", "kind": "NodeSync", "source": "", "validator": struct{}{},
		"outcome": statement.Outcome{},
		"pending": map[string]any{
			"bundle": fingerprint.Of(second.Sums), "sequence": 2, "phase": "restart", "restart": []string{service}},
	}))
}
