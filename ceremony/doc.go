// Package ceremony runs a plan, step by step. It has the step list and Run.
//
// # What Run promises
//
// Whatever can be refused is refused before a key is used. Run takes a
// schedule.Ceremony, which exists only for a plan without mistakes. It begins with
// DryRun, which signs every entry of the schedule with throw-away keys and lints the
// result.
//
// Run works on its own copy of the plan in the ceremony directory. It stops if the
// copy's digest is not the one that people confirmed.
//
// The intent of each key, certificate and signature is in the transcript, on disk,
// before the token is asked. The transcript alone is the state of a ceremony: package
// progress applies each line in one place, whether read on a resume or just written.
// So after a kill at any moment, the same command continues where the record ends. A
// key with an intent is looked up by its id and not created again. A certificate
// whose intent has no result is abandoned, and its entry gets a new serial.
//
// A PIN that a token refused is on record as well, and counted until the token is
// open. Whoever continues, on any machine, is told before the next PIN is tried.
//
// Every other file of the directory (authorities, bundles, release.pub, the
// signatures) is a function of the transcript, the requests and the sealed files that
// it names. If such a file exists, it must have the same bytes. If it does not, it is
// written.
//
// # Steps
//
// Steps is a function of plan and station. Keys on tokens other than the root's are
// created first. Then the root's token has its only turn (root key, root certificate,
// intermediates), and the leaves follow. With one reader, this needs the fewest token
// swaps. A missing token is asked for. A process that resumes does not open a token
// whose keys have nothing left to sign.
//
// # Rooms
//
// A run opens the directory and the record, and then has four rooms: tokens (opened,
// asked for, tried with canaries; keys found and created), secrets (created in
// memory, left sealed), issuing (where CA keys sign) and outputs (what follows from
// the record, and the release key's signatures). Each step happens in one of them.
//
// # Rehearsal
//
// A rehearsal is Run with Config.Rehearsal: the same steps, in throw-away tokens, for
// the plan that schedule.Ceremony.Rehearsal returns. Its output is marked in the
// record, the certificates, the bundles and the file names.
package ceremony
