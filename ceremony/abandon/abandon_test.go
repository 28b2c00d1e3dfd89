package abandon_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
	"officiant/bundle/sshsig"
	"officiant/ceremony"
	"officiant/ceremony/abandon"
	"officiant/ceremony/approval"
	"officiant/ceremony/audit"
	"officiant/ceremony/ceremonytest"
	"officiant/ceremony/history"
	"officiant/ceremony/transcript"
	"officiant/signer"
)

var errKilled = errors.New("killed")

// people are those of every fixture here.
var people = ceremonytest.Shape{People: []string{"alice officer", "bob officer", "eve witness"}, Approvals: 2}

// begun is a ceremony of which so many lines of the record were written before it was
// killed: by then it has made keys.
func begun(t *testing.T, f *ceremonytest.Fixture, until func(what string) bool) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "ceremony")
	cfg := f.Config(t, dir)
	dead := false
	gate := func(op durable.Op, path string) error {
		if dead {
			return errKilled
		}
		return nil
	}
	open := cfg.Open
	cfg.Disk = &durable.Disk{Gate: gate}
	cfg.Open = func(ctx context.Context, ref signer.Ref, ask signer.PINFunc) (signer.Store, error) {
		s, err := open(ctx, ref, ask)
		if err != nil {
			return nil, err
		}
		return &dying{Store: s, until: until, dead: &dead}, nil
	}
	if _, err := ceremony.Run(context.Background(), cfg); err == nil {
		t.Fatal("the ceremony finished")
	}
	return dir
}

// dying is a store whose process dies once a key is made of which until says so.
type dying struct {
	signer.Store
	until func(string) bool
	dead  *bool
}

func (s *dying) Describe() signer.Device { return s.Store.(signer.Describer).Describe() }

func (s *dying) Probe(ctx context.Context, ref signer.Ref, spec signer.Spec, id signer.ID,
	use func(context.Context, signer.Key) error) (signer.Canary, error) {
	return s.Store.(signer.Prober).Probe(ctx, ref, spec, id, use)
}

func (s *dying) Create(ctx context.Context, ref signer.Ref, spec signer.Spec, id signer.ID) (signer.Key, error) {
	k, err := s.Store.Create(ctx, ref, spec, id)
	if err == nil && s.until(ref.Label) {
		*s.dead = true
		return nil, errKilled
	}
	return k, err
}

func made(label string) func(string) bool { return func(l string) bool { return l == label } }

// config is an abandonment of what dir holds, by people who know its head.
func config(t *testing.T, f *ceremonytest.Fixture, dir string) abandon.Config {
	t.Helper()
	run := f.Config(t, dir)
	head := headOf(t, dir)
	return abandon.Config{
		Dir: dir, Reason: "the station was wrong", Head: &head, Station: run.Station, Open: run.Open, Ask: run.Ask,
		Confirm: func(context.Context, abandon.Seen) error { return nil }, Disk: &durable.Disk{}, Now: time.Now,
		Program: run.Program, Host: run.Host, Say: func(string) {},
	}
}

func headOf(t *testing.T, dir string) fingerprint.SHA256 {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, history.RecordFile))
	must(t, err)
	data = data[:bytes.LastIndexByte(data, '\n')+1]
	return fingerprint.Of(data[bytes.LastIndexByte(data[:len(data)-1], '\n')+1:])
}

// sign has people agree to what is proposed.
func sign(t *testing.T, f *ceremonytest.Fixture, c abandon.Config, people ...string) *abandon.Proposal {
	t.Helper()
	p, err := abandon.Propose(c)
	must(t, err)
	must(t, os.MkdirAll(p.Folder, 0o755))
	for _, name := range people {
		sig, err := sshsig.Sign(rand.Reader, f.SSH[name], approval.AbandonNamespace, approval.AbandonMessage(p.Digest()))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(p.Folder, name+".sig"), sig, 0o644))
	}
	return p
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func fixture(t *testing.T, s ceremonytest.Shape) *ceremonytest.Fixture {
	t.Helper()
	f := ceremonytest.New(t, s)
	if len(s.People) > 0 {
		f.Approve(t, "alice", "bob")
	}
	return f
}

// objects counts the objects in the fixture's tokens: two halves a key.
func objects(t *testing.T, f *ceremonytest.Fixture) (n int) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(f.Room, "tokens", "*", "*.object"))
	must(t, err)
	for _, file := range files {
		if filepath.Base(file) != "token.object" {
			n++
		}
	}
	return n
}

