// Package historytest writes records of ceremonies as ceremonies write them,
// without holding any: for tests of who reads records. What it writes goes through
// transcript's own writer, so that nothing can be in it that cannot be on record.
package historytest
