// Package commandtest holds what the tests of both programs ask of their commands:
// that help fits the screen, that examples are commands, that what a command prints
// for programs follows its schema. Tests only.
package commandtest
