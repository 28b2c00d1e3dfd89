// Package structure holds the code against the design: which package may
// import which, and what the two programs link. It has tests only.
//
// The table of packages is data (table_test.go). Every package of the module
// must stand in it, and may import of our own packages only what its row says;
// a row may stand there before its package does. What a package must not even
// reach through others is said apart. Tests of a package may import anything.
//
// testdata/airgap-modules.txt and testdata/node-modules.txt list the modules
// that the room's program, built with the tag airgap, and the node's program
// link, each with the reason in a word: a new one has to be let in by hand.
package structure
