package schedule

import (
	"testing"
	"testing/fstest"
)

// TestOpenedBefore opens a plan again with the requests of the first time. One
// that was changed since is opened anew, and refused.
func TestOpenedBefore(t *testing.T) {
	text, inputs := planFor(t, honest(t), cp1, work)
	first, err := opens(text, inputs)
	if err != nil {
		t.Fatal(err)
	}
	again := func(requests map[string][]byte) (*Ceremony, error) {
		fsys := fstest.MapFS{"plan.yaml": {Data: []byte(text)}, "kubeadm.yaml": {Data: []byte(kubeadmFile)}}
		for name, data := range requests {
			fsys["requests/"+name+".req"] = &fstest.MapFile{Data: data}
		}
		return OpenFS(fsys, "plan.yaml", Options{Now: now, Opened: first.Requests})
	}
	sent := map[string][]byte{}
	for name, o := range first.Requests {
		sent[name] = o.Raw
	}
	second, err := again(sent)
	if err != nil || second.Digest != first.Digest {
		t.Fatalf("the same plan has another digest: %v", err)
	}
	if second.Requests["worker-1"] != first.Requests["worker-1"] {
		t.Error("a request of the same bytes was opened again")
	}
	changed := append([]byte(nil), sent["worker-1"]...)
	changed[len(changed)/2] ^= 1
	for what, requests := range map[string]map[string][]byte{
		"a changed one":   {"cp-1": sent["cp-1"], "worker-1": changed},
		"another node's":  {"cp-1": sent["cp-1"], "worker-1": sent["cp-1"]},
		"one that is not": {"cp-1": sent["cp-1"]},
	} {
		if _, err := again(requests); err == nil {
			t.Errorf("%s was taken for the one opened before", what)
		}
	}
}
