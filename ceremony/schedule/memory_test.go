package schedule

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"officiant/bundle/kubepki"
	"officiant/bundle/request"
)

// TestHeldPerNode: of a node, its lines and its keys are held, and neither its
// request (283 bytes of it are) nor schedule.txt, nor the plan as a tree: 3.4 KiB, and was 12.
func TestHeldPerNode(t *testing.T) {
	const few, many, most = 100, 500, 5 << 10
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
		c, err := opens(text, inputs)
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
	if per := (b - min(a, b)) / (many - few); per > most || per == 0 {
		t.Errorf("%d bytes are held for each node, at most %d are meant to be", per, most)
	}
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
