// Package structure checks the code against the design: which package may
// import which, and what the two programs link. It has tests only.
//
// The table of packages is data (table_test.go). Every package of the module
// must be in it, and may import only those of our packages that its row lists.
// A row may exist before its package does. Separate rules say what a package must not
// even reach through others. Tests of a package may import anything.
//
// testdata/airgap-modules.txt and testdata/node-modules.txt list the modules
// that the room's program, built with the tag airgap, and the node's program
// link, each with a short reason. A new module must be added by hand.
package structure
