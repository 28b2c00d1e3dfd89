package audit_test

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"officiant/ceremony/audit"
	"officiant/ceremony/transcript"
)

// onlyRecord is a finished ceremony without its bundles: with a record that
// does not read they are not looked at.
func onlyRecord(t *testing.T) *scene {
	s := perform(t).copy(t)
	if err := os.RemoveAll(s.path("bundles")); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestEveryLineCounts spoils each line of a finished record in each way. The
// line that is wrong, or that no longer follows, has to be named.
func TestEveryLineCounts(t *testing.T) {
	s := onlyRecord(t)
	lines := bytes.SplitAfter(s.read("transcript.jsonl"), []byte("\n"))
	lines = lines[:len(lines)-1]
	last := len(lines) - 1
	with := func(i int, put ...[]byte) []byte {
		out := append([][]byte{}, lines[:i]...)
		out = append(out, put...)
		return bytes.Join(append(out, lines[min(i+max(len(put), 1), len(lines)):]...), nil)
	}
	for i, line := range lines {
		changed := bytes.Clone(line)
		changed[len(line)/2] ^= 1
		doubled := bytes.Join([][]byte{bytes.Join(lines[:i+1], nil), line, bytes.Join(lines[i+1:], nil)}, nil)
		spoilt := map[string][]byte{"dropped": with(i), "changed": with(i, changed), "doubled": doubled}
		if i < last {
			spoilt["swapped"] = with(i, lines[i+1], line)
		}
		for how, data := range spoilt {
			s.write(t, "transcript.jsonl", data)
			r := s.audit(t)
			if r.Verdict() == audit.Verified {
				t.Errorf("line %d %s: verified", i+1, how)
			}
			// A line may be well formed still; then the next one does not follow it.
			named := []string{fmt.Sprintf("transcript.jsonl:%d: ", i+1), fmt.Sprintf("transcript.jsonl:%d: ", i+2)}
			if i == last {
				named = append(named, "transcript.jsonl: unfinished: the record ends with line "+fmt.Sprint(i)+" ", "transcript.sig: is not")
			}
			found := strings.Join(r.Findings(), "\n")
			if !slices.ContainsFunc(named, func(n string) bool { return strings.Contains(found, n) }) {
				t.Errorf("line %d %s: the line is not named:\n%s", i+1, how, found)
			}
		}
	}
}

// TestUnfinished cuts the record off after each line, and within each.
func TestUnfinished(t *testing.T) {
	s := onlyRecord(t)
	data := s.read("transcript.jsonl")
	lines := bytes.SplitAfter(data, []byte("\n"))
	at := 0
	for i, line := range lines[:len(lines)-2] {
		at += len(line)
		for _, more := range []int{0, []int{1, len(lines[i+1]) / 2, len(lines[i+1]) - 1}[i%3]} {
			s.write(t, "transcript.jsonl", data[:at+more])
			r := s.audit(t)
			if r.Verdict() != audit.Unfinished || len(r.Findings()) != 1 {
				t.Fatalf("line %d and %d bytes: verdict %q, %q", i+1, more, r.Verdict(), r.Findings())
			}
			f := r.Findings()[0]
			if !strings.Contains(f, fmt.Sprintf("the record ends with line %d at ", i+1)) || strings.Contains(f, "cut off") != (more > 0) {
				t.Errorf("line %d and %d bytes: %s", i+1, more, f)
			}
		}
	}
	s.write(t, "transcript.jsonl", data[:len(lines[0])-1])
	if r := s.audit(t); r.Verdict() != audit.Failed {
		t.Errorf("not even a first line: %q", r.Verdict())
	}
}

// TestLineDroppedByItsSigner leaves each line out of a record that is chained,
// built and signed anew. Lines that only tell what people saw (steps, tokens)
// can be left out so; no other.
func TestLineDroppedByItsSigner(t *testing.T) {
	whole := performP256(t)
	for i := 1; i < len(whole.forge(t).acts); i++ {
		t.Run(fmt.Sprint(i+1), func(t *testing.T) {
			t.Parallel()
			f := whole.forge(t)
			gone := f.acts[i]
			switch gone.record.(type) {
			case transcript.Step, transcript.Token:
				return
			}
			f.drop(gone)
			if result := f.result(gone); result != nil {
				f.drop(result)
			}
			if gone.of != nil {
				f.drop(gone.of)
			}
			if err := f.write(); err != nil {
				return // such a record does not even read
			}
			if r := f.audit(t); r.Verdict() == audit.Verified {
				t.Errorf("a record without its %s line verifies", gone.record.Type())
			}
		})
	}
}
