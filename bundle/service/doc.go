// Package service restarts what runs on a node, and checks whether it is healthy.
//
// kubepki's table says which services there are, in which order, and where each reports
// its health. Nothing in a bundle decides what is done on a machine.
//
// A service runs in one of two ways: as kubeadm's static pod, if its manifest is in
// /etc/kubernetes/manifests, or as a systemd unit of its name. A service that is neither,
// or whose unit is not active, does not run and is not started. crictl stops a static
// pod's container, and the kubelet starts it again. Without crictl, the
// manifest is moved out of the folder, and back once the service no longer answers.
// Settle puts back a manifest that a killed process left outside.
//
// Machine asks each service on the node itself. It asks the API server with the
// node's own client certificate, and etcd with the health check's.
//
// Members are etcd's, asked through the JSON gateway of the local one: whether all
// others are healthy, and a lock, so that only one node at a time restarts its member. The
// lock has a lease and expires by itself.
package service
