// Package refusaltest tests a package's refusals against the inputs that cause them.
//
// A Table is a catalogue of refusals. Each row has an input that is refused for the
// row's reason, and an input that might get the same sentence for another reason. The
// second must be accepted or get another sentence. Each command that a refusal names in
// backquotes is run on the input, in a folder of its own, and its output is read
// again: it must be accepted, or fail for the reason in the row. A program that is not on
// the machine is skipped, except openssl.
//
// The catalogue is complete by construction. A sentence is any text of several words in
// the sources that the table names. Some row must produce it, or the table's list of
// exceptions must have it with a reason. An exception that is no longer a
// sentence of the sources fails, too. Tests only.
package refusaltest
