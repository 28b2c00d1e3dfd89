package schedule

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"officiant/bundle/kubepki"
	"officiant/bundle/request"
	"officiant/ceremony/plan"
)

// TestHeldPerNode: of a node, what the plan says and its keys are held, and neither its
// request (283 bytes of it are) nor its lines, nor the plan's text or tree: 1.0 KiB, and was 12.
func TestHeldPerNode(t *testing.T) {
	const few, many, most = 100, 500, 1600
	requests, nodes := map[string]*request.Opened{}, []kubepki.Node{}
	for i := range many {
		n := kubepki.Node{Name: fmt.Sprintf("member-%d", i), Roles: []kubepki.Role{kubepki.Worker}}
		recipients[n.Name] = recipients["worker-1"]
		requests[n.Name] = makeRequest(t, facts, n, nil)
		delete(recipients, n.Name)
		nodes = append(nodes, n)
	}
	held := func(n int) uint64 {
		text, inputs := planFor(t, requests, nodes[:n]...)
		before := heap()
		c, err := OpenFS(filesOf(text, inputs), "plan.yaml", Options{Now: now, Lean: true})
		if err != nil {
			t.Fatal(err)
		}
		after := heap()
		if len(c.Requests) != n {
			t.Fatalf("%d requests", len(c.Requests))
		}
		runtime.KeepAlive(c)
		return after - min(before, after)
	}
	a, b := held(few), held(many)
	t.Logf("%d bytes for each node", (b-min(a, b))/(many-few))
	if per := (b - min(a, b)) / (many - few); per > most || per == 0 {
		t.Errorf("%d bytes are held for each node, at most %d are meant to be", per, most)
	}
}

// TestPlanIsReadAgain: a plan opened lean is not held as text. Input reads it again, whatever
// its file's name is, and refuses another one.
func TestPlanIsReadAgain(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "january.yaml")
	if err := os.WriteFile(file, []byte(bare), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Open(file, Options{Now: now, Lean: true})
	if err != nil {
		t.Fatal(err)
	}
	if data, err := c.Input(plan.File); err != nil || string(data) != bare || len(c.Inputs) > 0 {
		t.Errorf("the plan is %d bytes, of %d inputs in memory: %v", len(data), len(c.Inputs), err)
	}
	if err := os.WriteFile(file, []byte(bare+"#\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = c.Input(plan.File)
	if err == nil || !strings.Contains(err.Error(), "was changed since the plan was read") {
		t.Errorf("another plan is read: %v", err)
	}
}

// filesOf are a plan and further files.
func filesOf(text string, inputs map[string]string) fstest.MapFS {
	fsys := fstest.MapFS{"plan.yaml": {Data: []byte(text)}}
	for name, data := range inputs {
		fsys[name] = &fstest.MapFile{Data: []byte(data)}
	}
	return fsys
}

// written is schedule.txt.
func written(c *Ceremony) string {
	var b strings.Builder
	_ = c.WriteSchedule(&b)
	return b.String()
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
