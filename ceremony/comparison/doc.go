// Package comparison shows how two schedules differ: what one plan signs
// differently from another plan, or from a past ceremony.
//
// It reads schedule.txt, whose lines package schedule specifies. Entries are matched
// by kind and name, never by position. Entries with the same difference are reported
// once, with all their names: if the certificates of a thousand nodes get a shorter
// life, one change is shown and not a thousand.
//
// A schedule says what is signed, and by which key. Package audit proves whether it is
// the plan's, or what a ceremony did.
package comparison
