package audit_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"officiant/ceremony/audit"
	"officiant/ceremony/ceremonytest"
)

// spoiling is one thing done to the files of a finished ceremony.
type spoiling struct {
	what  string
	files map[string][]byte // by path; nil: removed
	named []string          // of these, one has to stand in a finding
}

// tryAll does each spoiling to a copy of the scene, wants it found and named,
// and undoes it. None may be accepted.
func tryAll(t *testing.T, whole *scene, all []spoiling) {
	t.Helper()
	before := whole.audit(t).Findings()
	var workers sync.WaitGroup
	work := make(chan spoiling)
	for range runtime.GOMAXPROCS(0) {
		s := whole.copy(t)
		workers.Go(func() {
			for sp := range work {
				s.try(t, sp)
			}
			if after := s.audit(t).Findings(); !slices.Equal(before, after) {
				t.Errorf("what was undone is found still: %q", after)
			}
		})
	}
	for _, sp := range all {
		work <- sp
	}
	close(work)
	workers.Wait()
	t.Logf("%d mutations", len(all))
}

func (s *scene) try(t *testing.T, sp spoiling) {
	before := map[string][]byte{}
	for file, data := range sp.files {
		before[file], _ = os.ReadFile(s.path(file))
		s.put(t, file, data)
	}
	r, err := audit.Verify(s.dir, audit.Options{Now: time.Now(), ReleaseKey: s.key("release").Public(), Root: &s.result.Root})
	if err != nil {
		t.Errorf("%s: %v", sp.what, err)
		return
	}
	for file, data := range before {
		s.put(t, file, data)
	}
	if r.Verdict() == audit.Verified {
		t.Errorf("%s: verified", sp.what)
	}
	found := strings.Join(r.Findings(), "\n")
	if !slices.ContainsFunc(sp.named, func(n string) bool { return strings.Contains(found, n) }) {
		t.Errorf("%s: none of %q in\n%s", sp.what, sp.named, found)
	}
}

// put writes a file, or removes it.
func (s *scene) put(t *testing.T, file string, data []byte) {
	err := os.MkdirAll(filepath.Dir(s.path(file)), 0o755)
	if data == nil {
		err = os.Remove(s.path(file))
	} else if err == nil {
		err = os.WriteFile(s.path(file), data, 0o644)
	}
	if err != nil {
		t.Error(err)
	}
}

// mentions are what a finding about a file may say.
func mentions(file string) []string {
	out := names(file)
	if dir, ok := strings.CutSuffix(file, "/SHA256SUMS"); ok {
		out = append(out, dir+": ") // what a changed line belongs to
	}
	if file == "plan.yaml" {
		out = append(out, "which the plan does not give") // a request names what it lost
	}
	return out
}

// TestEveryFieldOfTheRecord changes, drops, doubles and swaps with the next one
// every field of every line, at whatever depth.
func TestEveryFieldOfTheRecord(t *testing.T) {
	s := onlyRecord(t)
	lines := bytes.SplitAfter(s.read("transcript.jsonl"), []byte("\n"))
	lines = lines[:len(lines)-1]
	var all []spoiling
	for i, line := range lines {
		named := []string{fmt.Sprintf("transcript.jsonl:%d: ", i+1), fmt.Sprintf("transcript.jsonl:%d: ", i+2)}
		if i == len(lines)-1 {
			named = append(named, "transcript.sig: is not")
		}
		for _, m := range ceremonytest.FieldMutations(t, line) {
			changed := slices.Concat(slices.Concat(lines[:i]...), m.Text, slices.Concat(lines[i+1:]...))
			all = append(all, spoiling{fmt.Sprintf("line %d, %s", i+1, m.How),
				map[string][]byte{"transcript.jsonl": changed}, named})
		}
	}
	if len(all) < 20*len(lines) {
		t.Errorf("only %d mutations of %d lines", len(all), len(lines))
	}
	tryAll(t, s, all)
}

type mutated = ceremonytest.Mutation

