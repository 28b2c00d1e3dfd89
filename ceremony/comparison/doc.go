// Package comparison shows in what two schedules differ: what one plan has signed
// otherwise than another, or than a ceremony did.
//
// It reads schedule.txt, whose lines package schedule specifies. Entries are matched
// by kind and name, never by their place. Those that differ alike are told
// once, with all their names: of a thousand nodes whose certificates shall live
// shorter, one change is shown and not a thousand.
//
// A schedule says what is signed, and by which key; whether it is the plan's, or what
// a ceremony did, package audit proves.
package comparison
