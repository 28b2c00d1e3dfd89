//go:build !linux

package durable

import (
	"errors"
	"os"
)

func flushes(*os.File) bool { return false }

func flush(*os.File) error { return errors.ErrUnsupported }
