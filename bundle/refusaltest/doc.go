// Package refusaltest holds what a package refuses against the inputs that meet it.
//
// A Table is a catalogue of refusals. Each row has an input that is refused for its
// own reason, and one that would tempt the same sentence for another reason, which
// has to be taken or to get another sentence. Each command that a refusal names in
// backquotes is run on the input, in a folder of its own, and what it makes is read
// again: it has to be taken, or to fail for what the row says. A program that is not on
// the machine is skipped, but for openssl.
//
// The catalogue is complete by construction. Every sentence in the sources that the
// table names, which is any text of several words, has to be said by some row, or to
// be on the table's list of exceptions with its reason; an exception that is no
// sentence of the sources any more fails too. Tests only.
package refusaltest
