// Package kubeconfig reads, completes and renders kubeconfig files.
//
// It knows only the kind that kubeadm writes: one cluster, one user, one context,
// which is the current one, and everything a client needs inside the file.
// Render lays it out as kubeadm does, byte for byte:
//
//	apiVersion: v1
//	clusters:
//	- cluster:
//	    certificate-authority-data: BASE64 OF PEM
//	    server: https://api.demo.test:6443
//	  name: demo
//	contexts:
//	- context:
//	    cluster: demo
//	    user: kubernetes-admin
//	  name: kubernetes-admin@demo
//	current-context: kubernetes-admin@demo
//	kind: Config
//	users:
//	- name: kubernetes-admin
//	  user:
//	    client-certificate-data: BASE64 OF PEM
//	    client-key-data: BASE64 OF PEM
//
// A bundle carries the file without client-key-data; the node, which has the key,
// completes it. `kubeadm certs generate-csr` writes files that have a key and no
// certificates; Parse reads those too. Paths to files, tokens, plugins, a second
// cluster, and fields that are not in this list are refused, with their position.
//
// No error repeats any part of a key.
package kubeconfig
