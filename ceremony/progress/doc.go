// Package progress holds a running ceremony's log and state.
//
// The transcript alone is the state of a ceremony. The state changes in one place,
// for lines read on a resume and for lines just written. So after a kill at any
// moment, the same command continues where the record ends.
//
// Append buffers records, Record puts them on disk. An intent is recorded before a
// token is asked. A result may wait for the next sync, because a lost result only
// costs its entry a new serial number.
//
// Of certificates and signatures, of which there is one for every node, the state has the
// place in the record. Certificate and Signature read them again, and refuse what was
// changed meanwhile.
//
// Progress knows neither plan nor token. Package ceremony decides what a state means
// for the next step.
package progress
