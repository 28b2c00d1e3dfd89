// Package preflight checks the room's machine before a ceremony: network and radios,
// clock, swap and core dumps, the location of the ceremony directory, the program and
// the modules, the tokens.
//
// Every check is data: its name, what was seen, what is wrong with that, and the
// level that the station's policy gives it. Look changes nothing on the machine,
// opens no connection and tries no PIN. It reads what the machine says through
// Machine, mostly from /proc and /sys, so that a test can be any machine. What cannot
// be read counts as wrong: unknown is not good.
//
// # Levels
//
//   - record: the problem is shown, and recorded.
//   - warn: the same, and people are told to check it.
//   - refuse: nothing is created until it is fixed, or until two people waive it.
//
// A station without a preflight policy only records. With a policy, a check that it
// does not name has its default level (Checks), or that of "default".
//
// preflight sees the machine only from inside, and cannot detect a machine that lies
// about itself. So it shows the checksums of program and modules, to compare with
// other media, and the clock, to compare with a witness's watch.
package preflight
