// Package proof shows from outside that each certificate of a journal was within its
// grant. It shares no code with what decided it: neither policy nor profile, lint or
// issue's Sign.
//
// It requires a whole chain of the journal, in which every line can follow those before.
// For each grant that a line names, it requires the file, whose signature the caller has
// checked. For each certificate it checks the signature of the grant's authority, the
// subject, that it has all names and no others, the usages, the life, an allowed kind of
// key, and a time at which the grant was valid. A kept head must be a line's; then nothing
// was cut up to it. Each finding has the line's number.
package proof
