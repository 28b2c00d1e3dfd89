// Package journal is the record of an online signer: append-only, hash-chained, and
// written before the act that it records. This page is the format's specification,
// version 1.
//
// # Lines
//
// They have the form of a ceremony's transcript (ceremony/transcript): seq, time, step
// (always 0), type, prev and data, in one spelling. The records are those of records.go.
//
// # Order
//
//   - "open" is the first line and no other. It has the public key that signs heads.
//   - "grant" names the grant that is in force from here on. Its sequence is not
//     below the previous one's, and a sequence belongs to one file only. No "intent"
//     comes before it.
//   - "intent" has all the to-be-signed bytes, who is certified (subject), by which
//     authority, and who asked. Its serial number was never used before. Its key is
//     in no certificate of another subject or signer name. Its content is not that of
//     an open intent, or of a certificate that is still valid.
//   - "issued" answers an open intent: its to-be-signed bytes, byte for byte. A
//     certificate begins with its intent's key.
//   - "abandoned" closes an open intent without a result. Its serial counts as issued. It
//     is no signature of its subject's day: nobody got anything.
//   - "head" has the journal key's signature over the line before it, and every line
//     before that: of SHA-256 of "officiant journal head v1", a newline, the cluster, a
//     newline, the line's seq, a newline, its hash in hex, a newline.
//   - "resumed" begins what a later process writes; head is the hash of the line before.
//     Open intents are abandoned in the lines after it.
//
// # Durability
//
// Lines are flushed in groups, one write and one sync for each Sync. Intents are on
// disk before a token is asked, results before an answer is sent. After a failed
// write or sync, this Journal accepts nothing more; only Resume can tell what reached
// the disk. An unterminated last line is cut, and "resumed" has its hash. One process
// at a time writes, and holds a lock beside the file.
//
// Whole lines that are cut from the end leave no trace. So each answer of a signer
// carries the head, and whoever keeps the newest one can detect a cut (Check).
package journal