// TestEveryLineOfEveryFile changes, drops, doubles and swaps with the next one
// every line of every text in the directory: the plan, the schedule, keys and
// certificates, and all that is in a bundle. The inner lines of base64, of which
// there are many and all alike, take turns: one way each. (For the record's
// lines, see TestEveryLineCounts.)
func TestEveryLineOfEveryFile(t *testing.T) {
	whole := performP256(t)
	var all []spoiling
	for _, file := range whole.files(t) {
		data := whole.read(file)
		if file == "transcript.jsonl" || !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 {
			continue // for what is no text, see the two tests below
		}
		lines := bytes.SplitAfter(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
		for i, line := range lines {
			ways := lineMutations(lines, i)
			if len(line) == 65 && !bytes.ContainsAny(line, " :") {
				ways = ways[i%len(ways):][:1]
			}
			for _, m := range ways {
				if !bytes.Equal(m.Text, data) {
					all = append(all, spoiling{fmt.Sprintf("%s, line %d %s", file, i+1, m.How),
						map[string][]byte{file: m.Text}, mentions(file)})
				}
			}
		}
	}
	tryAll(t, whole, all)
}

// lineMutations are a whole text with one of its lines spoilt.
func lineMutations(lines [][]byte, i int) []mutated {
	line := lines[i]
	changed := bytes.Clone(line)
	changed[len(line)/2] ^= 1
	with := func(after int, put ...[]byte) []byte {
		return slices.Concat(slices.Concat(lines[:i]...), slices.Concat(put...), slices.Concat(lines[after:]...), []byte("\n"))
	}
	out := []mutated{
		{How: "changed", Text: with(i+1, changed)},
		{How: "dropped", Text: with(i + 1)},
		{How: "doubled", Text: with(i+1, line, line)},
	}
	if i+1 < len(lines) {
		out = append(out, mutated{How: "swapped", Text: with(i+2, lines[i+1], line)})
	}
	return out
}

// TestEveryFileInEveryWay changes, drops, doubles and swaps every file, with every
// other of its kind.
func TestEveryFileInEveryWay(t *testing.T) {
	whole := performP256(t)
	files := whole.files(t)
	var all []spoiling
	for i, file := range files {
		data := whole.read(file)
		changed := bytes.Clone(data)
		changed[len(data)/2] ^= 1
		for how, put := range map[string][]byte{"changed": changed, "emptied": {}, "doubled in itself": slices.Concat(data, data)} {
			all = append(all, spoiling{file + " " + how, map[string][]byte{file: put}, mentions(file)})
		}
		all = append(all,
			spoiling{file + " dropped", map[string][]byte{file: nil}, mentions(file)},
			spoiling{file + " doubled", map[string][]byte{file + "2": data}, mentions(file + "2")})
		for _, other := range files[i+1:] {
			if instead := whole.read(other); filepath.Ext(other) == filepath.Ext(file) && !bytes.Equal(instead, data) {
				all = append(all, spoiling{file + " swapped with " + other, map[string][]byte{file: instead, other: data}, append(mentions(file), mentions(other)...)})
			}
		}
	}
	tryAll(t, whole, all)
}

// TestRandomBits flips 2,000 bits anywhere in the directory: one in ten of the
// record, the others where the bytes are. The seed is fixed.
func TestRandomBits(t *testing.T) {
	whole := performP256(t)
	random := rand.New(rand.NewPCG(7, 2026))
	content := map[string][]byte{}
	var where []string // a file for each of its bytes, in pieces of 16
	for _, file := range whole.files(t) {
		content[file] = whole.read(file)
		where = append(where, slices.Repeat([]string{file}, 1+len(content[file])/16)...)
	}
	var all []spoiling
	for i := range 2000 {
		file := where[random.IntN(len(where))]
		if i%10 == 0 {
			file = "transcript.jsonl"
		}
		data := bytes.Clone(content[file])
		at, bit := random.IntN(len(data)), random.IntN(8)
		data[at] ^= 1 << bit
		named := mentions(file)
		if file == "transcript.jsonl" {
			n := bytes.Count(content[file][:at], []byte("\n")) + 1
			named = []string{fmt.Sprintf("%s:%d: ", file, n), fmt.Sprintf("%s:%d: ", file, n+1), "transcript.sig: is not", "transcript.jsonl: unfinished"}
		}
		all = append(all, spoiling{fmt.Sprintf("%s, bit %d of byte %d", file, bit, at), map[string][]byte{file: data}, named})
	}
	tryAll(t, whole, all)
}
