// Package inventory lists everything that was ever to be signed by an authority,
// as the transcripts of its ceremonies tell it: what was issued, and what was
// abandoned, whose certificate may exist although nobody recorded it.
//
// Records are read line by line and may be long: what is kept of one is an Entry
// for each certificate, from which its Item is made when it is asked for.
//
// An Item is one certificate. Its name is the schedule's ("cp-1/apiserver",
// "kubernetes"), and comes again with each ceremony that makes it anew: the
// newest of a name in a cluster is current, the others are superseded. They are
// valid until they end all the same, since Kubernetes does not revoke. An
// authority is dropped when the cluster's last ceremony does not go on with it.
//
// What is read here has a whole chain of lines. Whose it is, signatures tell,
// and `officiant ceremony verify` looks at those.
package inventory
