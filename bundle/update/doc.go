// Package update brings a node to the newest bundle that a source has for it: it
// fetches, installs, restarts, and rolls back if something that was restarted is not
// well.
//
// A node takes part once a person has installed its first bundle, which pins root,
// release key and name. From then on install's own rules decide, including pins and
// sequence. The source decides nothing.
//
// Run holds the node's lock from beginning to end. It writes each step to sync.json
// (kind NodeSync) in the state directory before it takes it:
//
//	pending   the bundle that is being installed, in which phase, and what is to be
//	          restarted for it; a run that finds it goes on there
//	failed    the bundle that was rolled back, and why
//	validator what the place said of the file that was read last
//	outcome   what the last run came to
//	release   PEM of release keys that bundles in place announced
//
// Phases are install, restart, back (restoring the previous files) and settle
// (restarting what reads those). Each can be repeated. Install and rollback have
// their own journal, so that a kill leaves either the old files or the new ones.
//
// A bundle that was rolled back, by Run or by a person, is not tried again: its
// sequence is the newest the node has seen, and it is not in place. Only one etcd
// member is restarted at a time, and only while all others are well; until then
// nothing is installed. A source that answers "not modified" proves nothing, so the
// bundle is read whole once in twenty hours. Metrics show when that was.
package update
