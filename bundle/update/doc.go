// Package update brings a node to the newest bundle that a place holds for it: fetch,
// install, restart, and back again when what was restarted is not well.
//
// A node takes part once a person installed its first bundle: that pins root, release
// key and name. From then on install's own rules decide, pins and sequence among them;
// the place decides nothing.
//
// Run holds the node's lock from beginning to end. What it does is written to sync.json
// (kind NodeSync) in the state directory before it is done:
//
//	pending   the bundle that is being installed, in which phase, and what is to be
//	          restarted for it; a run that finds it goes on there
//	failed    the bundle that was rolled back, and why
//	validator what the place said of the file that was read last
//	outcome   what the last run came to
//	release   PEM of release keys that bundles in place announced
//
// Phases are install, restart, back (the files of before are to come back) and settle
// (what reads those is to be restarted). Each can be repeated. Install and rollback have
// their own journal, so that a kill leaves old files or new ones.
//
// A bundle that was rolled back, by Run or by a person, is not tried again: its sequence
// is the newest the node has seen, and it is not in place. Of etcd's members one is
// restarted at a time, and only while all others are well; until then nothing is
// installed. A place that answers "not modified" proves nothing, so that once in
// twenty hours the bundle is read whole; metrics show when that was.
package update
