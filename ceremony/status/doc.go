// Package status is how far a ceremony has come, by what its directory holds: the
// record, line by line, and the schedule.
//
// It reads and proves nothing: the record is taken as it is, whole and in order
// (package transcript), but whose it is, and whether lines were cut off its end, only
// people tell, who wrote its head down, and package audit, of one that is finished.
// An unterminated last line, which a process that died may leave, is passed over: the
// ceremony cuts it off when it goes on.
package status
