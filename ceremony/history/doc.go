// Package history reads what the records of a cluster's ceremonies say, once,
// strictly, as a stream. It is the only place that answers what is on record.
//
// Read reads one record, line by line, each line in its only valid spelling and
// following from the previous line (package transcript). If the last line is "closed"
// and transcript.sig is available, it checks the release key's signature: an invalid
// signature is an error, a missing one is reported (Record.Signed). It keeps some 150
// bytes per certificate; the DER is read again on request, and compared with its
// digest.
//
// Of joins records to a History. The ceremonies of a cluster are a chain: each names
// the head of the previous one, and its number is one higher. Records that do not fit
// are refused and named: a gap (ErrGap), a fork or a second end (ErrFork), a
// rehearsal (ErrRehearsal), an unfinished ceremony (ErrUnfinished). A history may
// begin later than the first ceremony; Whole reports whether it is complete.
//
// A ceremony that people abandoned completely is in no chain: the next one has its
// place and number. What it issued counts as issued (Abandoned): Find and Used know it,
// and nothing else here does.
//
// Records of other clusters are kept beside the chain if they share a key with it:
// Openers says which ceremony opened a key last, of whichever cluster.
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
// Package audit proves, with its own code, whether a ceremony did what its plan says.
// It shares with this package only the facts of previous ceremonies, and transcript.
// So a fault here could make plan, run and audit misread an earlier ceremony, but
// never the one that is audited.
package history
