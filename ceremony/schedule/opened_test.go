package schedule

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
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
		return OpenFS(fsys, "plan.yaml", Options{Now: now, Before: first})
	}
	sent := map[string][]byte{}
	for name := range first.Requests {
		if sent[name], err = first.Input("requests/" + name + ".req"); err != nil {
			t.Fatal(err)
		}
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

// TestInputAgain: what was let go is read again by its digest, and not what has
// taken its place.
func TestInputAgain(t *testing.T) {
	text, inputs := planFor(t, honest(t), cp1, work)
	fsys := fstest.MapFS{"plan.yaml": {Data: []byte(text)}}
	for name, data := range inputs {
		fsys[name] = &fstest.MapFile{Data: []byte(data)}
	}
	c, err := OpenFS(fsys, "plan.yaml", Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	const name = "requests/worker-1.req"
	if _, held := c.Inputs[name]; held {
		t.Error("the request is held")
	}
	if data, err := c.Input(name); err != nil || string(data) != inputs[name] {
		t.Errorf("%d bytes, %v", len(data), err)
	}
	fsys[name].Data = append([]byte(nil), fsys["requests/cp-1.req"].Data...)
	if _, err := c.Input(name); err == nil || !strings.Contains(err.Error(), "it was changed since the plan was read") {
		t.Errorf("another file: %v", err)
	}
	if err := c.CopyInput(name, io.Discard); err == nil || !strings.Contains(err.Error(), "it was changed since") {
		t.Errorf("another file is copied: %v", err)
	}
	delete(fsys, name)
	if _, err := c.Input(name); err == nil {
		t.Error("a file that is gone was read")
	}
	if _, err := c.Input("other"); err == nil || !strings.Contains(err.Error(), "is no input of plan.yaml") {
		t.Errorf("what is none: %v", err)
	}
	dir := t.TempDir()
	for file, data := range inputs {
		path := filepath.Join(dir, file)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(data), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "plan.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if c, err = Open(filepath.Join(dir, "plan.yaml"), Options{Now: now}); err != nil {
		t.Fatal(err)
	}
	if data, err := c.Input(name); err != nil || string(data) != inputs[name] {
		t.Errorf("from a folder: %d bytes, %v", len(data), err)
	}
}
