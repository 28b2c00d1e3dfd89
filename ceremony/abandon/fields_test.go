package abandon_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/abandon"
	"officiant/ceremony/audit"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/history"
	"officiant/ceremony/transcript"
)

// unsaid are fields of an abandonment's lines that no signature covers: who holds the
// directory can write others, chained anew, as he can those of a record that nobody has
// closed. None says which key is destroyed, why, or by whom: of a key whose process was
// killed while it was made, the public key is what the token told.
var unsaid = regexp.MustCompile(`^(\.time|\.data\.(program|host)\b\S*) `)

// TestEveryField alters each field of each line from the abandonment on, as it stands and
// with all later lines chained to it anew. Audit says where, and no record that was
// altered destroys a key.
func TestEveryField(t *testing.T) {
	f := fixture(t, people)
	dir := begun(t, f, made("demo/front-proxy"))
	c := config(t, f, dir)
	sign(t, f, c, "alice", "bob")
	if _, err := abandon.Run(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	abandonedIn(t, dir)
	file := filepath.Join(dir, history.RecordFile)
	record, text := lines(t, dir)
	text = text[:len(text)-1]
	begins, n := 0, 0
	for i, l := range record.Lines {
		if l.Record.Type() == (transcript.Abandonment{}).Type() {
			begins = i
		}
	}
	for i := begins; i < len(text); i++ {
		for _, m := range ceremonytest.FieldMutations(t, text[i]) {
			for how, whole := range map[string][]byte{
				"":               slices.Concat(slices.Concat(text[:i]...), m.Text, slices.Concat(text[i+1:]...)),
				", chained anew": chained(text, i, m.Text),
			} {
				if (unsaid.MatchString(m.How) || unknown(record.Lines[i], m.How)) && (how != "" || i == len(text)-1) {
					continue
				}
				n++
				must(t, os.WriteFile(file, whole, 0o644))
				altered(t, dir, fmt.Sprintf("line %d (%s), %s%s", i+1, record.Lines[i].Record.Type(), m.How, how), i+1,
					len(text))
			}
		}
	}
	t.Logf("%d mutations of %d lines", n, len(text)-begins)
	must(t, os.WriteFile(file, bytes.Join(text, nil), 0o644))
	abandonedIn(t, dir)
}

// unknown tells of an intent to destroy a key of which no line before has the public key.
func unknown(l transcript.Line, how string) bool {
	d, ok := l.Record.(transcript.DestroyIntent)
	return ok && d.Name == "front-proxy" && how == ".data.spki changed"
}

// chained is a record with another line in place of one, and all later ones naming the
// hashes that come of it.
func chained(lines [][]byte, i int, line []byte) []byte {
	out := slices.Concat(slices.Concat(lines[:i]...), line)
	was, is := fingerprint.Of(lines[i]), fingerprint.Of(line)
	for _, l := range lines[i+1:] {
		next := bytes.ReplaceAll(l, []byte(was.String()), []byte(is.String()))
		was, is = fingerprint.Of(l), fingerprint.Of(next)
		out = append(out, next...)
	}
	return out
}

// altered wants an audit to find a record altered, and to say where.
func altered(t *testing.T, dir, what string, line, lines int) {
	t.Helper()
	report, err := audit.Verify(dir, audit.Options{})
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	found := strings.Join(report.Findings(), "\n")
	if v := report.Verdict(); v == audit.Abandoned || v == audit.Verified {
		t.Errorf("%s: verdict %q", what, v)
		return
	}
	named := strings.Contains(found, fmt.Sprintf("line %d: ", line)) || strings.Contains(found, "abandonment/")
	for n := line; n <= lines && !named; n++ { // or the first one that does not follow from it
		named = strings.Contains(found, fmt.Sprintf("transcript.jsonl:%d: ", n))
	}
	if named {
		return
	}
	t.Errorf("%s: it is not named in\n%s", what, found)
}
