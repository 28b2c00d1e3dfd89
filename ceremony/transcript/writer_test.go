package transcript_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
	"officiant/ceremony/transcript"
)

// What cannot have happened is not written, and the transcript goes on after it.
func TestAppendRefuses(t *testing.T) {
	root, leaf := certificate(t, 101, "root"), certificate(t, 102, "cp-1")
	intent := transcript.Intent{Entry: 1, Name: "root", Signer: "root", TBS: root.RawTBSCertificate}
	other := transcript.Intent{Entry: 2, Name: "cp-1/x", Signer: "root", TBS: leaf.RawTBSCertificate}
	listIntent := transcript.CRLIntent{Entry: 3, Name: "crl root", Signer: "root", TBS: list(t, 1).RawTBSRevocationList}
	keyIntent := transcript.KeyIntent{Name: "root", ID: keyID}
	changed := madeKey("root")
	changed.PublicKey = []byte("another")
	changed.SPKI = fingerprint.Of(changed.PublicKey)
	refused := transcript.Preflight{Checks: []transcript.RoomCheck{{Name: "network", Wrong: "eth0 is up", Level: "refuse"}}}
	for name, tt := range map[string]struct {
		before []transcript.Record // lines 2 and on
		rec    transcript.Record
		reason string
	}{
		"a second open":               {nil, open(), "the first line"},
		"a resumed with another head": {nil, transcript.Resumed{}, "head is not"},
		"issued without intent":       {nil, transcript.Issued{Intent: 1, Certificate: root.Raw}, "not an open intent"},
		"issued before its intent":    {nil, transcript.Issued{Intent: 3, Certificate: root.Raw}, "not an open intent"},
		"another certificate":         {[]transcript.Record{intent}, transcript.Issued{Intent: 2, Certificate: leaf.Raw}, "not the one of intent 2"},
		"no certificate":              {[]transcript.Record{intent}, transcript.Issued{Intent: 2, Certificate: []byte("x")}, "certificate of intent 2"},
		"issued twice": {[]transcript.Record{intent, transcript.Issued{Intent: 2, Certificate: root.Raw}},
			transcript.Issued{Intent: 2, Certificate: root.Raw}, "not an open intent"},
		"issued after abandoned": {[]transcript.Record{intent, transcript.Abandoned{Intent: 2}},
			transcript.Issued{Intent: 2, Certificate: root.Raw}, "not an open intent"},
		"a serial again":        {[]transcript.Record{intent, transcript.Abandoned{Intent: 2}}, intent, "serial 65 was used before"},
		"a serial of 21 octets": {nil, transcript.Intent{Entry: 1, Name: "root", TBS: []byte("\x30\x17\x02\x15\x01" + strings.Repeat("s", 20))}, "longer than 20 octets"},
		"an entry again":        {[]transcript.Record{intent}, transcript.Intent{Entry: 1, Name: "root", TBS: leaf.RawTBSCertificate}, "entry 1 is signed"},
		"no entry":              {nil, transcript.Intent{Name: "root", TBS: leaf.RawTBSCertificate}, "no line of a schedule"},
		"a TBS that is none": {nil, transcript.Intent{Entry: 1, Name: "root", TBS: []byte("x")},
			"not a DER TBSCertificate"},
		"abandoned nothing": {nil, transcript.Abandoned{Intent: 1}, "not an open intent"},
		"a signature for a certificate": {[]transcript.Record{intent}, transcript.Signature{Intent: 2},
			"not an open signature-intent"},
		"a challenge without intent": {nil, transcript.Challenge{Intent: 1}, "not an open challenge-intent"},
		"closing with an open intent": {[]transcript.Record{intent}, transcript.IssuingClosed{},
			"1 intents are open"},
		"a wrong count":       {nil, transcript.IssuingClosed{Certificates: 1}, "counts 1"},
		"closing twice":       {[]transcript.Record{transcript.IssuingClosed{}}, transcript.IssuingClosed{}, "closed before"},
		"a node's keys twice": {[]transcript.Record{transcript.NodeKeys{Node: "w"}}, transcript.NodeKeys{Node: "w"}, "a second time"},
		"a node's keys after closing": {[]transcript.Record{transcript.IssuingClosed{}}, transcript.NodeKeys{Node: "w"},
			"after issuing was closed"},
		"issuing after closing": {[]transcript.Record{transcript.IssuingClosed{}}, other,
			"after issuing was closed"},
		"the end with an open intent": {[]transcript.Record{intent}, transcript.Closed{}, "1 intents are open"},
		"after the end":               {[]transcript.Record{transcript.Closed{}}, transcript.Note{}, "is closed"},
		"a key without intent":        {nil, madeKey("root"), "without a key-intent"},
		"another key":                 {[]transcript.Record{keyIntent, madeKey("root")}, changed, "another one than before"},
		"a key that is not its digest": {nil, transcript.Key{Name: "root", PublicKey: []byte("x")},
			"spki is not"},
		"a key intent again":                    {[]transcript.Record{keyIntent}, keyIntent, "one that is open"},
		"an intent for a made key":              {[]transcript.Record{keyIntent, madeKey("root")}, keyIntent, "there is such a key"},
		"a canary id in capitals":               {nil, transcript.CanaryIntent{ID: strings.ToUpper(keyID)}, "16 bytes"},
		"a canary without intent":               {nil, transcript.Canary{Intent: 1}, "not an open canary-intent"},
		"a canary's result for a challenge":     {[]transcript.Record{transcript.ChallengeIntent{Name: "root"}}, transcript.Canary{Intent: 2}, "not an open canary-intent"},
		"closed with an open canary":            {[]transcript.Record{transcript.CanaryIntent{ID: keyID}}, transcript.Closed{}, "1 intents are open"},
		"a key id of other length":              {nil, transcript.KeyIntent{Name: "root", ID: "00"}, "16 bytes"},
		"another key abandoned":                 {[]transcript.Record{keyIntent}, transcript.KeyAbandoned{Name: "root", ID: "00"}, "no open key-intent"},
		"a level of the room that is none":      {nil, transcript.Preflight{Checks: []transcript.RoomCheck{{Name: "swap", Level: "fine"}}}, `level of swap is "fine"`},
		"a key intent in a refused room":        {[]transcript.Record{refused}, keyIntent, "key-intent while the room is refused, and nobody waived it: network"},
		"a token in a refused room":             {[]transcript.Record{refused}, transcript.Token{}, "token while the room is refused"},
		"an intent in a refused room":           {[]transcript.Record{refused, transcript.Note{}}, intent, "intent while the room is refused"},
		"a signature in a refused room":         {[]transcript.Record{refused}, transcript.SignatureIntent{Entry: 3}, "signature-intent while the room is refused"},
		"a canary in a refused room":            {[]transcript.Record{refused}, transcript.CanaryIntent{ID: keyID}, "canary-intent while the room is refused"},
		"a challenge in a refused room":         {[]transcript.Record{refused}, transcript.ChallengeIntent{Name: "root"}, "challenge-intent while the room is refused"},
		"another check waived":                  {[]transcript.Record{refused, transcript.Deviation{By: []string{"kim", "lee"}, Waives: "swap"}}, keyIntent, "nobody waived it: network"},
		"a deviation that does not say so":      {[]transcript.Record{refused, transcript.Deviation{Text: "network", By: []string{"kim", "lee"}}}, keyIntent, "nobody waived it: network"},
		"a waiver of one person":                {[]transcript.Record{refused}, transcript.Deviation{By: []string{"kim", "kim"}, Waives: "network"}, "fewer than two people"},
		"a waiver before the room is looked at": {[]transcript.Record{transcript.Deviation{By: []string{"kim", "lee"}, Waives: "network"}, refused}, keyIntent, "nobody waived it: network"},
		"a deviation of one person":             {nil, transcript.Deviation{Text: "late", By: []string{"kim"}}, "fewer than two people"},
		"attendance of a stranger":              {nil, transcript.Attendance{Present: []string{"kim", "mallory"}}, `"mallory" is not among the people`},
		"attendance twice":                      {nil, transcript.Attendance{Present: []string{"kim", "kim"}}, `"kim" is not among the people of the first line, or not in their order`},
		"attendance of nobody":                  {nil, transcript.Attendance{}, "attendance of nobody"},
		"a list without intent":                 {nil, transcript.CRL{Intent: 1, List: list(t, 1).Raw}, "not an open crl-intent"},
		"another list":                          {[]transcript.Record{listIntent}, transcript.CRL{Intent: 2, List: list(t, 2).Raw}, "not the one of intent 2"},
		"no list":                               {[]transcript.Record{listIntent}, transcript.CRL{Intent: 2, List: []byte("x")}, "list of intent 2"},
		"a certificate for a list":              {[]transcript.Record{listIntent}, transcript.Issued{Intent: 2, Certificate: root.Raw}, "not an open intent"},
		"a list for a certificate":              {[]transcript.Record{intent}, transcript.CRL{Intent: 2, List: list(t, 1).Raw}, "not an open crl-intent"},
		"a list's number again":                 {[]transcript.Record{listIntent, transcript.Abandoned{Intent: 2}}, listIntent, "its number 1 is not above 1"},
		"a list's number of the list before":    {[]transcript.Record{transcript.CRLCarried{Signer: "root", List: list(t, 1).Raw}}, listIntent, "its number 1 is not above 1"},
		"a list of a certificate's bytes":       {nil, transcript.CRLIntent{Entry: 3, TBS: root.RawTBSCertificate}, "not a DER TBSCertList"},
		"a list after closing":                  {[]transcript.Record{transcript.IssuingClosed{}}, listIntent, "after issuing was closed"},
		"closing with an open list":             {[]transcript.Record{listIntent}, transcript.IssuingClosed{}, "1 intents are open"},
		"a list in a refused room":              {[]transcript.Record{refused}, listIntent, "crl-intent while the room is refused"},
		"a carried list twice":                  {[]transcript.Record{transcript.CRLCarried{Signer: "root", List: list(t, 1).Raw}}, transcript.CRLCarried{Signer: "root", List: list(t, 2).Raw}, "a list of it already"},
		"a carried list after closing":          {[]transcript.Record{transcript.IssuingClosed{}}, transcript.CRLCarried{Signer: "root", List: list(t, 2).Raw}, "after issuing was closed"},
		"a carried list that is none":           {nil, transcript.CRLCarried{Signer: "root", List: root.Raw}, "crl-carried of root"},
		"text that is not UTF-8":                {nil, transcript.Note{Text: "\xff"}, "not UTF-8"},
	} {
		path := write(t, nil)
		w, _, _, err := transcript.Resume(&durable.Disk{}, path, clock())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range tt.before {
			if _, err := w.Append(1, r); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		head := w.Head()
		_, err = w.Append(1, tt.rec)
		if err == nil || !strings.Contains(err.Error(), tt.reason) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, expected %q", name, err, tt.reason)
		}
		if err := w.Sync(); err != nil || w.Head() != head {
			t.Errorf("%s: left a trace: %v", name, err)
		}
		if _, err := transcript.Read(path, contents(t, path)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRoomMadeRight: what nothing follows is followed again by what a room that
// is right, or waived, allows.
func TestRoomMadeRight(t *testing.T) {
	room := func(wrong, level string) transcript.Preflight {
		return transcript.Preflight{Checks: []transcript.RoomCheck{{Name: "network", Wrong: wrong, Level: level}}}
	}
	for name, before := range map[string][]transcript.Record{
		"found right":    {room("eth0 is up", "refuse"), room("", "refuse")},
		"no policy":      {room("eth0 is up", "record")},
		"only a warning": {room("eth0 is up", "warn")},
		"waived":         {room("eth0 is up", "refuse"), transcript.Deviation{By: []string{"kim", "lee"}, Waives: "network"}},
	} {
		path := write(t, nil)
		w, _, _, err := transcript.Resume(&durable.Disk{}, path, clock())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Append(1, append(before, transcript.KeyIntent{Name: "root", ID: keyID})...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		w.Close()
	}
}

func TestStepRange(t *testing.T) {
	path := write(t, nil)
	w, _, _, err := transcript.Resume(&durable.Disk{}, path, clock())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Append(10, transcript.Note{}); err == nil {
		t.Error("step 10 of 9 was taken")
	}
	// By reference is as good as by value.
	if seq, err := w.Append(9, &transcript.Note{Text: "x"}); err != nil || seq != 2 {
		t.Error(seq, err)
	}
}

func TestCreateNeverOverwrites(t *testing.T) {
	path := write(t, nil)
	before := contents(t, path)
	if _, err := transcript.Create(&durable.Disk{}, path, clock(), open()); !errors.Is(err, fs.ErrExist) {
		t.Errorf("error is %v", err)
	}
	if !bytes.Equal(before, contents(t, path)) {
		t.Error("the file changed")
	}
}

// Stopped at any operation of Create, there is a first line or no file.
func TestCreateWholeOrNot(t *testing.T) {
	stop := errors.New("stopped")
	for at := 1; ; at++ {
		path := filepath.Join(t.TempDir(), "t.jsonl")
		n := 0
		d := &durable.Disk{Gate: func(durable.Op, string) error {
			if n++; n >= at {
				return stop
			}
			return nil
		}}
		_, err := transcript.Create(d, path, clock(), open())
		data, readErr := os.ReadFile(path)
		if readErr == nil {
			if _, err := transcript.Read(path, data); err != nil {
				t.Errorf("stopped at operation %d: %v", at, err)
			}
		} else if err == nil || !errors.Is(readErr, fs.ErrNotExist) {
			t.Errorf("stopped at operation %d: %v, %v", at, err, readErr)
		}
		if err == nil {
			return
		}
	}
}

func TestResumeCutsTheUnterminatedLine(t *testing.T) {
	path := write(t, whole(t)[:9])
	data := contents(t, path)
	all := lines(data)
	start := len(data) - len(all[len(all)-2]) // of the last line
	for _, size := range []int{len(data) - 1, start + 1, start} {
		if err := os.WriteFile(path, data[:size], 0o644); err != nil {
			t.Fatal(err)
		}
		w, tr, found, err := transcript.Resume(&durable.Disk{}, path, late)
		if err != nil {
			t.Fatal(err)
		}
		if tail := data[start:size]; found.Size != len(tail) || (found.Cut != nil) != (len(tail) > 0) ||
			found.Cut != nil && *found.Cut != fingerprint.Of(tail) {
			t.Errorf("%d bytes: recovered %+v", size, found)
		}
		if tr.Head() != w.Head() || len(tr.Lines) != len(all)-2 {
			t.Errorf("%d bytes: %d lines", size, len(tr.Lines))
		}
		seq, err := w.AppendSync(3, transcript.Resumed{Head: tr.Head(), Cut: found.Cut})
		if err != nil || seq != len(all)-1 {
			t.Errorf("%d bytes: line %d, %v", size, seq, err)
		}
		if _, err := transcript.Read(path, contents(t, path)); err != nil {
			t.Error(err)
		}
	}
}

func late() time.Time { return start.Add(time.Hour) }

// A torn write of a group leaves whole lines and then part of one.
func TestTornGroup(t *testing.T) {
	var torn bool
	d := &durable.Disk{Gate: func(op durable.Op, _ string) error {
		if torn { // and the power is gone
			return durable.ErrTorn
		}
		return nil
	}}
	path := filepath.Join(t.TempDir(), "t.jsonl")
	w, err := transcript.Create(d, path, clock(), open())
	if err != nil {
		t.Fatal(err)
	}
	var notes []transcript.Record
	for range 5 {
		notes = append(notes, transcript.Note{Text: "one of five"})
	}
	torn = true
	if _, err := w.AppendSync(1, notes...); !errors.Is(err, durable.ErrTorn) {
		t.Fatalf("error is %v", err)
	}
	torn = false
	if _, err := w.AppendSync(1, transcript.Note{Text: "after"}); !errors.Is(err, durable.ErrTorn) {
		t.Errorf("the writer went on after a failed write: %v", err)
	}
	w2, tr, found, err := transcript.Resume(d, path, late)
	if err != nil {
		t.Fatal(err)
	}
	if len(tr.Lines) != 3 || found.Cut == nil { // the first, two notes, half of the third
		t.Errorf("%d lines, %+v", len(tr.Lines), found)
	}
	if _, err := w2.AppendSync(1, transcript.Resumed{Head: tr.Head(), Cut: found.Cut}); err != nil {
		t.Error(err)
	}
}

// TestGroupOnAFullDisk: the record goes on from the head that people were shown.
func TestGroupOnAFullDisk(t *testing.T) {
	var full bool
	d := &durable.Disk{Gate: func(op durable.Op, _ string) error {
		if full && op == durable.OpWrite {
			return durable.ErrTorn
		}
		return nil
	}}
	path := filepath.Join(t.TempDir(), "t.jsonl")
	w, err := transcript.Create(d, path, clock(), open())
	if err != nil {
		t.Fatal(err)
	}
	shown := w.Head()
	full = true
	notes := []transcript.Record{transcript.Note{Text: "a"}, transcript.Note{Text: "b"}, transcript.Note{Text: "c"}}
	if _, err := w.AppendSync(1, notes...); !errors.Is(err, durable.ErrTorn) {
		t.Fatal(err)
	}
	_, tr, found, err := transcript.Resume(&durable.Disk{}, path, late)
	if err != nil {
		t.Fatal(err)
	}
	if tr.Head() != shown || found.Cut != nil {
		t.Errorf("%d lines, %+v", len(tr.Lines), found)
	}
}

// The disk is written and synced once for a group.
func TestOneSyncForAGroup(t *testing.T) {
	ops := map[durable.Op]int{}
	d := &durable.Disk{}
	path := filepath.Join(t.TempDir(), "t.jsonl")
	w, err := transcript.Create(d, path, clock(), open())
	if err != nil {
		t.Fatal(err)
	}
	d.Gate = func(op durable.Op, _ string) error { ops[op]++; return nil }
	for range 100 {
		if _, err := w.Append(1, transcript.Note{Text: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	if len(ops) > 0 {
		t.Errorf("Append touched the disk: %v", ops)
	}
	if err := errors.Join(w.Sync(), w.Sync()); err != nil {
		t.Fatal(err)
	}
	if len(ops) != 2 || ops[durable.OpWrite] != 1 || ops[durable.OpSync] != 1 {
		t.Errorf("operations: %v", ops)
	}
}

func TestClockGoesBack(t *testing.T) {
	path := write(t, nil)
	longAgo := func() time.Time { return start.Add(-48 * time.Hour) }
	if _, _, _, err := transcript.Resume(&durable.Disk{}, path, longAgo); !errors.Is(err, transcript.ErrClock) ||
		!strings.Contains(err.Error(), "it says 2026-11-21T12:00:00.000Z") {
		t.Errorf("error is %v", err)
	}
	w, tr, _, err := transcript.Resume(&durable.Disk{}, path, func() time.Time { return start.Add(-25 * time.Hour) })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.AppendSync(1, transcript.Resumed{Head: tr.Head()}); err != nil {
		t.Fatal(err)
	}
	tr, err = transcript.Read(path, contents(t, path))
	if err != nil {
		t.Fatal(err)
	}
	if !tr.Lines[1].Time.Equal(tr.Lines[0].Time) {
		t.Errorf("times: %v, %v", tr.Lines[0].Time, tr.Lines[1].Time)
	}
}

func TestResumeRefuses(t *testing.T) {
	path := write(t, whole(t))
	data := contents(t, path)
	w, tr, _, err := transcript.Resume(&durable.Disk{}, path, late)
	if err != nil || !tr.Closed() {
		t.Fatal(err)
	}
	if _, err := w.Append(8, transcript.Note{}); err == nil {
		t.Error("a closed transcript was added to")
	}
	for name, bad := range map[string][]byte{
		"text after the end": append(bytes.Clone(data), "x"...),
		"empty":              nil,
		"a torn first line":  data[:20],
		"a changed line":     bytes.Replace(data, []byte("lunch"), []byte("lynch"), 1),
	} {
		if err := os.WriteFile(path, bad, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := transcript.Resume(&durable.Disk{}, path, late); !errors.As(err, new(*transcript.Broken)) {
			t.Errorf("%s: %v", name, err)
		}
		if !bytes.Equal(bad, contents(t, path)) {
			t.Errorf("%s: the file changed", name)
		}
	}
}

// TestResumeSyncs: a process that was killed before its sync left lines that can
// be read. Whoever acts on them, on a closed line above all, needs them on disk.
func TestResumeSyncs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "transcript.jsonl")
	killed := errors.New("killed")
	d := &durable.Disk{}
	w, err := transcript.Create(d, path, time.Now, open())
	if err != nil {
		t.Fatal(err)
	}
	d.Gate = func(op durable.Op, _ string) error {
		if op == "sync" || op == "truncate" {
			return killed
		}
		return nil
	}
	if _, err := w.AppendSync(0, transcript.Closed{}); !errors.Is(err, killed) {
		t.Fatal(err)
	}
	var ops []string
	d.Gate = func(op durable.Op, path string) error {
		ops = append(ops, string(op)+" "+filepath.Base(path))
		return nil
	}
	_, found, _, err := transcript.Resume(d, path, time.Now)
	if err != nil || !found.Closed() {
		t.Fatal(err)
	}
	if want := []string{"sync transcript.jsonl", "syncdir " + filepath.Base(filepath.Dir(path))}; !slices.Equal(ops, want) {
		t.Errorf("did %q, want %q", ops, want)
	}
}
