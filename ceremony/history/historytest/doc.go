// Package historytest writes records of ceremonies as ceremonies write them, without
// holding any, for tests of code that reads records. It uses transcript's own writer, so
// its records contain nothing that a real record cannot.
package historytest
