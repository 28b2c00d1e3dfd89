// Package durable writes files so that they are complete or absent.
//
// A new file is written under a temporary name in its own folder
// (".officiant-tmp-…"), given its mode, synced and renamed, and the folder is synced.
// After Create or Replace returns nil, the file survives a power cut; before that,
// its name has the old content or none. Create never replaces: if the name is taken,
// it fails with fs.ErrExist, even if two processes race for it, and on file systems
// that have neither a non-replacing rename nor hard links (exFAT). IsTemp is true for
// what a killed process leaves behind; RemoveTemps removes it when the work is
// resumed.
//
// Modes are set exactly as requested, regardless of the umask. A file's mode is never
// wider than 0600 until it is complete.
//
// A Batch is for many files that can be written again. They are flushed at once, if
// the file system allows it, and get their names afterwards.
//
// A Log is for records that grow: one append-only file, synced when the caller says
// so. After any failure it refuses further writes, so that nothing is ever appended
// to half a record, and cuts the file to its last sync if it still can. Open it again
// to continue.
//
// Each operation first calls Disk.Gate, if one is set. Tests count there, stop the
// process there, or return an error; ErrTorn for a write makes half of the bytes
// reach the disk before it fails. Operations that only read are not gated.
package durable
