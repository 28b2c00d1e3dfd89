// Package heads keeps the newest head of a signer's journal where the signer cannot
// change it: in a ConfigMap. Lines cut from a journal's end show in no other way.
//
// A Keeper is told each head with the newest one that was known before the signer was
// asked. One that is older than that, or is another line of the same number, means that
// the journal is not the one it was: an alarm, which stands in the ConfigMap, too, and
// stays until people have removed it there. Answers that cross each other on their way
// raise none. While an alarm stands, no head is kept, and so no certificate handed on.
//
// Writes are guarded by the object's resource version and go up only, whoever else writes
// it. The ConfigMap has to be there: a relay that could make it anew could begin anew.
package heads
