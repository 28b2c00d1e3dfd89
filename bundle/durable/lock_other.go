//go:build !unix

package durable

import "errors"

func lockFolderOf(string) (unlock func(), err error) { return nil, errors.ErrUnsupported }
