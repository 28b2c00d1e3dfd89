// Package ceremony carries out a plan, step by step: it holds the step list
// and Run.
//
// # What Run promises
//
// Everything that can be refused is refused before a key is touched: Run takes
// a schedule.Ceremony, which exists only for a plan without mistakes, and begins
// with DryRun, which signs every entry of the schedule with throw-away keys
// and lints the result.
//
// Run works on its own copy of the plan in the ceremony directory, and stops
// when the copy's digest is not the one people confirmed.
//
// Each key, certificate and signature has its intent in the transcript, on
// disk, before the token is asked. The state of a ceremony is what its
// transcript says and nothing else: package progress applies each line in one
// place, read on a resume or just written. So the same command,
// after a kill at any instant, goes on where the record ends: a key whose
// intent stands is looked for by its id and not made again; a certificate
// whose intent has no result is abandoned, and its entry gets a new serial.
//
// Every other file of the directory (authorities, bundles, release.pub, the
// signatures) is a function of the transcript, the requests and the sealed
// files it names. Such a file that is there already must hold the very same
// bytes; one that is not there is written.
//
// # Steps
//
// Steps is a function of plan and station. Keys on tokens other than the
// root's are made first, then the root's token has its one turn (root key,
// root certificate, intermediates), then the leaves follow: with one reader,
// tokens are swapped as rarely as can be. A token that is not there is asked
// for, and one whose keys have nothing left to sign is not opened by a process
// that resumes.
//
// # Rooms
//
// A run opens the directory and the record, and then four rooms: tokens (opened,
// asked for, tried with canaries; keys found and made), secrets (made in memory,
// left sealed), issuing (where CA keys sign) and outputs (what follows from the
// record, and the release key's signatures). A step is done in one of them.
//
// # Rehearsal
//
// A rehearsal is Run with Config.Rehearsal: the same steps, in throw-away
// tokens, of what schedule.Ceremony.Rehearsal makes of the plan. What it leaves is
// marked in the record, the certificates, the bundles and the names of files.
package ceremony
