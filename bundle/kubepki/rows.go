package kubepki

import "crypto/x509"

// usage is the documentation's "kind" of a certificate.
type usage int

const (
	server usage = iota + 1
	client
	serverAndClient
)

// leafKeyUsage is the same on every leaf, as kubeadm's NewSignedCert makes it.
const leafKeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment

func (u usage) serves() bool { return u != client }

func (u usage) extKeys() []x509.ExtKeyUsage {
	switch u {
	case server:
		return []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	case client:
		return []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	default:
		return []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	}
}

// endpoint is where a kubeconfig points.
type endpoint int

const (
	controlPlaneEndpoint endpoint = iota // the cluster's; without one, the node's own API server
	localEndpoint                        // the API server of the same node
	kubeletEndpoint                      // the same; in bundles to format 3, on nodes that join alone
)

const (
	groupMasters       = "system:masters"
	groupClusterAdmins = "kubeadm:cluster-admins"
	groupNodes         = "system:nodes"

	frontProxyClient = "front-proxy-client"
	kubeletClient    = "kube-apiserver-kubelet-client"
	kubeletConf      = "kubelet.conf"

	nodeName = "{node}" // stands for Node.Name in a common name
)

// row is one line of the fact table: one certificate of a node.
type row struct {
	id        string // the documentation's name
	name      string // kubeadm's base name
	authority Authority
	roles     []Role // a node with any of them has the certificate
	cn        string
	docsCN    string // empty: the same
	orgs      []since[[]string]
	docsOrgs  []string
	usage     usage
	names     func(Cluster, Node) ([]string, error) // names and addresses, nil for clients
	cert, key []Consumer
	config    *configRow // of a kubeconfig
	firstOnly bool
	since     cutover
}

// configRow is what a kubeconfig adds to a row.
type configRow struct {
	docsUser string
	endpoint []since[endpoint] // on a control-plane node
}

var (
	noOrgs   = []since[[]string]{{always, nil}}
	exMaster = []since[[]string]{{always, []string{groupMasters}}, {withoutMasters, nil}}
	masters  = []string{groupMasters}
	nodes    = []string{groupNodes}

	clusterWide = []since[endpoint]{{always, controlPlaneEndpoint}}
	local       = []since[endpoint]{{always, controlPlaneEndpoint}, {localControllers, localEndpoint}}
)

// rows is the fact table. Where kubeadm's code and the documentation differ,
// cn and orgs are kubeadm's and docsCN and docsOrgs the documentation's.
var rows = append(certificateRows(), kubeconfigRows()...)

func certificateRows() []row {
	return []row{
		{
			id: "kube-apiserver", name: "apiserver", authority: KubernetesAuthority,
			roles: []Role{ControlPlane}, cn: "kube-apiserver", orgs: noOrgs,
			usage: server, names: apiServerNames, since: always,
			cert: reads("kube-apiserver", Live, "--tls-cert-file"),
			key:  reads("kube-apiserver", Live, "--tls-private-key-file"),
		},
		{
			id: kubeletClient, name: "apiserver-kubelet-client", authority: KubernetesAuthority,
			roles: []Role{ControlPlane}, cn: kubeletClient,
			orgs: []since[[]string]{
				{always, masters}, {withoutMasters, []string{groupClusterAdmins}}, {kubeletClientWithoutGroup, nil},
			},
			docsOrgs: masters, usage: client, since: always,
			cert: reads("kube-apiserver", Restart, "--kubelet-client-certificate"),
			key:  reads("kube-apiserver", Restart, "--kubelet-client-key"),
		},
		{
			id: "kube-apiserver-etcd-client", name: "apiserver-etcd-client", authority: EtcdAuthority,
			roles: []Role{ControlPlane}, cn: "kube-apiserver-etcd-client", orgs: exMaster,
			docsOrgs: masters, usage: client, since: always,
			cert: reads("kube-apiserver", Restart, "--etcd-certfile"),
			key:  reads("kube-apiserver", Restart, "--etcd-keyfile"),
		},
		{
			id: "kube-etcd", name: "etcd/server", authority: EtcdAuthority,
			roles: []Role{Etcd}, cn: nodeName, docsCN: "kube-etcd", orgs: noOrgs,
			// etcd is also a client with its server pair (etcd-io/etcd issue 9785).
			usage: serverAndClient, names: etcdServerNames, since: always,
			cert: reads("etcd", Restart, "--cert-file"),
			key:  reads("etcd", Restart, "--key-file"),
		},
		{
			id: "kube-etcd-peer", name: "etcd/peer", authority: EtcdAuthority,
			roles: []Role{Etcd}, cn: nodeName, docsCN: "kube-etcd-peer", orgs: noOrgs,
			usage: serverAndClient, names: etcdPeerNames, since: always,
			cert: reads("etcd", Restart, "--peer-cert-file"),
			key:  reads("etcd", Restart, "--peer-key-file"),
		},
		{
			id: "kube-etcd-healthcheck-client", name: "etcd/healthcheck-client", authority: EtcdAuthority,
			roles: []Role{Etcd}, cn: "kube-etcd-healthcheck-client", orgs: exMaster,
			usage: client, since: always,
			cert: append(reads("etcdctl", PerUse, "--cert"), reads("kubeadm", PerUse, "")...),
			key:  append(reads("etcdctl", PerUse, "--key"), reads("kubeadm", PerUse, "")...),
		},
		{
			id: frontProxyClient, name: "front-proxy-client", authority: FrontProxyAuthority,
			roles: []Role{ControlPlane}, cn: frontProxyClient, orgs: noOrgs,
			usage: client, since: always,
			cert: reads("kube-apiserver", Restart, "--proxy-client-cert-file"),
			key:  reads("kube-apiserver", Restart, "--proxy-client-key-file"),
		},
	}
}

