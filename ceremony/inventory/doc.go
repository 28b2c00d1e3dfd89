// Package inventory lists every certificate that an authority was meant to sign,
// according to the transcripts of its ceremonies. It covers issued certificates and
// abandoned ones, which may exist although nobody recorded them.
//
// Records are read line by line and may be long. The package keeps an Entry for each
// certificate, and makes the Item from it on request.
//
// An Item is one certificate. Its name is the schedule's ("cp-1/apiserver",
// "kubernetes"), and appears again with each ceremony that makes it anew. The
// newest of a name in a cluster is current, the others are superseded. Superseded
// certificates are still valid until they expire, since Kubernetes does not revoke. An
// authority is dropped when the cluster's last ceremony does not continue with it.
//
// What online signers have signed is listed with the ceremony that took their journal in, if
// its directory is at hand, under the node's name and what it is for:
// "worker-1/kubelet-serving". The newest of a name is rotating, also after the rollover of
// an authority. Its authority is the one on record whose name and key identifier it has as
// its issuer.
//
// Everything read here has a whole chain of lines. Signatures show whose record it is,
// and `officiant ceremony verify` checks those.
package inventory
