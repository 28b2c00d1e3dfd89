// Package limittest tests a reader of files against the project's limit for all of
// them: no input within its size limit takes more than 2 seconds of a quiet processor
// or 200 MiB of memory.
//
// Each case runs in a separate process, the test binary again. So its peak memory
// is its own, and a reader that hangs can be ended. Shapes are inputs
// that are known to make parsers slow. Tests only.
package limittest
