// Package kubepki knows what each Kubernetes certificate and kubeconfig must
// look like in each release, where it goes, who reads it and who must restart.
//
// It has facts and computes; it reads no file and no clock. It covers releases 1.17
// to 1.37, with changes that came to older minors in patch releases. Later releases
// use the newest facts; Known says which.
//
// # Naming
//
// With NamingKubeadm, the default, names, organizations and SANs are those the
// code of kubeadm of that release uses. With NamingDocs they are those of the
// documentation's page "PKI certificates and requirements": kubernetes-ca,
// kube-etcd, kube-etcd-peer, system:masters, default-admin in default-system,
// kubernetes.default.svc.cluster in addition. Paths are the same.
//
// # Nodes
//
// A control-plane node has the API server's certificates, the kubeconfigs, the
// three trust files and the service-account pair; an etcd node has etcd's; a
// worker has ca.crt and kubelet.conf. A stacked control-plane node has both of
// the first two roles; only with Cluster.ExternalEtcd may it lack etcd's, and
// even then it has apiserver-etcd-client and etcd/ca.crt. super-admin.conf
// exists since 1.29 and goes to the first control-plane node alone. Kubeconfigs
// point at Cluster.ControlPlaneEndpoint; those of the controller manager and
// the scheduler (since 1.20) and of a control-plane node's kubelet (since 1.33)
// at the API server of the same node. A worker therefore needs the endpoint.
//
// # Trust
//
// ca.crt, etcd/ca.crt and front-proxy-ca.crt hold their own intermediate and
// nothing else: with the root in them, a leaf of one authority would log in
// where another's is asked for. server-ca.crt holds intermediate and root, for
// clients not written in Go. The front-proxy authority makes client
// certificates only. No file is any authority's private key.
//
// A cluster with an online signer has the authority kubelet-serving or kubelet-client,
// or both (Cluster.KubeletServing, Cluster.KubeletClient). They issue nothing that is in
// a bundle. By kubelet-serving-ca.crt the API server knows the kubelets it asks.
// client-ca.crt, for the API server's --client-ca-file alone, holds what ca.crt and
// kubelet-client-ca.crt hold, in this order; ca.crt stays as it is.
//
// # Restarts
//
// Reload is Live only where we read the component's source. Where documentation
// merely says that a component notices changes, it is Restart.
//
// # Extras
//
// A node may have certificates beyond these, if the plan says so: Node.Extra.
// kubelet-server and kube-proxy.conf are known by name. Without the first, kubelets
// sign their own serving certificates, as with kubeadm. None comes from the
// front-proxy authority, and none has another node's name or impersonates the API
// server. A Kubernetes name in a client's subject must be allowed by name:
// system:masters above all.
package kubepki
