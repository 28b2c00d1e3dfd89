//go:build !unix

package tree

import "errors"

func (r *Root) lockFolderOf(string) (unlock func(), err error) { return nil, errors.ErrUnsupported }
