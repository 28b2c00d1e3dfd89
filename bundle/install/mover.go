package install

import (
	"errors"
	"fmt"
	"io/fs"

	"officiant/bundle/durable"
	"officiant/bundle/tree"
)

// mover moves single files, each step so that it can be repeated and undone.
type mover struct {
	below
	disk *durable.Disk // the node's, on which nothing outside of the root is reached
}

// move puts a staged file in its place; what was there takes the staged one's name.
func (v mover) move(m move) error {
	staged, err := v.read(m.Staged)
	if err != nil {
		return err
	}
	now, err := v.read(m.Path)
	if err != nil {
		return err
	}
	switch {
	case m.is(now):
		return nil // an earlier run has moved it
	case !m.is(staged):
		return fmt.Errorf("%s: the file staged for it (%s) is gone", v.at(m.Path), m.Staged)
	case now == nil:
		return v.disk.Rename(v.at(m.Staged), v.at(m.Path))
	}
	return v.swap(m)
}

func (v mover) moveBack(m move) error {
	now, err := v.read(m.Path)
	if err != nil || !m.is(now) {
		return err
	}
	staged, err := v.read(m.Staged)
	switch {
	case err != nil:
		return err
	case staged == nil:
		return v.disk.Rename(v.at(m.Path), v.at(m.Staged))
	case m.is(staged):
		return nil // it was never moved: it is the same as before
	}
	return v.swap(m)
}

// swap exchanges a staged file with what is in its place. Where the file system
// cannot, the one in place gets a second name first, and at no moment none.
func (v mover) swap(m move) error {
	err := v.disk.Exchange(v.at(m.Staged), v.at(m.Path))
	if !errors.Is(err, tree.ErrNoExchange) {
		return err
	}
	now, err := v.read(m.Path)
	if err != nil || now == nil {
		return err
	}
	old, err := v.disk.Stage(v.at(m.Path), now.data, now.mode)
	if err != nil {
		return err
	}
	if err := v.give(old, *now); err != nil {
		return err
	}
	if err := v.disk.Rename(v.at(m.Staged), v.at(m.Path)); err != nil {
		return err
	}
	return v.disk.Rename(old, v.at(m.Staged))
}

// give makes a file belong to whom it belongs already, or belonged. Only root can;
// for everybody else it stays theirs.
func (v mover) give(staged string, p placed) error {
	info, err := v.files.Lstat(staged)
	if err != nil {
		return err
	}
	has := ownerOf(info)
	if p.owner == nil || has == nil || *has == *p.owner {
		return nil
	}
	err = v.disk.Chown(staged, v.at(p.path), p.owner.uid, p.owner.gid)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	return err
}

func (v mover) rename(r rename) error {
	if done, err := v.done(r); err != nil || done {
		return err
	}
	return v.disk.Rename(v.at(r.From), v.at(r.To))
}

func (v mover) renameBack(r rename) error {
	if done, err := v.done(r); err != nil || !done {
		return err
	}
	if there, err := v.there(r.To); err != nil || !there {
		return err
	}
	return v.disk.Rename(v.at(r.To), v.at(r.From))
}

// done says whether an earlier run has carried a rename out.
func (v mover) done(r rename) (bool, error) {
	from, err := v.there(r.From)
	if err != nil || !from {
		return true, err
	}
	if !r.Fresh {
		return false, nil
	}
	return v.there(r.To)
}
