package endpoint

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"officiant/ceremony/online"
)

// Clock is the time of day.
type Clock func() time.Time

// writeMetrics writes the text format of Prometheus, version 0.0.4. There is no label
// whose values are not ours: a flood makes no series.
func writeMetrics(w io.Writer, s Signer, now Clock) {
	c, st := s.Counts(), s.Status()
	one := func(name, kind, help string, value float64) {
		head(w, name, kind, help)
		fmt.Fprintf(w, "%s %s\n", name, number(value))
	}
	one("officiant_signer_asked_total", "counter", "Requests that came in.", float64(c.Asked))
	head(w, "officiant_signer_answers_total", "counter", "Answers, by state and reason.")
	for _, o := range slices.SortedFunc(maps.Keys(c.Answered), compare) {
		fmt.Fprintf(w, "officiant_signer_answers_total{state=%q,reason=%q} %d\n", o.State, o.Reason, c.Answered[o])
	}
	head(w, "officiant_signer_answer_seconds", "histogram", "Time from a request to its answer.")
	sum := int64(0)
	for i, n := range c.Latency {
		bound := "+Inf"
		if i < len(online.Buckets) {
			bound = number(online.Buckets[i])
		}
		sum += n
		fmt.Fprintf(w, "officiant_signer_answer_seconds_bucket{le=%q} %d\n", bound, sum)
	}
	fmt.Fprintf(w, "officiant_signer_answer_seconds_sum %s\nofficiant_signer_answer_seconds_count %d\n",
		number(c.Seconds), sum)
	one("officiant_signer_ready", "gauge", "1 while requests can be signed.", truth(st.Ready))
	one("officiant_signer_token_up", "gauge", "1 while every key is there.", truth(st.Token == ""))
	one("officiant_signer_journal_up", "gauge", "1 while the journal can be written.", truth(st.Journal == ""))
	one("officiant_signer_clock_behind", "gauge", "1 while the clock is behind the journal.", truth(st.Clock != ""))
	one("officiant_signer_waiting", "gauge", "Requests that wait.", float64(st.Waiting))
	one("officiant_signer_journal_bytes", "gauge", "Size of the journal.", float64(st.Size))
	one("officiant_signer_journal_lines", "gauge", "Lines of the journal.", float64(st.Head.Seq))
	one("officiant_signer_journal_unsigned_lines", "gauge", "Lines that no signed head is about.", float64(st.Unsigned))
	one("officiant_signer_grant_sequence", "gauge", "Sequence of the grant that holds.", float64(st.Grant))
	one("officiant_signer_grant_days_left", "gauge", "Days until the grant ends.", days(st.GrantEnds.Sub(now())))
	head(w, "officiant_signer_authority_days_left", "gauge", "Days until an authority ends.")
	for _, name := range slices.Sorted(maps.Keys(st.Authorities)) {
		fmt.Fprintf(w, "officiant_signer_authority_days_left{authority=%q} %s\n", name,
			number(days(st.Authorities[name].Sub(now()))))
	}
}

func head(w io.Writer, name, kind, help string) {
	fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

func compare(a, b online.Outcome) int {
	return cmp.Or(cmp.Compare(a.State, b.State), cmp.Compare(a.Reason, b.Reason))
}

func number(f float64) string      { return strconv.FormatFloat(f, 'g', -1, 64) }
func days(d time.Duration) float64 { return float64(d/time.Minute) / (24 * 60) }
func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
