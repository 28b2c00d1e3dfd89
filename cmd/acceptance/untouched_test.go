package main

import (
	"strings"
	"testing"
)

// What a kubelet would leave is seen.
func TestLeft(t *testing.T) {
	before := traces{"vm/overcommit_memory": "0", "/var/lib/kubelet": "1"}
	if err := before.left(traces{"vm/overcommit_memory": "0", "/var/lib/kubelet": "1"}); err != nil {
		t.Errorf("nothing changed: %v", err)
	}
	for name, c := range map[string]struct {
		now  traces
		want string
	}{
		"a tunable": {traces{"vm/overcommit_memory": "1", "/var/lib/kubelet": "1"},
			`vm/overcommit_memory was "0" and is "1"`},
		"a folder": {traces{"vm/overcommit_memory": "0"}, "/var/lib/kubelet was"},
		"a mount": {traces{"vm/overcommit_memory": "0", "/var/lib/kubelet": "1", "mount /var/lib/kubelet/pods": "/"},
			"mount /var/lib/kubelet/pods is new"},
	} {
		if err := before.left(c.now); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if seen, err := lookAround(); err != nil || len(seen) < 3 {
		t.Errorf("%v, %v", seen, err)
	}
}
