// Package abandon closes a ceremony that will not be finished, and destroys the keys
// that it created.
//
// # Two steps
//
// Propose writes a statement: the ceremony, the head of its record, the reason, and
// what becomes of each key. Enough of the people in the record's first line sign its
// digest (namespace "officiant-abandon"). Run then records the agreement, in one line
// instead of "resumed", and goes from token to token. For each key, people look at it
// and confirm its name, its destruction is announced on disk, it is destroyed, and
// that is recorded. If the process is killed, the same command continues.
//
// # Which keys are destroyed
//
// A key is destroyed if all of this holds. Otherwise it is kept, and the statement
// says why:
//
//   - The record has an intent to create it, whose id follows from the hash of the
//     record's first line (transcript.BoundID). So nobody can write a record that
//     claims a key of another ceremony: the first line lists the people who have to
//     agree, and any other first line has other ids.
//   - The record announces no signature over a bundle. Keys that vouch for a bundle
//     that a node may have are not destroyed; the ceremony must be finished instead.
//   - No other given record has its id or its public key, and none of them is a
//     longer copy of this record.
//
// In the token, the key is found by its id, and must have the public key on record.
// If the record has only an intent, because the process was killed while it created
// the key, people are told that no record has its public key.
//
// # Tokens
//
// Nobody takes attendance, because people have signed. As in a ceremony, a PIN that a
// token refused is on record, and the count includes the ceremony's refused PINs. A login
// after a refused PIN is on record, too.
//
// # What a forged record cannot do
//
// A forged record has other ids, or it has the first line of the real one, and with
// it the real people, who do not sign. A shortened record lacks the head that people
// wrote down. They are asked for it before anything is written, and sign it.
package abandon
