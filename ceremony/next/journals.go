package next

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/history"
	"officiant/ceremony/online/proof"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
)

// Journal is what an online signer recorded since the last ceremony.
type Journal struct {
	File   File // no Data where it lies below the plan's folder
	Line   int  // the newest of which somebody kept the hash
	Head   fingerprint.SHA256
	Grants []Grant // that were in force, and that no ceremony made
	New    bool    // it does not continue the one that was taken in before
}

// Grant is a grant, and the release key's signature over it.
type Grant struct{ File, Signature File }

// place has a journal lie below the plan's folder, and the grants of the ceremonies
// before; nil: there is none.
func (j *Journal) place(in *inputs, chain Chain) ([]plan.Journal, error) {
	if j == nil {
		return nil, nil
	}
	last := chain.last()
	folder := fmt.Sprintf("journals/%s-%d", last.Open.Cluster, last.Open.Sequence+1)
	out := plan.Journal{Line: j.Line, Head: j.Head, New: j.New}
	var err error
	if out.File, err = in.place(j.File, folder+"/journal.jsonl"); err != nil {
		return nil, err
	}
	for i, g := range j.Grants {
		path := g.File.Below
		if path == "" || g.Signature.Below != path+".sig" {
			path = fmt.Sprintf("%s/grant-%d.json", folder, i+1)
			if err := errors.Join(in.add(path, g.File.Data), in.add(path+".sig", g.Signature.Data)); err != nil {
				return nil, err
			}
		}
		out.Grants = append(out.Grants, path)
	}
	for _, p := range chain.all {
		if !p.plan.Plan.Grant.Given() {
			continue
		}
		path := p.prefix + "/" + schedule.GrantFile
		for _, end := range []string{"", ".sig"} {
			data, err := fs.ReadFile(p.folder, schedule.GrantFile+end)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", p.Dir, err)
			}
			if err := in.add(path+end, data); err != nil {
				return nil, err
			}
		}
		out.Grants = append(out.Grants, path)
	}
	if len(out.Grants) == 0 {
		return nil, &Refused{Err: fmt.Errorf("%s: no ceremony here made a grant, so it is not known what its signer "+
			"was allowed", j.File.Name), Hints: by(GiveGrants)}
	}
	return []plan.Journal{out}, nil
}

// each reads the certificates of a journal that is to be taken in. Whether it proves, the
// plan shows when it is opened.
func (j *Journal) each(in *inputs, take func(*proof.Certificate)) error {
	if j.File.Below == "" {
		return proof.Read(j.File.Name, bytes.NewReader(j.File.Data), proof.Head{}, take)
	}
	f, err := in.desk.Folder.Open(j.File.Below)
	if err != nil {
		return err
	}
	defer f.Close()
	return proof.Read(j.File.Name, f, proof.Head{}, take)
}

// online finds what online signers have signed of what is to be revoked: in the journal
// that this plan takes in, and in those of the ceremonies before. The plan has to name the
// journal again.
func (w *revoking) online(wanted wanted, hit map[string]bool, over *passed) ([]Revoked, error) {
	s := &search{revoking: w, wanted: wanted, hit: hit, over: over, seen: map[history.Serial]bool{}}
	if w.Journal != nil {
		if err := w.Journal.each(w.in, func(c *proof.Certificate) { s.take(c) }); err != nil {
			return nil, err
		}
	}
	for _, p := range w.chain.all {
		for _, j := range p.Open.Journals {
			if j.File == "" {
				continue
			}
			found := false
			if err := p.eachOnline(j, func(c *proof.Certificate) { found = s.take(c) || found }); err != nil {
				return nil, err
			}
			if found {
				w.again = append(w.again, takenBefore{p, j})
			}
		}
	}
	return s.found, s.err
}

// search goes through journals for what is to be revoked.
type search struct {
	*revoking
	wanted wanted
	hit    map[string]bool
	over   *passed
	seen   map[history.Serial]bool // later ceremonies' journals begin as earlier ones'
	found  []Revoked
	err    error
}

// take says whether a certificate is to be revoked.
func (s *search) take(c *proof.Certificate) bool {
	is := schedule.Online(c)
	is.Of = s.chain.last().Record
	typed, bySerial := s.wanted.of(is)
	if typed == "" || s.seen[is.Serial] {
		return false
	}
	s.hit[typed], s.seen[is.Serial] = true, true
	_, revoked := s.chain.Revoked(is.Serial)
	switch {
	case is.NotAfter.Before(s.Now):
		s.over.ended++
		return false
	case revoked:
		s.over.before++
		return false
	}
	is.Signer = s.chain.last().signer(is)
	t, err := s.onlineTarget(is)
	switch {
	case err == nil:
		s.found, s.keys = append(s.found, t), append(s.keys, is.SPKI)
		return true
	case bySerial:
		s.err = errors.Join(s.err, err)
	default:
		s.over.gone++
	}
	return false
}

// onlineTarget is target: the list is by the last plan's authority, if that signed it.
func (w *revoking) onlineTarget(c history.Certificate) (Revoked, error) {
	by := w.chain.last().authority(c.Signer)
	if by == nil || !w.issued(c) {
		return Revoked{}, refuse("%s (%s) was issued by an authority %s that the last plan does not have, so no "+
			"list of it is made here", c.Name, c.Serial, c.Signer)
	}
	return w.target(c)
}

// refuseKeys has the grant refuse the keys of what is revoked.
func (w *revoking) refuseKeys() {
	if w.p.Grant.Given() {
		w.p.Grant = refusing(w.p.Grant, w.keys)
	}
}

// takenBefore is a journal that an earlier ceremony took in.
type takenBefore struct {
	by *Previous
	history.Journal
}

// eachOnline reads the certificates of a journal that the ceremony took in.
func (l *Previous) eachOnline(j history.Journal, take func(*proof.Certificate)) error {
	f, err := l.folder.Open(j.File)
	if err != nil {
		return fmt.Errorf("%s: %w", l.Dir, err)
	}
	defer f.Close()
	return proof.Read(l.Dir+"/"+j.File, f, proof.Head{Seq: j.Line, Hash: j.Head}, take)
}

// journalsAgain names journals of earlier ceremonies again, unless the plan takes in what
// continues them.
func (w *revoking) journalsAgain() error {
	if w.Journal != nil {
		return nil
	}
	named := map[fingerprint.SHA256]bool{}
	for _, j := range w.again {
		if named[j.First] { // the newest ceremony's has all lines of the others
			continue
		}
		named[j.First] = true
		out := plan.Journal{File: j.by.prefix + "/" + j.File, Line: j.Line, Head: j.Head}
		if err := w.in.addFrom(out.File, j.by.folder, j.File, j.by.plan.Sums[j.File]); err != nil {
			return err
		}
		for _, was := range j.by.plan.Plan.Journals {
			if was.File != j.File {
				continue
			}
			for _, file := range was.Grants {
				if err := w.grantAgain(j.by, file); err != nil {
					return err
				}
				out.Grants = append(out.Grants, j.by.prefix+"/"+file)
			}
		}
		w.p.Journals = append(w.p.Journals, out)
	}
	return nil
}

func (w *revoking) grantAgain(p *Previous, file string) error {
	for _, name := range []string{file, file + ".sig"} {
		var data bytes.Buffer
		if err := p.plan.CopyInput(name, &data); err != nil {
			return fmt.Errorf("%s: %w", p.Dir, err)
		}
		if err := w.in.add(p.prefix+"/"+name, data.Bytes()); err != nil {
			return err
		}
	}
	return nil
}
