// Package kubelet determines which client certificate a node's kubelet uses, from the
// files that configure it.
//
// A kubelet that rotates its certificate (rotateCertificates, --rotate-certificates)
// copies what its kubeconfig held at its first start to
// /var/lib/kubelet/pki/kubelet-client-current.pem, and prefers that to the kubeconfig
// from then on. It ignores a later kubelet.conf (kubernetes v1.37.2,
// client-go/util/certificate/certificate_store.go: Current). A kubelet that does not
// rotate uses only the kubeconfig.
//
// A flag takes precedence over the configuration file, and the last of several flags
// counts. kubeadm's systemd unit passes KUBELET_KUBEADM_ARGS of
// /var/lib/kubelet/kubeadm-flags.env and then KUBELET_EXTRA_ARGS of /etc/default/kubelet
// or /etc/sysconfig/kubelet. This package does not know what other units pass.
//
// Paths are below the root, with forward slashes. The package opens nothing: the caller
// passes the contents.
package kubelet
