//go:build !unix

package install

import "os"

// tryLock does nothing here: nodes run Linux.
func tryLock(*os.File) error { return nil }
