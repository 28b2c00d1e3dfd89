// Package durable writes files so that they are there whole or not at all.
//
// A new file is written under a temporary name in its own folder
// (".officiant-tmp-…"), given its mode, synced, renamed, and the folder is
// synced: after Create or Replace returns nil, the file survives a power cut,
// and before that its name shows the old content or none. Create never
// replaces: when the name is taken it fails with fs.ErrExist, also when two
// processes race for it, and on file systems that know neither a rename without
// replacing nor hard links (exFAT). What a killed process leaves behind is a file for
// which IsTemp is true; RemoveTemps takes it away when the work is resumed.
//
// Modes are set exactly as asked; the umask does not count. A file is never
// wider than 0600 until it is complete.
//
// A Batch is for many files that can be made again: they are flushed at once, where
// the file system allows it, and get their names afterwards.
//
// A Log is for records that grow: one append-only file, synced when the caller
// says so. After any failure it refuses further writes, so that nothing is ever
// appended to half a record; open it again to go on.
//
// Each operation first asks Disk.Gate, when one is set. Tests count there, stop
// the process there, or return an error; ErrTorn for a write makes half of the
// bytes land before it fails. Operations that only read are not gated.
package durable
