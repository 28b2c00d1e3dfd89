package schedule

import (
	"strings"
	"testing"
	"time"

	"officiant/ceremony/history"
	"officiant/ceremony/history/historytest"
	"officiant/ceremony/transcript"
)

// TestGivenUp: a plan may name the record of a ceremony that people gave up, where it
// would have continued one of the chain, and knows then what that one issued.
func TestGivenUp(t *testing.T) {
	p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
	leaf := p.leaf(t, "kubernetes", 4711, "x")
	begin := func(open transcript.Open) *historytest.Record {
		open.Sequence = max(open.Sequence, 1)
		r := historytest.Begin(t, now.Add(-time.Hour), open)
		r.Issue("cp-1/apiserver-kubelet-client", "kubernetes", leaf.certificate)
		return r
	}
	after := func(cluster string, head [32]byte) transcript.Open {
		return transcript.Open{Cluster: cluster, Sequence: 2,
			Predecessors: []transcript.Predecessor{{Cluster: cluster, Sequence: 1, Head: head}}}
	}
	for name, tt := range map[string]struct {
		record []byte
		want   string // empty: it is taken
	}{
		"one of the chain":     {begin(after("demo", p.head)).GiveUp(), ""},
		"the first":            {begin(transcript.Open{}).GiveUp(), ""},
		"one that goes on":     {begin(after("demo", p.head)).Unfinished(), "people did not give this ceremony up"},
		"one of another chain": {begin(after("demo", [32]byte{1})).GiveUp(), "would have continued none"},
		"another cluster's":    {begin(after("port", p.head)).GiveUp(), "not one of this cluster's own"},
		"a rehearsal": {begin(transcript.Open{Sequence: 2, Rehearsal: true,
			Predecessors: after("demo", p.head).Predecessors}).GiveUp(), "not one of this cluster's own"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(p.continued(t, cp1, work), "transcript: previous/demo-1.jsonl\n",
				"transcript: previous/demo-1.jsonl\n    abandoned: [previous/given-up.jsonl]\n", 1)
			p.files["previous/given-up.jsonl"] = string(tt.record)
			c, err := opens(text, p.files)
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%v, want %q", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			serial, _ := history.SerialOf(leaf.certificate.SerialNumber)
			if c.Sequence != 2 || len(c.Past.Abandoned()) != 1 || !c.Past.Used(serial) {
				t.Errorf("sequence %d, %d abandoned", c.Sequence, len(c.Past.Abandoned()))
			}
			if _, ok := c.Past.Newest("cp-1/apiserver-kubelet-client"); ok {
				t.Error("what it issued counts as the node's")
			}
		})
	}
	for what, list := range map[string]string{"twice": "[previous/given-up.jsonl, previous/given-up.jsonl]",
		"the predecessor": "[previous/demo-1.jsonl]"} {
		text := strings.Replace(p.continued(t, cp1, work), "transcript: previous/demo-1.jsonl\n",
			"transcript: previous/demo-1.jsonl\n    abandoned: "+list+"\n", 1)
		p.files["previous/given-up.jsonl"] = string(begin(after("demo", p.head)).GiveUp())
		if _, err := opens(text, p.files); err == nil || !strings.Contains(err.Error(), "is there twice") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