// TestAbandon destroys what a ceremony made and nothing else, and the plan begins anew
// in another directory.
func TestAbandon(t *testing.T) {
	f := fixture(t, people)
	dir := begun(t, f, made("demo/front-proxy"))
	if n := objects(t, f); n != 6 {
		t.Fatalf("%d objects", n)
	}
	c := config(t, f, dir)
	sign(t, f, c, "alice", "bob")
	var seen []string
	c.Confirm = func(_ context.Context, k abandon.Seen) error {
		known := "on record"
		if k.SPKI == nil {
			known = "on no record"
		}
		seen = append(seen, k.Name+" "+known)
		return nil
	}
	res, err := abandon.Run(context.Background(), c)
	must(t, err)
	if res.Destroyed != 3 || res.Kept+res.Absent+res.Scheduled != 0 {
		t.Errorf("%+v", res)
	}
	if got := strings.Join(seen, ", "); got != "kubernetes on record, etcd on record, front-proxy on no record" {
		t.Errorf("people saw %s", got)
	}
	if n := objects(t, f); n != 0 {
		t.Errorf("%d objects are left", n)
	}
	if _, err := ceremony.Run(context.Background(), f.Config(t, dir)); err == nil ||
		!strings.Contains(err.Error(), "people abandoned this ceremony") {
		t.Errorf("run goes on with it: %v", err)
	}
	if _, err := abandon.Run(context.Background(), c); err == nil || !strings.Contains(err.Error(), "abandoned already") {
		t.Errorf("again: %v", err)
	}
	abandonedIn(t, dir)
	inFolder(t, dir, anew(t, f, filepath.Join(filepath.Dir(dir), "anew")))
}

// anew carries the same plan out in another directory; its last step is the audit.
func anew(t *testing.T, f *ceremonytest.Fixture, dir string) string {
	t.Helper()
	_, err := ceremony.Run(context.Background(), f.Config(t, dir))
	must(t, err)
	return dir
}

// inFolder wants the chain to go on with what was made anew, and the abandoned ceremony
// beside it to be known.
func inFolder(t *testing.T, abandoned, anew string) {
	t.Helper()
	archive, err := history.Find(filepath.Dir(anew))
	must(t, err)
	chain, err := archive.History("demo")
	must(t, err)
	if len(chain.Records()) != 1 || chain.Last().Head != headOf(t, anew) || chain.Sequence() != 1 {
		t.Errorf("the chain has %d records", len(chain.Records()))
	}
	if len(chain.Abandoned()) != 1 || chain.Abandoned()[0].Head != headOf(t, abandoned) {
		t.Errorf("%d are known as abandoned", len(chain.Abandoned()))
	}
	before, err := archive.Before(anew)
	if err != nil || len(before) > 0 {
		t.Errorf("before the one made anew come %v, %v", before, err)
	}
}

// abandonedIn wants an audit to say that what lies in dir was abandoned.
func abandonedIn(t *testing.T, dir string) {
	t.Helper()
	report, err := audit.Verify(dir, audit.Options{})
	must(t, err)
	if v := report.Verdict(); v != audit.Abandoned {
		t.Errorf("verdict %q: %q", v, report.Findings())
	}
}

// TestWrongPIN: wrong PINs are on record here as well, those of the ceremony counted in,
// and told before the next.
func TestWrongPIN(t *testing.T) {
	f := fixture(t, people)
	f.Asking(t)
	dir := begun(t, f, made("demo/etcd"))
	c := config(t, f, dir)
	sign(t, f, c, "alice", "bob")
	right := c.Ask
	var said, told []string
	c.Say = func(line string) { said = append(said, line) }
	for n := range 2 {
		c.Ask = func(_ context.Context, d signer.Device) ([]byte, error) {
			told = append(told, fmt.Sprint(d.PINRecorded))
			return []byte("4321"), nil
		}
		if _, err := abandon.Run(t.Context(), c); !errors.Is(err, signer.ErrPIN) {
			t.Fatalf("try %d: %v", n+1, err)
		}
	}
	c.Ask = right
	_, err := abandon.Run(t.Context(), c)
	must(t, err)
	if got := strings.Join(told, " "); got != "0 1" {
		t.Errorf("told of %s", got)
	}
	if !strings.Contains(strings.Join(said, "\n"), "2 wrong PINs are on record of token ") {
		t.Errorf("said %q", said)
	}
	record, _ := lines(t, dir)
	types := ""
	for _, l := range record.Lines {
		types += " " + string(l.Record.Type())
	}
	if !strings.Contains(types, " abandonment pin-refused resumed pin-refused resumed token destroy-intent ") {
		t.Errorf("the record is%s", types)
	}
	abandonedIn(t, dir)
}

