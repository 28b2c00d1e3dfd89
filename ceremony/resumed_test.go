package ceremony_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle/durable"
	"officiant/ceremony"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

// forged is a request with another signature over request.json than the node's key made:
// its fingerprint is the same.
func forged(t *testing.T, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	must(t, err)
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			t.Fatal("no signature in " + file)
		}
		must(t, err)
		if !strings.HasPrefix(h.Name, "sig/") {
			continue
		}
		signature, err := io.ReadAll(r)
		must(t, err)
		other := bytes.Clone(signature)
		if other[30] = 'A'; signature[30] == 'A' {
			other[30] = 'B'
		}
		must(t, os.WriteFile(file, bytes.Replace(data, signature, other, 1), 0o644))
		return
	}
}

// later is the configuration of a run whose plan leaves proofs for later.
func later(t *testing.T, f *ceremonytest.Fixture, cfg ceremony.Config) ceremony.Config {
	t.Helper()
	c, err := schedule.Open(f.PlanFile, schedule.Options{Now: time.Now(), Lean: true, Later: true})
	must(t, err)
	cfg.Plan = c
	return cfg
}

// said collects what people are told.
type said struct {
	ceremony.Observer
	lines []string
}

func (s *said) Say(line string) { s.lines = append(s.lines, line) }

// withSecrets puts back what a record says was sealed.
func withSecrets(t *testing.T, dir, from string) string {
	t.Helper()
	must(t, os.CopyFS(filepath.Join(dir, "secrets"), os.DirFS(filepath.Join(from, "secrets"))))
	return dir
}

// TestResumeTriesOnce: a ceremony that goes on tries no certificate again that was tried
// before its record began, wherever it stopped, unless another program began it. It comes to
// its end all the same.
func TestResumeTriesOnce(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{Workers: 3})
	dir, _ := f.Run(t)
	record := readRecord(t, dir)
	first := slices.IndexFunc(record.Lines, func(l transcript.Line) bool { return l.Record.Type() == "issued" })
	for n := first; n < len(record.Lines); n += 7 {
		for _, same := range []bool{true, false} {
			told := &said{Observer: f.Config(t, dir).Observer}
			cfg := later(t, f, f.Config(t, withSecrets(t, cutTo(t, dir, n), dir)))
			cfg.Observer = told
			if !same {
				cfg.Program.Version = "another"
			}
			if _, err := ceremony.Run(t.Context(), cfg); err != nil {
				t.Fatalf("after line %d: %v", n, err)
			}
			if once := strings.Contains(fmt.Sprint(told.lines), "tried before the record began"); once != same {
				t.Errorf("after line %d, same program %t: %q", n, same, told.lines)
			}
		}
	}
}

// TestForgedRequest: a request that was to be proven later is proven before anything is
// signed for it, also where whoever wrote it wrote a record as well, which says that the
// ceremony began with it.
func TestForgedRequest(t *testing.T) {
	const says = "requests/worker-2.req: sig/kubelet.conf.sig: is not the signature of request.json"
	f := ceremonytest.New(t, ceremonytest.Shape{Workers: 3})
	done, _ := f.Run(t)
	open := readRecord(t, done).Open()
	forged(t, filepath.Join(f.Folder, "requests", "worker-2.req"))
	if _, err := schedule.Open(f.PlanFile, schedule.Options{Now: time.Now()}); err == nil ||
		!strings.Contains(err.Error(), "is not the signature") {
		t.Fatalf("it was not forged: %v", err)
	}
	sound, err := schedule.Open(f.PlanFile, schedule.Options{Now: time.Now(), Later: true})
	must(t, err)
	for e := range sound.All(schedule.LeafCertificate) {
		_, err := sound.PublicKey(e)
		if got := err != nil; got != strings.HasPrefix(e.Node, "worker-") {
			t.Errorf("%s: its key before it was proven: %v", e.Name, err)
		}
	}
	unproven := schedule.Options{Now: time.Now(), Proven: []*schedule.Ceremony{sound}}
	if _, err := schedule.Open(f.PlanFile, unproven); err == nil {
		t.Error("what was left for later counts as proven")
	}
	must(t, schedule.Prove(sound, func(node string) bool { return node == "worker-1" }))
	err = schedule.Prove(sound, func(string) bool { return true })
	if err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("proven: %v", err)
	}
	for node, proven := range map[string]bool{"worker-1": true, "worker-2": false, "worker-3": true} {
		var e schedule.Entry
		for l := range sound.All(schedule.LeafCertificate) {
			if l.Node == node {
				e = l
			}
		}
		if _, err := sound.PublicKey(e); (err == nil) != proven {
			t.Errorf("%s: %v", node, err)
		}
	}
	unproven.Later = true
	again, err := schedule.Open(f.PlanFile, unproven)
	must(t, err)
	if err := schedule.Prove(again, func(node string) bool { return node != "worker-2" }); err != nil {
		t.Error(err)
	}

	// No record: all is proven at the first step.
	base := func(dir string) ceremony.Config {
		forgedFile := filepath.Join(f.Folder, "requests", "worker-2.req")
		bad, err := os.ReadFile(forgedFile)
		must(t, err)
		honest, err := os.ReadFile(filepath.Join(done, "requests", "worker-2.req"))
		must(t, err)
		must(t, os.WriteFile(forgedFile, honest, 0o644))
		c := f.Config(t, dir)
		must(t, os.WriteFile(forgedFile, bad, 0o644))
		return later(t, f, c)
	}
	_, err = ceremony.Run(t.Context(), base(filepath.Join(t.TempDir(), "ceremony")))
	refusedWith(t, err, says)

	// A record of the forger's own.
	dir := filepath.Join(t.TempDir(), "ceremony")
	must(t, os.CopyFS(dir, os.DirFS(f.Folder)))
	run := base(dir)
	open.Digest = run.Plan.Digest
	log, err := transcript.Create(&durable.Disk{}, filepath.Join(dir, "transcript.jsonl"), time.Now, open)
	must(t, err)
	must(t, log.Close())
	told := &said{Observer: run.Observer}
	run.Observer = told
	_, err = ceremony.Run(t.Context(), run)
	refusedWith(t, err, says)
	if !strings.Contains(fmt.Sprint(told.lines), "tried before the record began") {
		t.Errorf("the record was not believed to be this program's: %q", told.lines)
	}
	for _, l := range readRecord(t, dir).Lines {
		switch l.Record.(type) {
		case transcript.Intent, transcript.KeyIntent:
			t.Errorf("line %d: %s", l.Seq, l.Record.Type())
		}
	}
}
