// Package next computes a cluster's next plan. There is one function for each kind of
// plan:
//
//	First           a cluster's first ceremony
//	AnotherCluster  the first ceremony of another cluster below a root that has one
//	Continue        what requests ask for, with the authorities there are
//	Adopt           adopts a cluster that runs already
//	Renew           makes anew what ends soon
//	Rollover        one stage in which authorities or other keys are replaced
//	Revoke          revocation lists, and the bundles that etcd gets with them
//	Recover         begins the chain of a cluster anew whose records are lost
//
// Each takes plain values: what previous ceremonies left (Previous), what was asked
// for, and files with their content. Each returns a Proposal: the document, the files
// that it names, and what people have to compare before it means anything. There are
// no flags, no terminal and no writing here. A folder is read through an fs.FS, and
// only to check a plan against its content.
//
// A *Refused says that there is no such plan, why, and what helps. Renew, Rollover
// and Revoke open their proposal as `ceremony check` will, so that whatever check
// would refuse is refused before anything is written.
package next
