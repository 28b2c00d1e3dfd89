package audit

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"officiant/ceremony/history/historytest"
	"officiant/ceremony/transcript"
)

// held is what stays in memory of a record of n certificates once it was read, in bytes.
func held(t *testing.T, n int) int {
	t.Helper()
	ca, key := historytest.Root(t, time.Now()), historytest.Key(t).Public()
	r := historytest.Begin(t, time.Now(), transcript.Open{})
	for i := range n {
		r.Issue(fmt.Sprintf("worker-%06d/kubelet.conf", i), "root", ca.Leaf(t, "w", time.Now(), key))
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, transcriptFile), r.Unfinished(), 0o644); err != nil {
		t.Fatal(err)
	}
	files := must(openTree(dir))
	defer files.close()
	before := heap()
	v := &view{tree: files, report: &Report{}}
	var c Check
	if read, _, _ := (&recordAudit{v}).read(&c); read == nil {
		t.Fatal(c.Problems)
	}
	after := heap()
	runtime.KeepAlive(v)
	return after - before
}

func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// TestRecordIsSmall: what a record leaves in memory grows with its certificates by less than
// their DER, which is read again from the record. 1,800 more are 0.7 MiB, and were 4.
func TestRecordIsSmall(t *testing.T) {
	few, many := held(t, 200), held(t, 2000)
	t.Logf("200 certificates: %d KiB; 2000: %d KiB", few>>10, many>>10)
	if many-few > 1<<20 {
		t.Errorf("2,000 certificates take %d KiB, 200 take %d KiB", many>>10, few>>10)
	}
}
