// Package progress holds a running ceremony's log and state.
//
// The state of a ceremony is what its transcript says and nothing else. It
// changes in one place, for lines read on a resume and for lines just written:
// so the same command, after a kill at any instant, goes on where the record
// ends.
//
// Append buffers records, Record puts them on disk: an intent is recorded
// before a token is asked, a result may wait for the next sync, since one that
// is lost costs its entry a new serial number and nothing else.
//
// Progress knows neither plan nor token. What a state means for the next step
// is for package ceremony to say.
package progress
