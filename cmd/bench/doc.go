// Bench compares officiant with what the token alone can do, and with openssl ca, the
// fastest of the tools in use today. `make bench` runs it. It is part of no release.
//
// Everything is measured on the programs themselves, as processes. officiant says on
// stderr when each step of a ceremony begins, and the kernel reports each process's
// peak memory. A PKCS#11 module of our own (module/) sits in front of SoftHSM's,
// counts the calls, and can be as slow as a device. Tools take turns in each round
// and ratios are computed within a round, because a machine's speed changes from
// minute to minute. Cells are medians of the rounds.
//
// The targets are those of the project's design. They are printed as met or missed
// and never fail the run, because a time on an unknown machine is no test.
// docs/performance.md says what each figure means.
package main
