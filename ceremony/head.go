package ceremony

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/phrase"
	"officiant/ceremony/transcript"
)

// Heads is how a resumed ceremony learns the record's head that people
// have: whoever holds the directory between two processes could cut lines off it.
type Heads struct {
	// Given are heads that people wrote down: one that was shown, and, when the
	// record has gone on since, the one it has now, by which they agree to that.
	Given []fingerprint.SHA256
	// File holds the head on another file system. It is written each time lines are
	// on disk, before anything they announce is signed; "" for none.
	File string
	// Memory is a folder of this machine in which the head of each record is kept, to
	// be compared when it goes on, and to be enough where there is nobody to ask; ""
	// for none.
	Memory string
	// Continued is a folder of this machine in which is kept which ceremonies were
	// continued on it, so that none is continued twice; "" for none.
	Continued string
	// Ask asks people for the head that was shown last, and may ask again when the
	// record has no line of it; ErrNobody when there is nobody.
	Ask func(ctx context.Context, has func(fingerprint.SHA256) bool) (fingerprint.SHA256, error)
	// Agree shows people what was signed since, and is an error when they do not agree.
	Agree func(ctx context.Context, since []string) error
}

// Stopped says where the record of a ceremony that ended early stands.
type Stopped struct {
	Head  fingerprint.SHA256 // of what is on disk
	cause error
}

func (e *Stopped) Error() string { return e.cause.Error() }
func (e *Stopped) Unwrap() error { return e.cause }

// compareHead refuses a record that does not have the head that people know. A
// closed record whose signature is there has nothing left to sign, and a rehearsal
// nothing to lose.
func (r *run) compareHead(ctx context.Context, lines *lines) error {
	if r.rehearsal {
		return nil
	}
	if l := lines.abandonment; l != nil {
		return &Refused{[]string{fmt.Sprintf("%s: people abandoned this ceremony at %s: %s. It cannot continue; "+
			"the plan can "+
			"start again in another directory", r.dir.path, l.Time.Format(time.RFC3339),
			l.Record.(transcript.Abandonment).Reason)}}
	}
	r.memory.of(lines.all[0].hash) // the first line was read: there is no record without
	if _, err := os.Stat(r.dir.file(signatureFile)); err == nil && lines.closed {
		return nil
	}
	remembered, inMemory, err := r.remembered(lines)
	if err != nil {
		return err
	}
	known, written, err := r.knownHead(ctx, lines)
	if errors.Is(err, ErrNobody) {
		if !inMemory {
			return &Missing{&Refused{[]string{"a ceremony continues only with the head of its record that was last " +
				"shown; this machine remembers none, and there is nobody to ask for it"}}, TheHead, nil}
		}
		r.observer.Say("this machine remembers the head of the record")
		known, written, err = remembered, true, nil
	}
	if err != nil {
		return err
	}
	if i := lines.of(known); i >= 0 {
		return r.goneOn(ctx, lines.all[i:], written)
	}
	return cutOff(known)
}

// cutOff refuses a record that lacks a head, and tells more of it.
func cutOff(head fingerprint.SHA256, more ...string) error {
	return &Refused{append(append([]string{
		fmt.Sprintf("no line of the record has the head %s: lines were cut off, or it is another record. "+
			"Nothing is signed with it.", head),
	}, more...), "Keep the directory as it is, and look for a copy whose record has that line.")}
}

// knownHead is the head that people gave, that the file holds, or that they are asked
// for; ErrNobody when there is none of these.
func (r *run) knownHead(ctx context.Context, lines *lines) (head fingerprint.SHA256, written bool,
	err error) {
	if len(r.Heads.Given) > 0 {
		return r.Heads.Given[0], false, nil
	}
	if r.Heads.File != "" {
		head, err := ReadHead(r.Heads.File)
		return head, true, err
	}
	if r.Heads.Ask == nil {
		return head, false, ErrNobody
	}
	head, err = r.Heads.Ask(ctx, func(head fingerprint.SHA256) bool { return lines.of(head) >= 0 })
	return head, false, err
}

