// Package heads keeps the newest head of a signer's journal where the signer cannot
// change it: in a ConfigMap. Lines cut from a journal's end cannot be detected otherwise.
//
// A Keeper gets each head together with the newest head that was known before the signer
// was asked. If the new one is older, or is another line of the same number, the journal
// is not the one it was. That raises an alarm, which is kept in the ConfigMap, too, and
// stays until people remove it there. Answers that arrive out of order
// raise none. During an alarm no head is kept, and so no certificate is handed on.
//
// Writes are guarded by the object's resource version and only go up, whoever else writes
// it. The ConfigMap must exist: a relay that could create it could begin anew.
package heads
