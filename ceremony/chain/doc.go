// Package chain holds the form that every line of a record has: one JSON object with
// seq, time, step, type, prev and data, in one spelling, chained by hashes. What may
// follow what, the record's own package says: ceremony/transcript for a ceremony's,
// ceremony/online/journal for an online signer's.
//
// There is one way to write a line. Decode encodes again what it has read and refuses a
// line whose bytes differ, so that no byte can change unseen, not even where JSON has
// room for it. The fields of a line and the spelling of its data are specified in
// ceremony/transcript.
package chain
