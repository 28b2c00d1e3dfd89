package ceremony_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"officiant/ceremony"
	"officiant/ceremony/audit"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/station"
	"officiant/ceremony/transcript"
	"officiant/signer"
)

// reader is a room with one reader: tokens lie in a drawer, and one is in the reader.
type reader struct {
	t      *testing.T
	tokens string // SoftHSM's folder of what is in
	drawer string
	words  []string // what was asked for
}

func newReader(t *testing.T, f *ceremonytest.Fixture) *reader {
	r := &reader{t: t, tokens: filepath.Join(f.Room, "tokens"), drawer: t.TempDir()}
	r.out("root")
	return r
}

// folder is where the token of a label lies, in the reader or in the drawer.
func (r *reader) folder(in, label string) string {
	r.t.Helper()
	files, err := filepath.Glob(filepath.Join(in, "*", "token.object"))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, file := range files {
		if data, err := os.ReadFile(file); err == nil && bytes.Contains(data, []byte(padded(label))) {
			return filepath.Dir(file)
		}
	}
	r.t.Fatalf("no token %s in %s", label, in)
	return ""
}

func padded(label string) string { return fmt.Sprintf("%-32s", label) }

func (r *reader) move(label, from, to string) {
	r.t.Helper()
	dir := r.folder(from, label)
	if err := os.Rename(dir, filepath.Join(to, filepath.Base(dir))); err != nil {
		r.t.Fatal(err)
	}
}

func (r *reader) out(label string) { r.move(label, r.tokens, r.drawer) }
func (r *reader) in(label string)  { r.move(label, r.drawer, r.tokens) }

func readRecord(t *testing.T, dir string) *transcript.Transcript {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "transcript.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	record, err := transcript.Read("transcript.jsonl", data)
	if err != nil {
		t.Fatal(err)
	}
	return record
}

// insert does as it is told, the second time it is told: at first the wrong
// token stays in.
func (r *reader) insert(_ context.Context, words string) (string, error) {
	r.words = append(r.words, words)
	if n := len(r.words); n < 2 || r.words[n-2] != words {
		return "", nil
	}
	_, wanted, _ := strings.Cut(words, "put in token ")
	wanted, _, _ = strings.Cut(wanted, ",")
	for _, other := range []string{"root", "issuing"} {
		if other != wanted {
			r.out(other)
		}
	}
	r.in(wanted)
	return "out of bag 7", nil
}

// TestOneReader: a whole ceremony with two tokens and one reader. Each token is
// asked for by label and serial, and the wrong one is not taken.
func TestOneReader(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{Workers: 1})
	r := newReader(t, f)
	dir := filepath.Join(t.TempDir(), "ceremony")
	cfg := f.Config(t, dir)
	cfg.Insert = r.insert
	said := &teller{Observer: cfg.Observer}
	cfg.Observer = said
	if _, err := ceremony.Run(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if all := strings.Join(said.lines, "\n"); strings.Contains(all, "unavailable") ||
		!strings.Contains(all, "it is not there yet; there is token issuing, serial ") {
		t.Errorf("a swap as people do it is told as\n%s", all)
	}
	var asked []string
	for _, w := range r.words {
		if !strings.Contains(w, ", serial ") || !strings.Contains(w, ", which holds the key of ") {
			t.Errorf("asked for by %q", w)
		}
		w, _, _ = strings.Cut(strings.TrimPrefix(w, "put in token "), ",")
		asked = append(asked, w)
	}
	if want := "root root issuing issuing"; strings.Join(asked, " ") != want {
		t.Errorf("asked for %q, want %q", asked, want)
	}
	record := readRecord(t, dir)
	var opened []string
	for _, l := range record.Lines {
		if token, ok := l.Record.(transcript.Token); ok {
			opened = append(opened, token.Label)
		}
	}
	if n := slices.IndexFunc(record.Lines, func(l transcript.Line) bool {
		return l.Record == transcript.Record(transcript.Note{Text: "out of bag 7"})
	}); n < 0 {
		t.Error("what people said at the swap is not on record")
	}
	if want := []string{"issuing", "root", "issuing"}; !slices.Equal(opened, want) {
		t.Errorf("on record are the tokens %q, want %q", opened, want)
	}
}

