// Bench measures what officiant does beside what the token alone can do, and
// beside openssl ca, the fastest of the tools people use today. `make bench`
// runs it. It is part of no release.
//
// Everything is taken from the programs themselves, as processes: officiant
// says on stderr when each step of a ceremony begins, the kernel says how much
// memory a process had at most, and a PKCS#11 module of our own (module/) stands
// before SoftHSM's, counts the calls, and can be as slow as a device. Tools take
// turns in each round and ratios are taken within a round, because a machine's
// speed changes from minute to minute; cells are medians of the rounds.
//
// The marks are those of the project's design. They are printed as met or
// missed and never fail the run: a time on an unknown machine is no test.
// docs/performance.md says what each figure means.
package main
