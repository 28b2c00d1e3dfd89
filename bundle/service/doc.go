// Package service restarts what runs on a node, and asks whether it is well.
//
// Which services there are, in which order, and where each says whether it is well, is
// kubepki's table. Nothing of a bundle says what is done on a machine.
//
// A service runs as one of two: as kubeadm's static pod, when its manifest lies in
// /etc/kubernetes/manifests, or as a systemd unit of its name. What is neither, or a
// unit that is not active, does not run and is not started. A static pod's container is
// stopped by crictl, and the kubelet starts it again; where there is no crictl, the
// manifest is taken out of the folder, and put back once the service does not answer.
// A manifest that a killed process left outside is put back by Settle.
//
// Machine asks each service on the node itself. The API server is asked by the node's
// own client certificate, etcd by its health check's.
//
// Members are etcd's, asked through the JSON gateway of the local one: whether all
// others are well, and a lock, so that one node at a time restarts its own. The lock has
// a lease and goes away by itself.
package service
