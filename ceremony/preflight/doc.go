// Package preflight looks at the room's machine before a ceremony: network and
// radios, clock, swap and core dumps, where the ceremony directory lies, the
// program and the modules, the tokens.
//
// Every check is data: its name, what was seen, what is wrong with that, and the
// level the station's policy gives it. Look changes nothing on the machine, opens
// no connection and tries no PIN. What the machine says is read through Machine,
// from /proc and /sys mostly, so that a test can be any machine. What cannot be
// read counts as wrong: an unknown is not a good sign.
//
// # Levels
//
//   - record: what is wrong is shown, and stands in the record.
//   - warn: so it is, and people are told to look at it.
//   - refuse: nothing is made until it is right, or until two people waive it.
//
// A station without a preflight policy records everything. With one, a check
// that it does not name has its own level (Checks), or that of "default".
//
// preflight judges what it can see from inside. A machine that lies about
// itself is not found out: program and module sums are shown to be compared with
// what other media say, the clock to be compared with a witness's watch.
package preflight
