//go:build !cgo

package module

// Serve says that this program was not started as a module's process: without
// cgo it never is.
func Serve([]string) (code int, served bool) { return 0, false }

// EndAll has nothing to end.
func EndAll() {}
