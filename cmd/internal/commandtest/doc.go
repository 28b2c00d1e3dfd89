// Package commandtest has the checks that the tests of both programs make of their
// commands: help fits the screen, examples are commands, and output for
// programs follows its schema. Tests only.
package commandtest
