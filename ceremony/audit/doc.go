// Package audit proves a finished ceremony from outside: from the files of its
// directory, without a token, and without the code that made them (profile, lint and
// issue). It reads what it needs to know about certificates from the DER itself. It
// shares five packages with the code that runs a ceremony: plan and schedule, which
// say what was to be done, transcript, which reads records, history, only for
// facts of previous ceremonies, and online/proof, which shares nothing with the signer
// whose journal it proves. A fault in history can make both misread an earlier
// ceremony, but never the one that is audited.
//
// Verify checks the following, each with the number of the guarantee that it
// supports:
//
//   - The record reads strictly, is closed, and transcript.sig is the signature
//     of the release key on record, which is release.pub (8).
//   - The directory's copy of the plan expands to the digest in the first line,
//     schedule.txt is what it expands to (1).
//   - Enough of the plan's people approved exactly this digest, and so did enough of
//     the previous ceremony's people if they are different; the record says which
//     (1).
//   - An existing key is on the record of a ceremony that this one continues, and
//     enough of the people who had it last approved (1).
//   - The journal of an online signer that the ceremony takes in is whole, has the lines of
//     which somebody kept the hash and those that earlier ceremonies took in, and ends with
//     a signed head. Each of its certificates was within the grant in force, and a release
//     key on record signed that grant. No serial number is a ceremony's (1).
//   - If people are named, those who waived a check of the room were present (1).
//   - If the ceremony used another station file, enough of the people present agreed,
//     and every key on record had answered a challenge through it (1).
//   - If a PIN was combined from shares, enough of its set's people proved theirs,
//     for this token and this ceremony (1).
//   - An abandoned ceremony was abandoned by enough of its people. Each destroyed key
//     had an id that follows from the record's first line, no bundle that it vouched
//     for, and an announced destruction (1).
//   - Wrong PINs are counted for each token, and the token can have asked for them (8).
//   - Whoever signed the head as a witness is one of the plan's (8).
//   - The ceremonies this one continues are the plan's, ended before this one
//     began, and their directories, when given, verify themselves. Abandoned ones that
//     the plan names were abandoned completely, and started where one of them ended (8).
//   - The signatures made are the schedule's: one for each line, and no other. What
//     abandoned intents were to sign is also what their lines say (1).
//   - Each act was recorded before it happened: key before challenge before
//     signature, in every process that took part. No serial number occurs twice,
//     including those of abandoned intents and of previous ceremonies (2).
//   - Each certificate is, extension by extension, what its line of the schedule
//     says, signed by exactly the authority that the line names. It is valid from the
//     ceremony's notBefore, as set by the line that sets it, for exactly the planned
//     duration. What vouches for a request is not revoked, and no extra server
//     certificate has another's names (3).
//   - Each revocation list is, in the same way, what its line, the plan and previous
//     lists say: numbered after them, with every unexpired entry. Nothing revoked is
//     in a bundle or signs. A previous list without a successor is on record again
//     unchanged (3).
//   - Each key has its intent, evidence of at least the grade that the plan requires
//     and attributes that match it, and has answered a challenge. A vendor's
//     attestation is verified again, or reported as not checked (4).
//   - The service-account key is sealed only to the control-plane nodes' recipients
//     (7).
//   - Authority certificates and bundles are those on record. A bundle is the same as
//     folder and as tar, passes bundle.Check at the time of issue, and is the same
//     byte for byte when built again (8).
//   - No file, and nothing inside a tar or base64, is a private key (4).
//   - No file is missing, and there are no other files in the directory (8).
//
// All of this can be consistent and still be somebody else's ceremony. Only a pin
// that came through another channel decides that: the root certificate's fingerprint
// or the release key. They differ in reach. The release key signs the record and so
// vouches for everything in it, including the release key's own line. The root
// vouches only for the certificates, because nothing that a CA key signs names the
// release key, and the verdict says so. What is not checked, or cannot be, is
// reported (Check.Unchecked).
package audit
