package abandon

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"officiant/bundle/fingerprint"
	"officiant/ceremony"
	"officiant/ceremony/approval"
	"officiant/ceremony/history"
	"officiant/ceremony/transcript"
)

// Names in a ceremony directory.
const (
	Folder        = "abandonment"
	statementFile = Folder + "/statement.txt"
	approvals     = Folder + "/approvals"
)

// Proposal is a statement, and who agreed to it so far.
type Proposal struct {
	Statement
	People  approval.People
	Verdict *approval.Verdict
	Folder  string // for approvals: NAME.sig
	Decided bool   // it is on record
	files   map[string][]byte
}

// Group is who has to agree.
func (p *Proposal) Group() approval.Group {
	return approval.Group{Whose: "the record's first line", People: p.People}
}

// Propose writes the statement of a ceremony as it is now, or finds it, and counts who
// agreed. The head has to be one that people know, until it is on record. A
// *ceremony.Refused says what cannot be abandoned.
func Propose(c Config) (p *Proposal, err error) {
	unlock, err := ceremony.Lock(c.Dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	t, err := readRecord(c.Dir)
	if err != nil {
		return nil, err
	}
	return c.propose(t)
}

// readRecord reads a record to its last whole line, as a process that goes on does.
func readRecord(dir string) (*transcript.Transcript, error) {
	file := filepath.Join(dir, history.RecordFile)
	data, err := transcript.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return transcript.Read(file, data[:bytes.LastIndexByte(data, '\n')+1])
}

func (c Config) propose(t *transcript.Transcript) (*Proposal, error) {
	if err := c.allowed(t); err != nil {
		return nil, err
	}
	p := &Proposal{Folder: filepath.Join(c.Dir, filepath.FromSlash(approvals))}
	for _, one := range t.Open().People {
		p.People.List = append(p.People.List, approval.Person(one))
	}
	p.People.Threshold = t.Open().Threshold
	var err error
	if l, ok := t.Abandonment(); ok {
		p.Decided = true
		if p.Statement, err = c.decided(t, l); err != nil {
			return nil, err
		}
	} else if p.Statement, err = c.statement(t); err != nil {
		return nil, err
	}
	if p.files, err = approval.ReadFolder(os.DirFS(p.Folder), "."); err != nil {
		return nil, err
	}
	p.Verdict = approval.JudgeAbandonment(p.Digest(), p.files, p.Group())
	return p, nil
}

// decided is the statement that an abandonment on record was agreed to by. What it has
// destroyed has to follow from the lines before it still: whoever holds the directory
// can write a line.
func (c Config) decided(t *transcript.Transcript, l transcript.Line) (Statement, error) {
	r := l.Record.(transcript.Abandonment)
	s := stateOf(t, l.Seq-1, r.Reason, c.Others)
	for _, k := range r.Keys {
		i := slices.IndexFunc(s.Keys, func(o transcript.AbandonedKey) bool { return o.Name == k.Name && o.ID == k.ID })
		if i >= 0 && k.Kept == "" && s.Keys[i].Kept != "" {
			return s, &ceremony.Refused{Reasons: []string{fmt.Sprintf("line %d would have the %s key destroyed: %s", l.Seq,
				k.Name, s.Keys[i].Kept)}}
		}
		if i < 0 || !reflect.DeepEqual(k.SPKI, s.Keys[i].SPKI) || !reflect.DeepEqual(k.Token, s.Keys[i].Token) {
			return s, &ceremony.Refused{Reasons: []string{fmt.Sprintf("line %d names a %s key of id %s, which the record did "+
				"not make so", l.Seq, k.Name, k.ID)}}
		}
	}
	if len(t.Open().People) == 0 { // no signature ties it to the head
		if err := c.knownHead(t); err != nil {
			return s, err
		}
	}
	s.Keys = r.Keys
	return s, nil
}

// statement is that of the record as it is. One that says something else is written
// anew, unless somebody has signed it.
func (c Config) statement(t *transcript.Transcript) (Statement, error) {
	if err := c.knownHead(t); err != nil {
		return Statement{}, err
	}
	file := filepath.Join(c.Dir, filepath.FromSlash(statementFile))
	found, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Statement{}, err
	}
	reason := strings.Join(strings.Fields(c.Reason), " ")
	if reason == "" {
		reason = reasonOf(found)
	}
	if reason == "" {
		return Statement{}, missing(ceremony.AReason, "a ceremony is abandoned for a reason")
	}
	s := stateOf(t, len(t.Lines), reason, c.Others)
	if bytes.Equal(found, s.Text()) {
		return s, nil
	}
	if err := c.Disk.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return s, err
	}
	signed, err := approval.ReadFolder(os.DirFS(c.Dir), approvals)
	if err != nil {
		return s, err
	}
	if len(signed) > 0 {
		return s, &ceremony.Missing{Refused: &ceremony.Refused{Reasons: []string{file + " says something else than the " +
			"record, the reason and the other records now do, and people have signed it"}}, What: ceremony.SameRecords,
			Of: []string{filepath.Dir(file)}}
	}
	return s, c.Disk.Replace(file, s.Text(), 0o644)
}