// TestInterruptedSwap: who stops while root is awaited is asked for root when it goes
// on, and not first for the token whose keys are all on record.
func TestInterruptedSwap(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{Workers: 1})
	r := newReader(t, f)
	dir := filepath.Join(t.TempDir(), "ceremony")
	ctx, stop := context.WithCancel(t.Context())
	cfg := f.Config(t, dir)
	cfg.Insert = func(ctx context.Context, words string) (string, error) {
		if !strings.Contains(words, "put in token root,") {
			t.Errorf("asked for: %s", words)
		}
		stop()
		return "", ctx.Err()
	}
	_, err := ceremony.Run(ctx, cfg)
	if interrupted := (*ceremony.Interrupted)(nil); !errors.As(err, &interrupted) {
		t.Fatalf("%v", err)
	}
	r.out("issuing") // the reader is empty
	var asked []string
	cfg = f.Config(t, dir)
	cfg.Insert = func(_ context.Context, words string) (string, error) {
		wanted, _, _ := strings.Cut(strings.TrimPrefix(words, "put in token "), ",")
		if len(asked) > 0 {
			r.out(asked[len(asked)-1])
		}
		asked = append(asked, wanted)
		r.in(wanted)
		return "", nil
	}
	if _, err := ceremony.Run(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(asked, []string{"root", "issuing"}) {
		t.Errorf("asked for %q", asked)
	}
}

// TestAbsentToken: where nobody can be asked, the error has the words, and the
// same command goes on with the token in. When the root's part is done, the
// root's token is not asked for again.
func TestAbsentToken(t *testing.T) {
	f := ceremonytest.New(t, ceremonytest.Shape{})
	r := newReader(t, f)
	dir := filepath.Join(t.TempDir(), "ceremony")
	cfg := f.Config(t, dir)
	absent := func(label string) {
		t.Helper()
		_, err := ceremony.Run(t.Context(), cfg)
		if !errors.Is(err, signer.ErrAbsent) || !errors.Is(err, signer.ErrUnavailable) || !strings.Contains(err.Error(), "put in token "+label+", serial ") {
			t.Fatalf("%v", err)
		}
	}
	absent("root")
	r.in("root")
	cfg.Open = func(ctx context.Context, ref signer.Ref, ask signer.PINFunc) (signer.Store, error) {
		s, err := f.Config(t, dir).Open(ctx, ref, ask)
		if err == nil && strings.Contains(ref.URI, "token=root;") {
			r.out("issuing") // it is swapped
		}
		return s, err
	}
	absent("issuing")
	r.out("root")
	r.in("issuing")
	if _, err := ceremony.Run(t.Context(), f.Config(t, dir)); err != nil {
		t.Fatal(err)
	}
}

// cloned puts a clone of the root's token beside it, as a maker's tool would.
func (r *reader) cloned(serial string) {
	r.t.Helper()
	from := r.folder(r.tokens, "root")
	to := filepath.Join(r.tokens, "clone")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		r.t.Fatal(err)
	}
	file := filepath.Join(to, "token.object")
	data, err := os.ReadFile(file)
	if err != nil {
		r.t.Fatal(err)
	}
	data = bytes.ReplaceAll(data, []byte(padded("root")), []byte(padded("copy")))
	was := strings.Split(filepath.Base(from), "-")
	data = bytes.ReplaceAll(data, []byte(was[len(was)-2]+was[len(was)-1]), []byte(serial))
	if err := os.WriteFile(file, data, 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// TestClone: a key with a backup in the station has to have a clone that answers.
func TestClone(t *testing.T) {
	const serial = "c10c10c10c10c10c"
	f := ceremonytest.New(t, ceremonytest.Shape{})
	text, err := os.ReadFile(f.Station)
	if err != nil {
		t.Fatal(err)
	}
	st, err := station.Parse("station.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	clone := strings.Replace(st.Keys["root"], "token=root", "token=copy", 1)
	before, after, _ := strings.Cut(clone, "serial=")
	clone = before + "serial=" + serial + after[strings.Index(after, "?"):]
	if err := os.WriteFile(f.Station, append(text, fmt.Sprintf("backups: {root: %q}\n", clone)...), 0o644); err != nil {
		t.Fatal(err)
	}
	r := &reader{t: t, tokens: filepath.Join(f.Room, "tokens"), drawer: t.TempDir()}
	dir := filepath.Join(t.TempDir(), "ceremony")
	cfg := f.Config(t, dir)
	if _, err := ceremony.Run(t.Context(), cfg); !errors.Is(err, signer.ErrAbsent) || !strings.Contains(err.Error(), "put in token copy, serial "+serial) {
		t.Fatalf("without a clone: %v", err)
	}
	r.cloned(serial)
	if _, err := ceremony.Run(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	report, err := audit.Verify(dir, audit.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var notes []string
	for _, c := range report.Checks {
		notes = append(notes, c.Notes...)
	}
	if all := strings.Join(notes, "\n"); !strings.Contains(all, "the clone of the root key, in token copy, serial "+serial+", answered a challenge") {
		t.Errorf("the audit does not tell of the clone:\n%s", all)
	}
}
