// Package install places a verified bundle on a node, all or nothing, with a way back.
//
// A node keeps what it needs in /var/lib/officiant-node (mode 0700, files 0600):
//
//	identity.txt        the age identity, as age-keygen writes it; recipient.txt its recipient
//	keys/NAME.key       the private keys, PKCS #8 PEM; NAME is kubepki.Leaf.Name
//	NODE.req            the request as it was sent
//	pins.json           kind NodePins: cluster, node, root, release key, newest bundle seen
//	installed.tar       the bundle whose files are in place
//	origins.json        kind CertificateOrigins: which bundle brought each certificate first
//	previous/tree.tar   the files that were in place before, for Rollback
//	previous/rolled-back.tar  the files the last Rollback replaced, for people
//	journal.json        kind InstallJournal: only while files are being put in place
//
// Install first checks everything that can be checked: signature, every
// certificate, that each was made for this node's own key, pins, sequence, the
// sealed secrets. Nothing is written before. Then it writes all new files under
// temporary names beside the old ones, and syncs them. The journal is the point
// of no return: without one, the node is as it was, and leftovers are removed by
// the next Install or Rollback; with one, that next run puts the rest in place. What
// is replaced keeps a temporary name until all is in place, so that an operation
// which meets a file it cannot replace is undone from its journal.
// The files of the bundle, the pins, installed.tar, origins.json and
// previous/tree.tar change together. All are on the disk before the journal is, and
// in place there before it goes, so that a power cut is no other than a kill.
//
// journal.json lists moves (path, temporary name, SHA-256, mode, what was there) and removals;
// paths are below the root with forward slashes. previous/tree.tar holds
// tree.json (kind PreviousTree: the paths that were absent), then the files under
// the same paths with their modes and owners.
//
// The first install pins the root certificate and the release key; later ones
// demand the same. While bundles have the pinned root, it stays pinned, also when it
// is not the first any more; when it is gone, the first one is. Each root of a bundle
// has to be the pinned one, one of the bundle in place, a later certificate of the
// pinned one's name and key, or one that people compared; else the bundle is refused.
// A bundle by the release key that the one in place
// announces is taken, too, or by one that people compared; it is pinned then, and the
// key before refused. A node refuses a sequence below the highest it has seen, and
// another bundle of the same sequence. Rollback puts back what was in place
// before the last install, once; it does not lower the highest sequence, and the
// newest bundle can be installed again.
//
// Below another root than "/", a folder that is a link out of the tree is refused by
// everything here, as nothing there is meant, and the kernel keeps every path within
// the root (package tree). Files and folders belong to root, or, below another root,
// to the owner of the state directory. A file that is replaced keeps its owner.
//
// Private keys never have a mode other than 0600.
package install