func kubeconfigRows() []row {
	controller := []string{"--kubeconfig", "--authentication-kubeconfig", "--authorization-kubeconfig"}
	return []row{
		{
			id: "admin.conf", name: "admin.conf", authority: KubernetesAuthority,
			roles: []Role{ControlPlane}, cn: "kubernetes-admin",
			orgs:     []since[[]string]{{always, masters}, {withoutMasters, []string{groupClusterAdmins}}},
			docsOrgs: masters, usage: client, since: always,
			cert:   append(reads("kubectl", PerUse, "--kubeconfig"), reads("kubeadm", PerUse, "--kubeconfig")...),
			config: &configRow{"default-admin", clusterWide},
		},
		{
			id: "super-admin.conf", name: "super-admin.conf", authority: KubernetesAuthority,
			roles: []Role{ControlPlane}, cn: "kubernetes-super-admin",
			orgs:     []since[[]string]{{withoutMasters, masters}},
			docsOrgs: masters, usage: client, since: withoutMasters, firstOnly: true,
			cert:   append(reads("kubectl", PerUse, "--kubeconfig"), reads("kubeadm", PerUse, "--kubeconfig")...),
			config: &configRow{"default-super-admin", clusterWide},
		},
		{
			id: kubeletConf, name: kubeletConf, authority: KubernetesAuthority,
			roles: []Role{ControlPlane, Worker}, cn: "system:node:" + nodeName,
			orgs:     []since[[]string]{{always, nodes}},
			docsOrgs: nodes, usage: client, since: always,
			cert: reads("kubelet", Restart, "--kubeconfig"),
			config: &configRow{"default-auth",
				[]since[endpoint]{{always, controlPlaneEndpoint}, {localKubelets, kubeletEndpoint}}},
		},
		{
			id: "controller-manager.conf", name: "controller-manager.conf", authority: KubernetesAuthority,
			roles: []Role{ControlPlane}, cn: "system:kube-controller-manager", orgs: noOrgs,
			usage: client, since: always,
			cert:   reads("kube-controller-manager", Restart, controller...),
			config: &configRow{"default-controller-manager", local},
		},
		{
			id: "scheduler.conf", name: "scheduler.conf", authority: KubernetesAuthority,
			roles: []Role{ControlPlane}, cn: "system:kube-scheduler", orgs: noOrgs,
			usage: client, since: always,
			cert:   reads("kube-scheduler", Restart, controller...),
			config: &configRow{"default-scheduler", local},
		},
	}
}

// reads lists a component once for each flag.
func reads(component string, r Reload, flags ...string) []Consumer {
	consumers := make([]Consumer, 0, len(flags))
	for _, f := range flags {
		consumers = append(consumers, Consumer{Component: component, Flag: f, Reload: r})
	}
	return consumers
}

func findRow(id string) *row {
	for i := range rows {
		if rows[i].id == id {
			return &rows[i]
		}
	}
	return nil
}
