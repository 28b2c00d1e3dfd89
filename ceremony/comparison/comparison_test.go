package comparison

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"officiant/bundle/limittest"
)

const first = `# officiant-schedule: v1
# plan: demo-1
# cluster: demo
# sequence: 1
# certificates: 3
# signatures: 5
0001 root signer=root name=root subject="CN=demo root,O=demo" usage=keyCertSign,cRLSign duration=175200h
0002 leaf signer=kubernetes name=cp-1/apiserver subject="CN=kube-apiserver" dns=cp-1,kubernetes duration=8760h
0003 leaf signer=kubernetes name=cp-2/apiserver subject="CN=kube-apiserver" dns=cp-2,kubernetes duration=8760h
0004 bundle signer=release name="bundle cp-1" request=sha256:00 vouched=fingerprint sig=ECDSA-SHA256
0005 transcript signer=release name=transcript sig=ECDSA-SHA256
`

func parsed(t *testing.T, text string) *Schedule {
	t.Helper()
	s, err := Parse("schedule.txt", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestOf: what is alike is told once, whatever its place, and what is the same is counted.
func TestOf(t *testing.T) {
	second := strings.NewReplacer("demo-1", "demo-2", "sequence: 1", "sequence: 2", "=8760h", "=720h",
		"signatures: 5", "signatures: 9",
		"0001 root signer=root name=root subject=\"CN=demo root,O=demo\" usage=keyCertSign,cRLSign duration=175200h\n", "",
		"0005 transcript", "0004 bundle signer=release name=\"bundle cp-2\" request=sha256:01\n0005 transcript",
		" vouched=fingerprint", "").Replace(first)
	got := Of(parsed(t, first), parsed(t, second))
	want := &Comparison{
		Header: []Difference{
			{Field: "plan", Before: "demo-1", After: "demo-2"},
			{Field: "sequence", Before: "1", After: "2"},
		},
		Changes: []Change{
			{What: Changed, Kind: "leaf", Names: []string{"cp-1/apiserver", "cp-2/apiserver"},
				Differences: []Difference{{Field: "duration", Before: "8760h", After: "720h"}}},
			{What: Changed, Kind: "bundle", Names: []string{"bundle cp-1"},
				Differences: []Difference{{Field: "vouched", Before: "fingerprint"}}},
			{What: Added, Kind: "bundle", Names: []string{"bundle cp-2"}, Differences: []Difference{}},
			{What: Removed, Kind: "root", Names: []string{"root"}, Differences: []Difference{}},
		},
		Changed: 3, Added: 1, Removed: 1, Same: 1,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if same := Of(parsed(t, first), parsed(t, first)); same.Same != 5 || len(same.Changes)+len(same.Header) != 0 {
		t.Error(same)
	}
}

// TestLists: of a list, only what came and went is told.
func TestLists(t *testing.T) {
	got := Of(parsed(t, first), parsed(t, strings.Replace(first, "dns=cp-1,kubernetes", "dns=kubernetes,api.test", 1)))
	want := []Change{{What: Changed, Kind: "leaf", Names: []string{"cp-1/apiserver"},
		Differences: []Difference{{Field: "dns", Gone: []string{"cp-1"}, New: []string{"api.test"}}}}}
	if d := cmp.Diff(want, got.Changes); d != "" {
		t.Error(d)
	}
}

func TestParseRefused(t *testing.T) {
	for name, text := range map[string]string{
		"empty":         "",
		"no header":     strings.SplitAfterN(first, "\n", 7)[6],
		"other version": strings.Replace(first, "v1", "v2", 1),
		"twice":         first + "0006 transcript signer=release name=transcript\n",
		"late header":   first + "# plan: other\n",
		"no number":     first + "x leaf name=a\n",
		"no name":       first + "0006 leaf signer=root\n",
		"no field":      first + "0006 leaf name=a signer\n",
		"open quote":    first + "0006 leaf name=\"a\n",
		"behind quote":  first + "0006 leaf name=\"a\"b=c\n",
		"no newline":    strings.TrimSuffix(first, "\n"),
		"blank line":    first + "\n",
	} {
		if s, err := Parse("schedule.txt", []byte(text)); err == nil {
			t.Errorf("%s: read as %v", name, s)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(first))
	f.Fuzz(func(t *testing.T, text []byte) {
		defer limittest.Budget(t)()
		if s, err := Parse("x", text); err == nil {
			if c := Of(s, s); c.Changed+c.Added+c.Removed != 0 {
				t.Error("a schedule differs from itself", c)
			}
		}
	})
}
