// Package journal is the record of an online signer: append-only, chained by hashes,
// written before the act it records. This page is the format's specification, version 1.
//
// # Lines
//
// They have the form of a ceremony's transcript (ceremony/transcript): seq, time, step
// (always 0), type, prev and data, in one spelling. The records are those of records.go.
//
// # Order
//
//   - "open" is the first line and no other. It has the public key that signs heads.
//   - "grant" names the grant that holds from here on. Its sequence is not below that of
//     the one before, and a sequence is one file alone. No "intent" comes before it.
//   - "intent" has the whole to-be-signed bytes, who is certified (subject), by which
//     authority, and who asked. Its serial number was never used before; its key is in no
//     certificate of another subject or signer name; its content is not that of an open
//     intent, nor of a certificate that is still valid.
//   - "issued" answers an open intent: its to-be-signed bytes, byte for byte. A
//     certificate begins with its intent's key.
//   - "abandoned" closes an open intent without a result. Its serial counts as issued, and
//     it counts as a signature of its subject.
//   - "head" has the journal key's signature over the line before it, and every line
//     before that: of SHA-256 of "officiant journal head v1", a newline, the cluster, a
//     newline, the line's seq, a newline, its hash in hex, a newline.
//   - "resumed" begins what a later process writes; head is the hash of the line before.
//     Open intents are abandoned in the lines after it.
//
// # Durability
//
// Lines are flushed in groups, one write and one sync for each Sync. Intents are on disk
// before a token is asked, results before an answer leaves. A failed write or sync is
// final for this Journal: what reached the disk, only Resume can tell. An unterminated
// last line is cut, and its hash stands in "resumed". One process at a time writes: it
// holds a lock beside the file.
//
// Whole lines cut from the end show in nothing that is left. So each answer of a signer
// carries the head: who keeps the newest can tell (Check).
package journal
