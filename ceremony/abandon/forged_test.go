package abandon_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"officiant/bundle/fingerprint"
	"officiant/bundle/sshsig"
	"officiant/ceremony"
	"officiant/ceremony/abandon"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/history"
	"officiant/ceremony/transcript"
	"officiant/signer"
)

// finished is a ceremony that came to its end: its root is real.
func finished(t *testing.T, f *ceremonytest.Fixture) (dir string, keys int) {
	t.Helper()
	dir, _ = f.Run(t)
	return dir, objects(t, f)
}

// lines are the lines of a record, and their text.
func lines(t *testing.T, dir string) (*transcript.Transcript, [][]byte) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, history.RecordFile))
	must(t, err)
	record, err := transcript.Read("record", data)
	must(t, err)
	return record, bytes.SplitAfter(data, []byte("\n"))
}

// cut is a copy of a ceremony whose record ends with the line before one of a kind.
func cut(t *testing.T, dir string, kind transcript.Type) string {
	t.Helper()
	record, text := lines(t, dir)
	other := filepath.Join(t.TempDir(), "cut")
	must(t, os.CopyFS(other, os.DirFS(dir)))
	must(t, os.Remove(filepath.Join(other, "transcript.sig")))
	for i, l := range record.Lines {
		if l.Record.Type() == kind {
			must(t, os.WriteFile(filepath.Join(other, history.RecordFile), bytes.Join(text[:i], nil), 0o644))
			return other
		}
	}
	t.Fatalf("no line of type %s", kind)
	return ""
}

// refused wants an abandonment to be refused so, and every key to be where it was.
func refused(t *testing.T, f *ceremonytest.Fixture, what string, c abandon.Config, keys int, says string) {
	t.Helper()
	_, err := abandon.Run(context.Background(), c)
	if err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("%s: got %v\nwant %s", what, err, says)
	}
	if n := objects(t, f); n != keys {
		t.Fatalf("%s: %d objects of %d are left", what, n, keys)
	}
}

// TestForged: no record that anybody can write destroys a real root.
func TestForged(t *testing.T) {
	f := fixture(t, people)
	real, keys := finished(t, f)
	refused(t, f, "the real record", config(t, f, real), keys, "the ceremony is finished, and its bundles are signed")

	// Cut before a bundle was signed: it has not the head that people know, nor do they
	// sign the one it has.
	short := cut(t, real, transcript.SignatureIntent{}.Type())
	c := config(t, f, short)
	known := headOf(t, real)
	c.Head = &known
	refused(t, f, "a cut record", c, keys, "no line of the record has the head")
	c.Head = nil
	refused(t, f, "a cut record, and no head", c, keys, "only with the head of its record that was last shown")
	c = config(t, f, short)
	refused(t, f, "a cut record, unsigned", c, keys, "0 of the 2 approvals")

	// Others sign: of those in the first line nobody.
	f.NewSSH(t, "mallory")
	sign(t, f, c, "mallory")
	must(t, os.Rename(filepath.Join(short, abandon.Folder, "approvals", "mallory.sig"),
		filepath.Join(short, abandon.Folder, "approvals", "alice.sig")))
	refused(t, f, "signed by others", c, keys, "is by a key of nobody who may approve")

	// A line that says people had agreed.
	said := cut(t, real, transcript.SignatureIntent{}.Type())
	forge(t, c, said)
	refused(t, f, "a line that nobody signed", config(t, f, said), keys, "0 of the 2 approvals")

	// Another first line, with people of one's own: the ids of the real keys do not
	// follow from it.
	_, err := rewritten(t, short, func(l transcript.Line) transcript.Record {
		if o, ok := l.Record.(transcript.Open); ok {
			for i := range o.People {
				o.People[i].Key = sshsig.Line(f.SSH["mallory"].PublicKey())
			}
			return o
		}
		return forgiving(l)
	})
	if err == nil || !strings.Contains(err.Error(), "id does not follow from the first line") {
		t.Errorf("real intents under another first line: %v", err)
	}
	// One's own unfinished ceremony, with the id of the real root for its own key.
	g := fixture(t, ceremonytest.Shape{Cluster: "mallory"})
	own := begun(t, g, made("mallory/etcd"))
	record, _ := lines(t, real)
	var root transcript.KeyIntent
	for _, l := range record.Lines {
		if k, ok := l.Record.(transcript.KeyIntent); ok && k.Name == "root" {
			root = k
		}
	}
	if _, err = rewritten(t, own, func(l transcript.Line) transcript.Record {
		if k, ok := l.Record.(transcript.KeyIntent); ok && k.Name == "etcd" {
			return root
		}
		return forgiving(l)
	}); err == nil || !strings.Contains(err.Error(), "id does not follow from the first line") {
		t.Errorf("a copied intent: %v", err)
	}
}

