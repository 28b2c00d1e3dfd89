// Package status reports how far a ceremony has come, from what its directory holds: the
// record, line by line, and the schedule.
//
// It proves nothing. It takes the record as it is, whole and in order
// (package transcript). Only people who wrote its head down can tell whose it is, and
// whether lines were cut off its end; for a finished ceremony, package audit can.
// An unterminated last line, which a dying process may leave, is skipped: the
// ceremony cuts it off when it resumes.
package status
