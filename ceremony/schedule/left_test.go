package schedule

import (
	"strings"
	"testing"

	"officiant/ceremony/transcript"
)

// TestLeft: what a plan may say of nodes that are gone, and that nothing of before
// vouches for one that is.
func TestLeft(t *testing.T) {
	p := makePast(t, defaultCAs, genesisOpen, "closed", recipients["cp-1"])
	mine := p.leaf(t, "kubernetes", 7, "system:node:worker-1")
	cp := p.certified(t, cp1, honest(t)["cp-1"], nil)
	p.recorded(append(cp, issued{"worker-1/kubelet.conf", mine.certificate})...)
	text := p.renewing(t, cp1, "apiserver")
	c, err := opens(text+"left: [worker-1]\n", p.files)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(written(c), "\n# left: worker-1\n0001 ") {
		t.Errorf("the schedule does not say who leaves:\n%s", written(c))
	}
	for want, says := range map[string]string{
		"node worker-1 is there twice":                                       "left: [worker-1, worker-1]\n",
		"node cp-1 has left the cluster, and is under nodes as well":         "left: [cp-1]\n",
		"node worker-7: no ceremony named here issued anything to it, so it": "left: [worker-7]\n",
	} {
		if _, err := opens(text+says, p.files); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", says, err)
		}
	}
	// After a ceremony that says so.
	before := p.head
	p.files["previous/demo-0.jsonl"] = p.files["previous/demo-1.jsonl"]
	p.open = transcript.Open{Sequence: 2, Predecessors: []transcript.Predecessor{
		{Cluster: "demo", Sequence: 1, Head: before},
	}}
	p.at, p.left = p.at.AddDate(0, 1, 0), []string{"worker-1"}
	p.recorded()
	text = strings.Replace(unwritten(p.continued(t, work)), "sequence: 1", "sequence: 2", 1)
	text = strings.Replace(text, "    transcript: previous/demo-1.jsonl\n",
		"    transcript: previous/demo-1.jsonl\n    earlier: [previous/demo-0.jsonl]\n", 1)
	const gone = "node worker-1: it has left the cluster (named as gone by ceremony 2 of cluster demo), and comes back " +
		"with a new request, for which people vouch"
	if _, err := opens(text+"    renew: []\n", p.files); err == nil || !strings.Contains(err.Error(), gone) {
		t.Errorf("renewed by what it had: %v", err)
	}
	c, err = opens(without(text)+"left: [worker-1]\n", p.files)
	if err != nil || len(c.Warnings) == 0 ||
		!strings.Contains(c.Warnings[0].Message, "node worker-1 has left already: named as gone by ceremony 2") {
		t.Errorf("it leaves again: %v", err)
	}
	o := signedBy(t, work, mine)
	p.files["requests/worker-1.req"] = string(o.Raw)
	if _, err := opens(text, p.files); err == nil {
		t.Error("its present key vouched for a node that has left")
	}
	c, err = opens(text+"    fingerprint: \""+o.Fingerprint.String()+"\"\nleft: [worker-1]\n", p.files)
	if err == nil || !strings.Contains(err.Error(), "is under nodes as well") {
		t.Errorf("%v", err)
	}
	c, err = opens(text+"    fingerprint: \""+o.Fingerprint.String()+"\"\n", p.files)
	if err != nil || c.Vouched["worker-1"] != ByFingerprint {
		t.Errorf("compared by people: %v", err)
	}
}
