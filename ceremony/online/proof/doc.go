// Package proof shows from outside that each certificate of a journal was its grant's. It
// shares no code with what decided it: neither policy nor profile, lint or issue's Sign.
//
// Of the journal it wants a whole chain whose every line can follow those before; of each
// grant that a line names the file, whose signature its caller has checked; of each
// certificate the signature of the grant's authority, the subject, all names and no
// other, the usages, the life, a kind of key that is allowed, and a time at which the
// grant held. A kept head has to be a line's: then nothing was cut up to it. What it finds
// has the line's number.
package proof
