// Package limittest holds a reader of files against the project's limit for all of
// them: no input of up to its size limit takes more than 2 seconds of a quiet processor
// or 200 MiB of memory.
//
// Each case runs in a process of its own, the test binary again, so that its peak of
// memory is its own and a reader that does not end can be ended. Shapes are inputs
// that parsers are known to be slow on. Tests only.
package limittest
