// Package transcript is the record of one ceremony: append-only, hash-chained, and
// written before the act that it records. This page is the format's specification,
// version 1.
//
// # Lines
//
// A transcript is UTF-8 text: one JSON object a line, each line ended by one
// newline, no blank line, no byte-order mark:
//
//	{"seq":1,"time":"2026-11-23T12:00:00.123Z","step":0,"type":"open","prev":"0000…","data":{…}}
//	{"seq":2,"time":"2026-11-23T12:00:00.456Z","step":3,"type":"intent","prev":"9c4e…","data":{…}}
//
// The six fields are always present, in this order, without white space between them.
// seq counts from 1 without a gap. time is UTC with three decimals, never earlier
// than the previous line's; if the clock goes back, the previous line's time is
// repeated. step is a step's number in the script, 0 before the first, at most the
// open line's steps. type names one of the records in records.go. prev is the
// SHA-256, in lower-case hex, of the previous line's bytes with its newline; the
// first line's is 64 zeros. data is that record, with its fields in the order in
// which records.go declares them. Empty optional fields are left out, lists and maps
// are never null, map keys are sorted, bytes are base64 with padding, digests are
// lower-case hex, and "<", ">" and "&" are not escaped.
//
// There is only one way to write a line. Read decodes strictly, encodes again, and
// refuses a line whose bytes differ. So no byte can change unnoticed, not even where
// JSON allows alternatives. The head is the last line's hash, and fixes every line.
// `sha256sum` shows it:
//
//	tail -n 1 transcript.jsonl | sha256sum
//
// # Order
//
// Read and Append refuse what cannot have happened:
//
//   - "open" is the first line and no other; nothing follows "closed".
//   - An "open" line with lost has no predecessors, a reason, and the sequence after
//     the lost one: the earlier records are gone, and the chain starts anew.
//   - A result ("issued", "csr", "crl", "challenge", "signature", "canary") names, by seq,
//     an earlier intent of its kind that has neither result nor abandonment yet;
//     "abandoned" closes any of the six.
//   - The to-be-signed bytes of an issued certificate, and of a revocation list,
//     are its intent's, byte for byte.
//   - No two intents have the same serial number, abandoned ones included; it is
//     positive and has at most 20 octets. An entry of the schedule has one result,
//     and one open intent at a time.
//   - The number of a revocation list that is intended is above that of each earlier
//     one of the authority, abandoned ones included; "crl-carried" comes once for an
//     authority, and before any such intent.
//   - A key "made" has an earlier "key-intent" of its name; "key-abandoned" names an
//     earlier key-intent by name and id. A later process may record a key again, but
//     not change it: one name has one public key.
//   - "issuing-closed" and "closed" come when no intent is open. After
//     "issuing-closed" there is no "intent" or "crl-intent". It counts the "issued"
//     lines, and the "abandoned" ones of certificates.
//   - "received" comes once, before any "intent". It has the certificates of
//     authorities that an external root signed, for the entries that it names. Its
//     notBefore replaces the open line's for everything issued after it.
//   - "node-keys" comes once for a node, before "issuing-closed".
//   - After a "preflight" that refuses the room, no token is opened and no intent
//     follows until another one does not, or a "deviation" of two or more people
//     waives each check that is wrong at level "refuse".
//   - A "deviation" is agreed to by two people or more.
//   - "attendance" names people of the first line, in its order, each once, and at
//     least one.
//   - A "resumed" line's head is the hash of the line before it.
//   - A "pin-shares" line has a set and two shares or more, in the order of their numbers,
//     each once.
//   - A "pin-refused" line names a token, by label or serial; tries is the number of such
//     lines of that token, this one included, since its last "token" line. It comes where
//     a "token" line may come.
//   - The id of a "key-intent" with a salt follows from the first line's hash, the
//     key's name and the salt (BoundID).
//   - An "abandonment" comes once, with the hash of the line before it as head, and
//     from somebody. Only "resumed", "paused", "note", "token", "pin-refused",
//     "destroy-intent", "destroyed" and "abandonment-closed" follow, the last of them when each key
//     that is not kept has its end; nothing follows it.
//   - A "station-changed" line names as former the station of the first line, or of the
//     last such line; it has a reason, and who agreed, each once.
//
// # Durability
//
// A line is on disk before what it announces happens. Lines are flushed in groups:
// one write and one fsync for each Sync. A process that dies while writing leaves
// whole lines and then at most one unterminated line. Resume cuts that one off; the
// next line is "resumed", and has the SHA-256 of what was cut. After a failed write
// or sync, the Writer refuses everything.
//
// A transcript without a "closed" line is unfinished. A transcript never contains
// anything from which a secret could be derived or tested.
package transcript
