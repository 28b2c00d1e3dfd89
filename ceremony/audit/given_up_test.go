package audit

import (
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"officiant/ceremony/history"
	"officiant/ceremony/history/historytest"
	"officiant/ceremony/plan"
	"officiant/ceremony/transcript"
)

// TestGivenUpRecords: of ceremonies that were given up audit takes those that the chain
// could have gone on with, by code of its own, and knows their serial numbers.
func TestGivenUpRecords(t *testing.T) {
	at := time.Now().Add(-24 * time.Hour)
	release := historytest.Key(t)
	root := historytest.Root(t, at)
	leaf := root.Leaf(t, "x", at, historytest.Key(t).Public())
	first := historytest.Begin(t, at, transcript.Open{})
	first.Key("release", release.Public(), false)
	first.CloseIssuing(nil)
	whole, _ := first.Close(release, nil)
	head := historytest.Predecessor(t, whole)
	begin := func(at time.Time, cluster string, sequence int, before ...transcript.Predecessor) *historytest.Record {
		r := historytest.Begin(t, at, transcript.Open{Cluster: cluster, Sequence: sequence, Predecessors: before})
		r.Issue("cp-1/x", "kubernetes", leaf)
		return r
	}
	later := at.Add(time.Hour)
	other := transcript.Predecessor{Cluster: "demo", Sequence: 2}
	port := head
	port.Cluster = "port"
	for name, tt := range map[string]struct {
		record []byte
		want   string
	}{
		"one of the chain":        {begin(later, "demo", 2, head).GiveUp(), ""},
		"the first":               {begin(later, "demo", 1).GiveUp(), ""},
		"one that goes on":        {begin(later, "demo", 2, head).Unfinished(), "that people gave up to its end"},
		"a finished one":          {whole, "that people gave up to its end"},
		"another cluster's":       {begin(later, "port", 2, port).GiveUp(), "no ceremony of this one"},
		"one of another chain":    {begin(later, "demo", 3, other).GiveUp(), "would have continued none"},
		"a first one that is not": {begin(later, "demo", 2).GiveUp(), "would have continued none"},
		"one of later":            {begin(at.Add(50*time.Hour), "demo", 2, head).GiveUp(), "after this ceremony began"},
		"junk":                    {[]byte("junk\n"), "given-up.jsonl"},
	} {
		t.Run(name, func(t *testing.T) {
			open := transcript.Open{Cluster: "demo", Sequence: 2}
			v := &view{past: newPast()}
			v.t = newRecord(&transcript.Transcript{Lines: []transcript.Line{{Seq: 1, Time: time.Now(), Record: open}}})
			a := &chainAudit{view: v, serials: map[history.Serial]*history.Record{}}
			var err error
			if v.past.records["1.jsonl"], err = history.Read(history.Text("1.jsonl", whole)); err != nil {
				t.Fatal(err)
			}
			r, err := history.Read(history.Text("given-up.jsonl", tt.record))
			if v.past.given["given-up.jsonl"], v.past.broken["given-up.jsonl"] = r, err; err != nil {
				delete(v.past.given, "given-up.jsonl")
			}
			var c Check
			a.givenUp(&c, plan.Predecessor{Cluster: "demo", Transcript: "1.jsonl",
				Abandoned: []string{"given-up.jsonl"}})
			text := strings.Join(c.Problems, "\n")
			if (tt.want == "") != (text == "") || !strings.Contains(text, tt.want) {
				t.Errorf("%q, want %q", text, tt.want)
			}
			if tt.want == "" && !knows(a, leaf) {
				t.Error("its serial number is not known")
			}
		})
	}
}

func knows(a *chainAudit, c *x509.Certificate) bool {
	serial, ok := history.SerialOf(c.SerialNumber)
	return ok && a.serials[serial] != nil
}