// TestKilled kills an abandonment at every instant, and has the same command finish it.
func TestKilled(t *testing.T) {
	shape := people
	count := 0
	for at := 0; at == 0 || at <= count; at++ {
		f := fixture(t, shape)
		dir := begun(t, f, made("demo/etcd"))
		c := config(t, f, dir)
		sign(t, f, c, "alice", "bob")
		n := 0
		event := func() error {
			if n++; at > 0 && n >= at {
				return errKilled
			}
			return nil
		}
		k := c
		k.Disk = &durable.Disk{Gate: func(op durable.Op, _ string) error {
			if err := event(); err != nil && op == "write" && n == at {
				return durable.ErrTorn
			} else {
				return err
			}
		}}
		k.Open = func(ctx context.Context, ref signer.Ref, ask signer.PINFunc) (signer.Store, error) {
			s, err := c.Open(ctx, ref, ask)
			if err != nil {
				return nil, err
			}
			return &mortal{Store: s, event: event}, nil
		}
		_, err := abandon.Run(context.Background(), k)
		if at == 0 {
			must(t, err)
			count = n
			t.Logf("%d instants", count)
		} else {
			if err == nil {
				t.Fatalf("killed at %d of %d: it finished", at, count)
			}
			c.Head = nil // what is decided needs none
			if _, err := abandon.Run(context.Background(), withHead(t, c, dir)); err != nil &&
				!strings.Contains(err.Error(), "abandoned already") {
				t.Fatalf("killed at %d of %d, then: %v", at, count, err)
			}
		}
		if n := objects(t, f); n != 0 {
			t.Fatalf("killed at %d of %d: %d objects are left", at, count, n)
		}
		if at%5 == 0 {
			abandonedIn(t, dir)
		}
	}
}

// withHead gives the head where the abandonment is not on record yet.
func withHead(t *testing.T, c abandon.Config, dir string) abandon.Config {
	head := headOf(t, dir)
	c.Head = &head
	return c
}

// mortal is a store whose process dies at an event: before it destroys a key, or after.
type mortal struct {
	signer.Store
	event func() error
}

func (s *mortal) Describe() signer.Device { return s.Store.(signer.Describer).Describe() }

func (s *mortal) FindID(ctx context.Context, ref signer.Ref, id signer.ID) (signer.Key, error) {
	if err := s.event(); err != nil {
		return nil, err
	}
	return s.Store.(signer.IDFinder).FindID(ctx, ref, id)
}

func (s *mortal) Destroy(ctx context.Context, ref signer.Ref, id signer.ID, spki [32]byte) (time.Time, error) {
	if err := s.event(); err != nil {
		return time.Time{}, err
	}
	gone, err := s.Store.(signer.Destroyer).Destroy(ctx, ref, id, spki)
	if e := s.event(); e != nil {
		return time.Time{}, e
	}
	return gone, err
}

// rewritten is a record whose lines were changed, and chained anew.
func rewritten(t *testing.T, dir string, change func(l transcript.Line) transcript.Record) (other string, err error) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, history.RecordFile))
	must(t, err)
	data = data[:bytes.LastIndexByte(data, '\n')+1]
	record, err := transcript.Read("record", data)
	must(t, err)
	other = filepath.Join(t.TempDir(), "forged")
	must(t, os.CopyFS(other, os.DirFS(dir)))
	must(t, os.Remove(filepath.Join(other, history.RecordFile)))
	at := time.Now()
	first := change(record.Lines[0]).(transcript.Open)
	log, err := transcript.Create(
		&durable.Disk{},
		filepath.Join(other, history.RecordFile),
		func() time.Time { return at },
		first,
	)
	must(t, err)
	defer log.Close()
	for _, l := range record.Lines[1:] {
		r := change(l)
		if r == nil {
			continue
		}
		if _, err := log.AppendSync(l.Step, r); err != nil {
			return other, err
		}
	}
	return other, nil
}
