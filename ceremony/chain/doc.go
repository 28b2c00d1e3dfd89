// Package chain defines the form of every line of a record: one JSON object with
// seq, time, step, type, prev and data, in one spelling, chained by hashes. The record's
// own package says what may follow what: ceremony/transcript for a ceremony's,
// ceremony/online/journal for an online signer's.
//
// There is one way to write a line. Decode encodes again what it has read, and refuses a
// line whose bytes differ. So no byte can change unnoticed, not even where JSON would
// allow it. ceremony/transcript specifies the fields of a line and the spelling of its
// data.
package chain