// goneOn has people agree to what a record says beyond the head they know. lines
// begins with that head's. One that the process itself had written before it signed
// anything more needs no agreement to the results of what it had announced.
func (r *run) goneOn(ctx context.Context, lines []line, written bool) error {
	since := signedIn(lines[1:])
	last := lines[len(lines)-1]
	switch given := r.Heads.Given; {
	case len(since) == 0, written && announced(lines):
		return nil
	case len(given) > 1 && given[1] == last.hash:
		return nil
	case len(given) == 0 && r.Heads.Agree != nil:
		return r.Heads.Agree(ctx, since)
	}
	return &Missing{&Refused{append([]string{"the record has grown since that head was shown; it says that this " +
		"was signed since:"}, since...)}, BothHeads, []string{lines[0].hash.String(), last.hash.String()}}
}

// announced says whether all that was signed in the lines after the first was
// announced in it or before: then they were written by the process that wrote the
// file, which puts each head there before anything more is signed.
func announced(lines []line) bool {
	for _, l := range lines[1:] {
		if l.intent > lines[0].seq {
			return false
		}
	}
	return true
}

// signedIn says in words what lines say was signed, or was about to be.
func signedIn(lines []line) []string {
	var out []string
	names := map[int]string{}
	for _, l := range lines {
		what := ""
		switch l.does {
		case announces:
			names[l.seq] = l.name
		case makesKey:
			what = "the " + l.name + " key was to be made"
		case signs:
			what = "signed: " + names[l.intent]
			if names[l.intent] == "" {
				what = fmt.Sprintf("signed: what line %d announced", l.intent)
			}
			delete(names, l.intent)
		}
		if what != "" {
			out = append(out, fmt.Sprintf("line %d: %s", l.seq, what))
		}
	}
	if n := len(names); n > 0 {
		out = append(out, fmt.Sprintf("%s announced and without a result", phrase.Count(n, "signature")))
	}
	return out
}

// ReadHead reads the head that a run left in its --head-file.
func ReadHead(file string) (head fingerprint.SHA256, err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return head, err
	}
	first, _, _ := strings.Cut(string(data), "\n")
	if head, err = fingerprint.Parse(first); err != nil {
		return head, fmt.Errorf("%s holds no head of a record: %w", file, err)
	}
	return head, nil
}

// onDisk is called each time lines of the record are on disk.
func (r *run) onDisk(head fingerprint.SHA256) error {
	if err := r.dir.here(); err != nil {
		return err
	}
	r.remember(head)
	if r.Heads.File == "" {
		return nil
	}
	return r.dir.disk.Replace(r.Heads.File, headText(head), 0o644)
}

// headText is a file that holds a head, in hex and in words.
func headText(head fingerprint.SHA256) []byte {
	return []byte(head.String() + "\n\n" + strings.Join(head.Lines(), "\n") + "\n")
}

// headFile refuses a file for the head that goes where the directory goes.
func (r *run) headFile(begun bool) error {
	if r.Heads.File == "" {
		return nil
	}
	parent := strings.TrimSuffix(r.Heads.File, "/")
	parent = parent[:strings.LastIndexByte(parent, '/')+1] + "."
	there, err := os.Stat(parent)
	if err != nil {
		return fmt.Errorf("the file for the head: %w", err)
	}
	if sameDevice(there, r.dir.taken) {
		return &Missing{&Refused{[]string{r.Heads.File +
			" is on the file system of the ceremony directory: whoever holds the one holds the other"}}, AnotherPlace, nil}
	}
	if _, err := os.Stat(r.Heads.File); err == nil && !begun {
		return &Refused{[]string{r.Heads.File + " holds the head of another ceremony: take a new file"}}
	}
	return nil
}

func sameDevice(a, b os.FileInfo) bool {
	x, ok := a.Sys().(*syscall.Stat_t)
	y, also := b.Sys().(*syscall.Stat_t)
	return ok && also && x.Dev == y.Dev
}
