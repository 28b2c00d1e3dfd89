// Package abandon closes a ceremony that will not be finished, and destroys the keys
// that it made.
//
// # Two steps
//
// Propose writes a statement: which ceremony, the head of its record, why, and each of
// its keys with what becomes of it. Enough of the people in the record's first line sign
// its digest (namespace "officiant-abandon"). Run then puts the agreement on record, in
// one line that takes the place of "resumed", and goes token by token: each key is looked
// at, people say its name, its end is announced on disk, it is destroyed, and that is on
// record. A process that is killed is followed by another one with the same command.
//
// # Which keys are destroyed
//
// A key is destroyed when all of this holds; else it is kept, and the statement says why:
//
//   - The record has an intent to make it, whose id follows from the hash of the
//     record's first line (transcript.BoundID). So nobody can write a record that names
//     a key of another ceremony as its own: the first line holds the people who have to
//     agree, and any other first line has other ids.
//   - The record announces no signature over a bundle: what vouches for a bundle that a
//     node may have is not destroyed, the ceremony is finished instead.
//   - No other record that was given names its id or its public key, nor is any of them
//     a longer copy of this record.
//
// In the token, the key is found by its id, and has to have the public key that the
// record says was made. Where the record has an intent alone, because the process was
// killed when it made the key, people are told that its public key is on no record.
//
// # What a forged record cannot do
//
// Written by anybody, it has other ids, or it has the first line of the real one, and
// with it the real people, who do not sign. Cut short, it has not the head that people
// wrote down, which is asked for before anything is written, and which they sign.
package abandon
