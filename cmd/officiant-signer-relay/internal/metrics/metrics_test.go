package metrics_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"officiant/cmd/officiant-signer-relay/internal/metrics"
)

// TestWrite: counters and histogram, and no more series than there is room for, whatever
// a signer gives as reasons.
func TestWrite(t *testing.T) {
	var c metrics.Counts
	for i := range 200 {
		c.Answered("denied", fmt.Sprint("made-up-", i), 20*time.Millisecond)
	}
	c.Answered("signed", "", 2*time.Minute)
	c.Asked()
	c.Wrote("certificate")
	c.Failed("signer")
	var b strings.Builder
	c.Write(&b, []metrics.Gauge{{Name: "g", Help: "A gauge.", Value: 1.5}})
	for _, want := range []string{"# TYPE officiant_relay_asked_total counter\nofficiant_relay_asked_total 1\n",
		`officiant_relay_answers_total{state="other",reason="other"} 137` + "\n",
		`officiant_relay_written_total{what="certificate"} 1`, `officiant_relay_errors_total{at="signer"} 1`,
		`officiant_relay_answer_seconds_bucket{le="0.01"} 0` + "\n",
		`officiant_relay_answer_seconds_bucket{le="0.025"} 200` + "\n",
		`officiant_relay_answer_seconds_bucket{le="60"} 200` + "\n",
		`officiant_relay_answer_seconds_bucket{le="+Inf"} 201` + "\n",
		"officiant_relay_answer_seconds_count 201\n", "# HELP g A gauge.\n# TYPE g gauge\ng 1.5\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, &b)
		}
	}
	if n := strings.Count(b.String(), "officiant_relay_answers_total{"); n != 65 {
		t.Errorf("%d series", n)
	}
}