// forge writes a line by which every key is destroyed, and nobody signed.
func forge(t *testing.T, c abandon.Config, dir string) {
	t.Helper()
	log, found, _, err := transcript.Resume(c.Disk, filepath.Join(dir, history.RecordFile), c.Now)
	must(t, err)
	defer log.Close()
	a := transcript.Abandonment{Head: found.Head(), Reason: "x", By: []string{"a", "b"}, Host: c.Host,
		Approvals: []transcript.Approval{}}
	for _, l := range found.Lines {
		switch r := l.Record.(type) {
		case transcript.KeyIntent:
			a.Keys = append(a.Keys, transcript.AbandonedKey{Name: r.Name, Label: r.Label, ID: r.ID, Token: r.Token})
		case transcript.Key:
			a.Keys[len(a.Keys)-1].SPKI = &r.SPKI
		}
	}
	_, err = log.AppendSync(3, a)
	must(t, err)
}

// TestForgedWithoutSalt: a record that does not tie its keys to its first line, as those
// of earlier programs, can be abandoned, and its keys are kept.
func TestForgedWithoutSalt(t *testing.T) {
	f := fixture(t, ceremonytest.Shape{})
	real, keys := finished(t, f)
	short := cut(t, real, transcript.SignatureIntent{}.Type())
	forged := func() string {
		dir, err := rewritten(t, short, func(l transcript.Line) transcript.Record {
			switch r := l.Record.(type) {
			case transcript.Open:
				r.Host.Name = "mallory's"
				return r
			case transcript.KeyIntent:
				r.Salt = nil
				return r
			}
			return forgiving(l)
		})
		must(t, err)
		return dir
	}
	dir := forged()
	c := config(t, f, dir)
	c.By = []string{"mallory", "trudy"}
	res, err := abandon.Run(context.Background(), c)
	if err != nil || res.Kept != 5 || objects(t, f) != keys {
		t.Errorf("without salt: %+v, %v, %d objects of %d", res, err, objects(t, f), keys)
	}
	abandonedIn(t, dir)
	// So a line that has them destroyed all the same is refused.
	lying := forged()
	forge(t, c, lying)
	refused(
		t,
		f,
		"a line that lies",
		config(t, f, lying),
		keys,
		"would have the kubernetes key destroyed: its id is not tied",
	)
}

// forgiving leaves out what depends on the hashes and results of lines before.
func forgiving(l transcript.Line) transcript.Record {
	if _, ok := l.Record.(transcript.Resumed); ok {
		return nil
	}
	return l.Record
}

// TestOthersName: what another record names is kept, and so is all of a record that
// says that a bundle was about to be signed.
func TestOthersName(t *testing.T) {
	f := fixture(t, people)
	real, keys := finished(t, f)
	whole, err := history.Read(history.Directory(real))
	must(t, err)

	short := cut(t, real, transcript.SignatureIntent{}.Type())
	c := config(t, f, short)
	c.Others = []*history.Record{whole} // the same ceremony, which has gone on
	sign(t, f, c, "alice", "bob")       // though people were deceived
	res, err := abandon.Run(context.Background(), c)
	if err != nil || res.Kept != 5 || res.Destroyed > 0 || objects(t, f) != keys {
		t.Errorf("a longer copy: %+v, %v", res, err)
	}

	late := cut(t, real, transcript.Closed{}.Type())
	c = config(t, f, late)
	sign(t, f, c, "alice", "bob")
	res, err = abandon.Run(context.Background(), c)
	if err != nil || res.Kept != 5 || res.Destroyed > 0 || objects(t, f) != keys {
		t.Errorf("bundles were signed: %+v, %v", res, err)
	}
	abandonedIn(t, late)
}

