// Package kubelet says with which client certificate a node's kubelet asks, from the
// files that tell it.
//
// A kubelet that rotates its certificate (rotateCertificates, --rotate-certificates)
// copies what its kubeconfig held at its first start to
// /var/lib/kubelet/pki/kubelet-client-current.pem, and prefers that to the kubeconfig
// from then on: a kubelet.conf that comes later is not looked at (kubernetes v1.37.2,
// client-go/util/certificate/certificate_store.go: Current). One that does not rotate
// uses the kubeconfig alone.
//
// A flag comes before the configuration file, and of flags the last one counts. kubeadm's
// systemd unit passes KUBELET_KUBEADM_ARGS of /var/lib/kubelet/kubeadm-flags.env and then
// KUBELET_EXTRA_ARGS of /etc/default/kubelet or /etc/sysconfig/kubelet. What a unit of
// somebody's own passes is not known here.
//
// Paths are below the root, with forward slashes. Nothing is opened here: the caller
// gives the contents.
package kubelet
