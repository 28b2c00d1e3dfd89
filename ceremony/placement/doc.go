// Package placement tells whether a station's places can hold a plan's keys, from
// what can be known without a login: before anybody enters the room, and again
// before a ceremony asks for its first PIN.
//
// With plan and station alone: a key without a place, a place for two keys, a URI
// that its backend does not read, evidence that no key there can ever have, a
// PIN source that is not there or that others may read, a module that cannot be
// read. With a token at hand: that it is ready, what it tells of its PIN, that it
// is not software where the plan asks for more, and that it can make and use the
// key's algorithm.
//
// # Verdict
//
// A finding refuses the plan at this station. A token that is not there is no
// finding, since people put it in later: it is in Absent, and what it would
// tell is not known. What is only worth a look is a warning.
//
// What takes a login to know (whether a key is there, whether a name is free, what
// a token does with a canary) the ceremony looks at before it makes its first key.
package placement