// TestRefused: what people do not say, and keys and tokens that are not the record's.
func TestRefused(t *testing.T) {
	f := fixture(t, people)
	dir := begun(t, f, made("demo/etcd"))
	keys := objects(t, f)
	c := config(t, f, dir)
	none := c
	none.Reason = " "
	refused(t, f, "no reason", none, keys, "abandoned for a reason")
	sign(t, f, c, "alice")
	refused(t, f, "one of two", c, keys, "1 of the 2 approvals")
	other := c
	other.Reason = "something else"
	refused(t, f, "another reason than was signed", other, keys, "people have signed it")
	sign(t, f, c, "bob")
	no := errors.New("nobody says its name")
	silent := c
	silent.Confirm = func(context.Context, abandon.Seen) error { return no }
	refused(t, f, "a name that nobody says", silent, keys, no.Error())

	wrong := c
	wrong.Open = func(ctx context.Context, ref signer.Ref, ask signer.PINFunc) (signer.Store, error) {
		root, err := f.Config(t, dir).Station.Ref("demo", "root")
		must(t, err)
		return c.Open(ctx, root, ask)
	}
	refused(t, f, "another token", wrong, keys, "the station leads to token root")
	swapped := c
	swapped.Open = func(ctx context.Context, ref signer.Ref, ask signer.PINFunc) (signer.Store, error) {
		s, err := c.Open(ctx, ref, ask)
		return &mortal{Store: &another{s}, event: func() error { return nil }}, err
	}
	refused(t, f, "another key under its id", swapped, keys, "the record says that")
	res, err := abandon.Run(context.Background(), c)
	if err != nil || res.Destroyed != 2 || objects(t, f) != 0 {
		t.Errorf("%+v, %v", res, err)
	}
	var already *ceremony.Refused
	if _, err := abandon.Propose(c); !errors.As(err, &already) {
		t.Error(err)
	}
}

// another is a store that answers with a key of the same id that is not the one.
type another struct{ signer.Store }

func (s *another) Describe() signer.Device { return s.Store.(signer.Describer).Describe() }

func (s *another) FindID(ctx context.Context, ref signer.Ref, _ signer.ID) (signer.Key, error) {
	for _, label := range []string{"demo/kubernetes", "demo/etcd"} {
		if label != ref.Label {
			ref.Label = label
			break
		}
	}
	return s.Store.Find(ctx, ref)
}

// TestNobodyNamed: where the plan names nobody, two people say that they agree, and
// the head is asked for each time.
func TestNobodyNamed(t *testing.T) {
	f := fixture(t, ceremonytest.Shape{})
	dir := begun(t, f, made("demo/etcd"))
	keys := objects(t, f)
	c := config(t, f, dir)
	refused(t, f, "nobody", c, keys, "two people do")
	c.By = []string{"kim", "kim"}
	refused(t, f, "one twice", c, keys, "two people do")
	c.By = []string{"kim", "lee"}
	none := fingerprint.Of([]byte("x"))
	c.Head = &none
	refused(t, f, "another head", c, keys, "no line of the record has the head")
	c = withHead(t, c, dir)
	res, err := abandon.Run(context.Background(), c)
	if err != nil || res.Destroyed != 2 {
		t.Errorf("%+v, %v", res, err)
	}
	abandonedIn(t, dir)
}

// TestRememberedHead: a machine that remembers the head of a record refuses one that was
// cut, whatever head is given with it, and goes on by it where nobody can be asked.
func TestRememberedHead(t *testing.T) {
	f := fixture(t, people)
	real, keys := finished(t, f)
	short := cut(t, real, transcript.SignatureIntent{}.Type())
	memory := t.TempDir()
	record, _ := lines(t, short)
	remember := func(head fingerprint.SHA256) {
		must(t, os.WriteFile(filepath.Join(memory, record.Lines[0].Hash.String()), []byte(head.String()+"\n"), 0o600))
	}
	remember(headOf(t, real))
	c := config(t, f, short)
	c.Memory = memory
	refused(t, f, "a cut record, with its own head", c, keys, "no line of the record has the head")
	remember(headOf(t, short))
	c.Head = nil
	asked := 0
	c.AskHead = func(func(fingerprint.SHA256) bool) (fingerprint.SHA256, error) {
		asked++
		return fingerprint.SHA256{}, ceremony.ErrNobody
	}
	if _, err := abandon.Propose(c); err != nil || asked == 0 {
		t.Errorf("%v, asked %d times", err, asked)
	}
	c.AskHead = func(func(fingerprint.SHA256) bool) (fingerprint.SHA256, error) { return headOf(t, real), nil }
	refused(t, f, "another head, typed", c, keys, "no line of the record has the head")
}
