//go:build !linux

package tree

import "errors"

// ErrNoExchange says that this file system cannot exchange two files.
var ErrNoExchange = errors.New("the file system cannot exchange two files")

// RenameNoReplace is Rename, but fails with fs.ErrExist when the name is taken.
func (r *Root) RenameNoReplace(from, to string) error { return r.linkNoReplace(from, to) }

// Exchange fails with ErrNoExchange.
func (r *Root) Exchange(string, string) error { return ErrNoExchange }

// Fixed knows nothing.
func (r *Root) Fixed(string) (string, error) { return "", nil }
