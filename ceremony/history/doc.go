// Package history is what the records of a cluster's ceremonies say, read once,
// strictly, as a stream: the one answer to "what is on record".
//
// Read reads one record, line by line: each line in its one spelling, following
// from the line before it (package transcript). Of a record whose last line is
// "closed", the signature of the release key is checked wherever transcript.sig is
// at hand: a signature that does not hold is an error, one that is missing is told
// (Record.Signed). What is kept of a record is some 150 bytes a certificate; its
// DER is read again when it is asked for, and held against its digest.
//
// Of joins records to a History. The ceremonies of a cluster are a chain: each names
// the head of the one before it, and counts one more. Records that do not fit
// are refused and named: a gap (ErrGap), a fork or a second end (ErrFork), a
// rehearsal (ErrRehearsal), a ceremony that is unfinished (ErrUnfinished). A
// history may begin later than the first ceremony; Whole tells.
//
// A ceremony that people abandoned, to its end, is in no chain: the next one has its
// place and number. What it issued counts as issued (Abandoned).
//
// Records of other clusters stand beside the chain, when they share a key with it:
// Openers says in which ceremony a key was opened last, whichever cluster's it was.
//
// Find looks for ceremonies in folders, in any order, with other clusters' beside
// them, and picks the chain of one cluster.
//
// # Words
//
//	certificate      one that was issued, adopted, received from an external root,
//	                 or abandoned: intended, and perhaps signed. Its name is the
//	                 schedule's: "cp-1/apiserver", "kubernetes".
//	newest           the certificate of a name in the last ceremony that has one
//	member           a node that has certificates on record and has not left
//	left             named by a ceremony as gone for good, or all its newest
//	                 certificates are revoked as cessationOfOperation; it is a member
//	                 again when a later ceremony issues to it
//	revoked          on any revocation list of these records, made or carried over
//
// # Who proves what
//
// Whether a ceremony did what its plan says, package audit proves, by code of its
// own: what it shares with this package are the facts of previous ceremonies, and
// transcript. So a fault here could make plan, run and audit believe the same
// wrong thing of an earlier ceremony, and never of the one that is audited.
package history
