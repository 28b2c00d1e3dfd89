package audit

import (
	"strings"
	"testing"

	"officiant/bundle/fingerprint"
)

// TestAbandonedFile: an abandoned signature of the release key is over what it
// signed in the end, and over nothing else.
func TestAbandonedFile(t *testing.T) {
	sum, other := fingerprint.Of([]byte("sums")), fingerprint.Of([]byte("anything"))
	made := &signing{seq: 9, name: "bundle cp-1", sum: sum, result: 10}
	a := &signatureAudit{&view{ledger: &ledger{signed: map[string]*signing{made.name: made}}}}
	for _, s := range []*signing{made, {seq: 7, name: "bundle cp-1", sum: sum, abandoned: "killed"}} {
		var c Check
		if a.abandonedFile(&c, s); len(c.Problems) > 0 {
			t.Errorf("line %d: %q", s.seq, c.Problems)
		}
	}
	var c Check
	a.abandonedFile(&c, &signing{seq: 7, name: "bundle cp-1", sum: other, abandoned: "killed"})
	if len(c.Problems) != 1 || !strings.HasPrefix(c.Problems[0],
		"line 7: intent of bundle cp-1, abandoned: is over "+other.String()) {
		t.Errorf("%q", c.Problems)
	}
}
