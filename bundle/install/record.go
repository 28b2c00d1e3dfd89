package install

import (
	"errors"
	"fmt"
	"io/fs"

	"officiant/bundle"
)

// record is what earlier operations left in the state directory about what is in place.
type record struct{ state *State }

// installed reads the bundle whose files are in place; nil when there is none.
func (r record) installed() (*bundle.Bundle, error) {
	path := r.state.path(installedFile)
	data, err := r.state.files.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("node state: %w", err)
	}
	return bundle.Parse(path, data)
}

// since is the bundle in place, for who can go on without: a damaged one is none.
func (r record) since() (b *bundle.Bundle, problem string, err error) {
	b, err = r.installed()
	var refusal *bundle.Refusal
	if errors.As(err, &refusal) {
		return nil, err.Error(), nil
	}
	return b, "", err
}

// whole is the bundle in place; nil when there is none, or what is there is not
// one any more: that announces nothing, and makes nothing known.
func (r record) whole() (*bundle.Bundle, error) {
	b, err := r.installed()
	var refusal *bundle.Refusal
	if errors.As(err, &refusal) {
		return nil, nil
	}
	return b, err
}

// origins reads origins.json; empty without error when there is none.
func (r record) origins() (*origins, error) {
	o := &origins{}
	err := r.state.document(originsFile, o)
	if errors.Is(err, fs.ErrNotExist) {
		return o, nil
	}
	if lost(err) || err == nil && (o.APIVersion != apiVersion || o.Kind != originsKind) {
		return &origins{}, nil // it only says what brought a certificate first
	}
	if err != nil {
		return nil, err
	}
	return o, nil
}

// previous reads previous/tree.tar; nil without error when there is none.
func (r record) previous() (*previousTree, []placed, error) {
	path := r.state.path(previousFile)
	data, err := r.state.files.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("node state: %w", err)
	}
	defer clear(data)
	index, files, err := unpack(data)
	if err != nil {
		return nil, nil, &Damaged{path, err, wayOn[previousFile]}
	}
	return index, files, nil
}

// interrupted is the journal on disk; nil when there is none.
func (r record) interrupted() (*journal, error) {
	var j journal
	err := r.state.document(journalFile, &j)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if j.APIVersion != apiVersion || j.Kind != journalKind {
		reason := fmt.Errorf("is not %s %s", apiVersion, journalKind)
		return nil, &Damaged{r.state.path(journalFile), reason, wayOn[journalFile]}
	}
	for _, m := range j.Moves {
		if !inBounds(m.Path) || !inBounds(m.Staged) {
			return nil, &Damaged{r.state.path(journalFile), fmt.Errorf("names %q", m.Path), wayOn[journalFile]}
		}
	}
	for _, path := range j.Removals {
		if !inBounds(path) {
			return nil, &Damaged{r.state.path(journalFile), fmt.Errorf("names %q", path), wayOn[journalFile]}
		}
	}
	for _, m := range j.Renames {
		if !asideBounds(m.From) || !asideBounds(m.To) {
			reason := fmt.Errorf("names %q", m.From)
			return nil, &Damaged{r.state.path(journalFile), reason, wayOn[journalFile]}
		}
	}
	return &j, nil
}
