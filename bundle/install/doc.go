// Package install installs a verified bundle on a node, all or nothing, and can roll
// it back.
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
// Install first checks everything that can be checked: signature, every certificate,
// that each was made for this node's own key, pins, sequence, the sealed secrets.
// Before that, nothing is written. Then it writes all new files under temporary names
// beside the old ones, and syncs them. The journal is the point of no return. Without
// a journal, the node is unchanged, and the next Install or Rollback removes
// leftovers. With one, that next run completes the change. A replaced file keeps a
// temporary name until all are in place, so that an operation that meets a file it
// cannot replace is undone from its journal. The files of the bundle, the pins,
// installed.tar, origins.json and previous/tree.tar change together. All are on disk
// before the journal is written, and in place on disk before it is removed, so that a
// power cut has the same effect as a kill.
//
// journal.json lists moves (path, temporary name, SHA-256, mode, what was there) and removals;
// paths are below the root with forward slashes. previous/tree.tar holds
// tree.json (kind PreviousTree: the paths that were absent), then the files under
// the same paths with their modes and owners.
//
// The first install pins the root certificate and the release key, and later ones
// require the same. While bundles have the pinned root, it stays pinned, even if it
// is no longer the first. When it is gone, the first one is pinned. Each root of a
// bundle must be the pinned one, one of the bundle in place, a later certificate with
// the pinned one's name and key, or one that people compared; otherwise the bundle is
// refused. A bundle signed by the release key that the bundle in place announces is
// also accepted, and so is one by a key that people compared. That key is then
// pinned, and the previous key refused. A node refuses a sequence below the highest
// it has seen, and another bundle with the same sequence. Rollback restores what was
// in place before the last install, once. It does not lower the highest sequence, and
// the newest bundle can be installed again.
//
// Below a root other than "/", everything here refuses a folder that is a link out of
// the tree, because nothing outside is meant, and the kernel keeps every path within
// the root (package tree). Files and folders belong to root or, below another root,
// to the owner of the state directory. A replaced file keeps its owner.
//
// Private keys never have a mode other than 0600.
package install
