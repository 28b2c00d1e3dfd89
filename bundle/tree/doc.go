// Package tree reads and writes files below one folder, and never outside of it.
//
// At names the folder; nothing is opened before the first operation. Paths are
// those the operating system would be given, with the folder's own name in front,
// so that errors and messages say where a file lies. A path that is neither the
// folder nor below it is refused.
//
// Below "/" there is no outside, and every operation is package os's. Below
// another folder, what is there belongs to a machine that is not this one, and
// whoever owns the folder may exchange what is in it while it is worked on. All
// operations then go through an os.Root: the kernel resolves each path again,
// name by name, and a link that leads out is not followed, however late it was put
// there. A link that begins with "/" means a file of that machine: it is looked up
// below the folder. Where that is nothing, or a link climbs above the folder, the
// error is an *Outside.
package tree