// reasonOf is the reason in a statement; empty: there is none.
func reasonOf(text []byte) (reason string) {
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "reason "); ok {
			fmt.Sscanf(rest, "%q", &reason)
		}
	}
	return reason
}

// knownHead refuses a record that has no line of the head that people know.
func (c Config) knownHead(t *transcript.Transcript) error {
	remembered, known, err := ceremony.RememberedHead(c.Memory, t.Lines[0].Hash)
	if err != nil {
		return fmt.Errorf("the head that this machine remembers: %w", err)
	}
	if known && !has(t, remembered) {
		return cutOff(remembered)
	}
	if c.Head == nil && c.AskHead != nil {
		head, err := c.AskHead(func(h fingerprint.SHA256) bool { return has(t, h) })
		if err != nil && !errors.Is(err, ceremony.ErrNobody) {
			return err
		}
		if err == nil {
			c.Head = &head
		}
	}
	if c.Head == nil && known { // as a run goes on by it, where there is nobody to type one
		return nil
	}
	if c.Head == nil {
		return missing(ceremony.KnownHead, "a ceremony is abandoned only with the head of its record that was last "+
			"shown, "+
			"and there is nobody to ask for it")
	}
	if has(t, *c.Head) {
		return nil
	}
	return cutOff(*c.Head)
}

// cutOff refuses a record that has no line of a head.
func cutOff(head fingerprint.SHA256) error {
	return &ceremony.Refused{
		Reasons: []string{fmt.Sprintf("no line of the record has the head %s: lines were cut off, "+
			"or it is another record. Nothing is destroyed by it.", head),
			"Keep the directory as it is, and look for a copy whose record has that line."},
	}
}

func has(t *transcript.Transcript, head fingerprint.SHA256) bool {
	return slices.ContainsFunc(t.Lines, func(l transcript.Line) bool { return l.Hash == head })
}

// allowed says what cannot be abandoned.
func (c Config) allowed(t *transcript.Transcript) error {
	switch _, given := t.Abandonment(); {
	case t.Open().Rehearsal:
		return &ceremony.Refused{Reasons: []string{c.Dir + ": a rehearsal, in throw-away tokens: delete the directory"}}
	case t.Closed():
		return &ceremony.Refused{Reasons: []string{c.Dir + ": the ceremony is finished, and its bundles are signed. " +
			"To be rid of what it issued: officiant ceremony revoke, or rollover"}}
	case over(t):
		return &ceremony.Refused{Reasons: []string{c.Dir + ": it is abandoned already, to the end"}}
	case given:
		return nil
	}
	return nil
}

// over says whether nothing is left to do.
func over(t *transcript.Transcript) bool {
	_, ok := t.Lines[len(t.Lines)-1].Record.(transcript.AbandonmentClosed)
	return ok
}

// enough refuses an abandonment that too few agree to.
func (c Config) enough(p *Proposal) ([]transcript.Approval, error) {
	if p.People.Nobody() {
		if named := len(c.By); named < 2 || c.By[0] == c.By[1] {
			return nil, missing(ceremony.TwoPeople, "the plan names nobody who has to agree; two people do")
		}
		return nil, nil
	}
	if !p.Verdict.Enough() {
		return nil, &TooFew{Proposal: p}
	}
	var out []transcript.Approval
	for _, a := range p.Verdict.Approvals {
		out = append(out, transcript.Approval{Person: a.Person, Key: a.Key, Signature: a.Signature})
	}
	return out, nil
}

// TooFew says that too few people have agreed.
type TooFew struct{ *Proposal }

func (e *TooFew) Error() string {
	s := fmt.Sprintf("too few people have agreed to abandon it (statement %s):", e.Digest())
	for _, t := range e.Verdict.Progress {
		s += "\n" + t.String()
	}
	for _, bad := range e.Verdict.Rejected {
		s += "\n" + Folder + "/" + bad.String()
	}
	return s
}

// missing refuses for want of something that people can say.
func missing(what ceremony.Want, why string) error {
	return &ceremony.Missing{Refused: &ceremony.Refused{Reasons: []string{why}}, What: what}
}

func pointer(s fingerprint.SHA256) *fingerprint.SHA256 { return &s }
