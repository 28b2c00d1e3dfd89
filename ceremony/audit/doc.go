// Package audit proves a finished ceremony from outside: from the files of its
// directory, with no token at hand, and with none of the code that made them
// (neither profile nor lint nor issue). What it needs to know of certificates
// it reads from the DER itself. Four packages it shares with what carries a
// ceremony out: plan and schedule, which say what was to be done, transcript, which
// reads records, and history, for facts of previous ceremonies alone; a fault in
// history can make both believe the same wrong thing of an earlier ceremony, and
// never of the one that is audited.
//
// What Verify looks at, each with the number of the guarantee it bears out:
//
//   - The record reads strictly, is closed, and transcript.sig is the signature
//     of the release key on record, which is release.pub (8).
//   - The directory's copy of the plan expands to the digest in the first line,
//     schedule.txt is what it expands to (1).
//   - Enough of the plan's people, and of the previous ceremony's where they are
//     others, approved exactly this digest, and the record says which (1).
//   - A key that was there before is on the record of a ceremony that this one
//     continues, and enough of the people who had it last approved (1).
//   - Where people are named, those who waived a check of the room were there (1).
//   - Where the ceremony went by another station file, enough people who were there
//     agreed, and every key on record had answered a challenge by it (1).
//   - Where a PIN was put together from shares, enough of its set's people proved theirs,
//     for this token and this ceremony (1).
//   - A ceremony that was abandoned was so by enough of its people, and each key that
//     was destroyed had an id that follows from the record's first line, no bundle that
//     it vouched for, and its end announced (1).
//   - Whoever signed the head as a witness is one of the plan's (8).
//   - The ceremonies this one continues are the plan's, ended before this one
//     began, and their directories, when given, verify themselves (8).
//   - The signatures made are the schedule's: one for each line, no other; and
//     what abandoned intents were to sign is what their lines say as well (1).
//   - Each act was recorded before it happened: key before challenge before
//     signature, in every process that took part; no serial number comes
//     twice, those of abandoned intents and of predecessors included (2).
//   - Each certificate is, extension by extension, what its line of the schedule
//     says, signed by exactly the authority it names, from the ceremony's
//     notBefore, which is that of the line that sets it, for exactly the duration
//     planned; what vouches for a request is not revoked, and no extra certificate
//     that serves has others' names (3).
//   - Each revocation list, in the same way, is what its line says and what plan and
//     previous lists come to: numbered after them, with everything on them that had
//     not ended, and nothing of what is revoked is in a bundle or signs; a former
//     list that none follows is on record again as it was (3).
//   - Each key has its intent, evidence at least of the grade the plan asks for
//     and attributes that agree with it, and has answered a challenge; a maker's
//     attestation is verified again, or told as not checked (4).
//   - The service-account key is sealed to the control-plane nodes' recipients,
//     and to nobody else (7).
//   - Authority certificates and bundles are those on record; a bundle is the same
//     as folder and as tar, has nothing bundle.Check minds at the time of issue,
//     and comes out byte for byte when built again (8).
//   - No file, nor anything inside a tar or inside base64, is a private key (4).
//   - Nothing is missing and nothing else is in the directory (8).
//
// All of it can be consistent and still be somebody else's ceremony. Only a pin
// that came another way, the root certificate's fingerprint or the release key,
// tells. The two differ in reach: the release key signs the record and so
// vouches for everything in it, the release key's own line included; the root
// vouches for the certificates alone, because nothing a CA key signs names the
// release key, and the verdict says so. What is not checked, or cannot be, is
// told as such (Check.Unchecked).
package audit
