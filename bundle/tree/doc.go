// Package tree reads and writes files below one folder, and never outside of it.
//
// At names the folder; nothing is opened before the first operation. Paths are
// those the operating system would be given, with the folder's own name in front,
// so that errors and messages say where a file lies. A path that is neither the
// folder nor below it is refused.
//
// Below "/" there is no outside, and every operation is package os's. The contents
// of another folder belong to another machine, and the folder's owner may exchange
// them while this package works on them. All
// operations then go through an os.Root: the kernel resolves each path again,
// name by name, and does not follow a link that leads out, however late it was put
// there. A link that begins with "/" means a file of that machine, and is looked up
// below the folder. If nothing is there, or a link climbs above the folder, the
// error is an *Outside.
package tree
