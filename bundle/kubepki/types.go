package kubepki

import (
	"crypto/x509"
	"io/fs"
	"net/netip"
)

// Naming says whose names, organizations and SANs a cluster's certificates carry.
type Naming string

const (
	NamingKubeadm Naming = "kubeadm" // what kubeadm of that release makes and expects; the default
	NamingDocs    Naming = "docs"    // what the Kubernetes documentation's "PKI certificates and requirements" lists
)

// Role is what a node does in its cluster. A stacked control-plane node is both ControlPlane and Etcd.
type Role string

const (
	ControlPlane Role = "control-plane"
	Etcd         Role = "etcd"
	Worker       Role = "worker"
)

// Authority names one of the families of certificate authorities: four that every
// cluster has, and two of an online signer. A plan may have several generations of a
// family, each with a name of its own.
type Authority string

const (
	Root                Authority = "root"
	KubernetesAuthority Authority = "kubernetes"
	EtcdAuthority       Authority = "etcd"
	FrontProxyAuthority Authority = "front-proxy"

	// Of an online signer: kubelets ask it for certificates, and no ceremony issues any.
	KubeletServingAuthority Authority = "kubelet-serving"
	KubeletClientAuthority  Authority = "kubelet-client"
)

// Online says whether an online signer has the authority's key at hand.
func (a Authority) Online() bool { return a == KubeletServingAuthority || a == KubeletClientAuthority }

// Cluster holds the facts of a cluster on which its certificates depend.
// Zero values mean kubeadm's defaults; Complete puts them in.
type Cluster struct {
	Name                 string              `json:"name"`
	KubernetesVersion    Version             `json:"kubernetesVersion"`
	Naming               Naming              `json:"naming"`
	ControlPlaneEndpoint string              `json:"controlPlaneEndpoint,omitempty"` // host or host:port
	ServiceSubnet        string              `json:"serviceSubnet"`                  // one CIDR, or two separated by a comma
	DNSDomain            string              `json:"dnsDomain"`
	CertSANs             []string            `json:"certSANs,omitempty"` // API server: IPs, RFC 1123 names, *. wildcards
	EtcdServerCertSANs   []string            `json:"etcdServerCertSANs,omitempty"`
	EtcdPeerCertSANs     []string            `json:"etcdPeerCertSANs,omitempty"`
	ExternalEtcd         bool                `json:"externalEtcd,omitempty"`    // etcd runs on nodes of role etcd only, or elsewhere
	Overrides            map[string]Override `json:"overrides,omitempty"`       // by Leaf.ID
	RevocationLists      bool                `json:"revocationLists,omitempty"` // etcd is given its authority's revocation list
	// In bundles of formats before 4 the first node's kubelet.conf names the cluster's
	// endpoint in every release. It follows from the format and is on no record.
	SharedFirstKubelet bool `json:"-"`
	// Since format 5.
	Places Places `json:"places,omitzero"`
	// No kubeadm file says these facts: components may be started without it. Since format 5.
	ByHand bool `json:"byHand,omitempty"`
	// The cluster has these authorities of an online signer. Since format 6.
	KubeletServing bool `json:"kubeletServing,omitempty"`
	KubeletClient  bool `json:"kubeletClient,omitempty"`
}

// Override replaces parts of one kind of certificate's defaults on every node.
type Override struct {
	CommonName   string    `json:"commonName,omitempty"`
	Organization *[]string `json:"organization,omitempty"` // nil keeps the default, empty means none
	ExtraSANs    []string  `json:"extraSANs,omitempty"`
}

// Node holds the facts of one node on which its certificates depend.
type Node struct {
	Name     string     `json:"name"` // as the kubelet registers it
	Roles    []Role     `json:"roles"`
	Address  netip.Addr `json:"address"`            // advertise address; a worker's may be invalid (absent)
	BindPort int        `json:"bindPort,omitempty"` // API server; 0 means 6443
	First    bool       `json:"first,omitempty"`    // the control-plane node that runs `kubeadm init`
	Extra    []Extra    `json:"extra,omitempty"`    // certificates beyond Kubernetes' own, as the plan says
}

// Leaf is one end-entity certificate of one node, fully expanded.
type Leaf struct {
	ID           string      // "kube-apiserver", "kube-etcd", "admin.conf": the documentation's name of the row
	Name         string      // "apiserver", "etcd/server", "admin.conf": kubeadm's base name, also the CSR's
	File         string      // where the certificate goes below /etc/kubernetes: "pki/apiserver.crt", "admin.conf"
	KeyFile      string      // where its key goes: "pki/apiserver.key"; empty when it goes into the kubeconfig
	Place        string      // where the certificate lies on the node; absolute
	KeyPlace     string      // where its key does
	Kubeconfig   *Kubeconfig // nil unless File is a kubeconfig
	Authority    Authority
	CommonName   string
	Organization []string
	DNSNames     []string // in the order of the fact table, no doubles
	IPAddresses  []netip.Addr
	KeyUsage     x509.KeyUsage
	ExtKeyUsage  []x509.ExtKeyUsage
	Consumers    []Consumer
	Extra        *Extra // nil for Kubernetes' own
}

// Kubeconfig says how the kubeconfig around a client certificate is named and where it points.
type Kubeconfig struct {
	Cluster string // cluster entry's name
	User    string // user entry's name
	Context string // USER@CLUSTER, or the documentation's
	Server  string // https://HOST:PORT
}

// Consumer is a component that reads a file.
type Consumer struct {
	Component string // "kube-apiserver", "kubelet", "etcd", "kubectl", …
	Flag      string // "--tls-cert-file", or a configuration field
	Reload    Reload // what makes it notice a new file
}

// Reload says whether a component notices a changed file by itself.
type Reload string

const (
	Restart Reload = "restart" // has to be restarted
	Live    Reload = "live"    // picks it up by itself
	PerUse  Reload = "per-use" // reads it each time it is used (kubectl)
)

// FileKind says what a file is, and so how it is checked and written.
type FileKind string

const (
	CertificateFile      FileKind = "certificate"            // leaf, then issuing intermediate
	KeyFile              FileKind = "key"                    // a leaf's private key; never in a bundle
	KubeconfigFile       FileKind = "kubeconfig"             // in a bundle without the key, on the node with it
	TrustFile            FileKind = "trust"                  // authorities of one family, the issuing one first: who may log in
	ClientTrustFile      FileKind = "client-trust"           // of the families whose clients the API server lets in
	ServerTrustFile      FileKind = "server-trust"           // intermediates, then their roots: for clients not written in Go
	RevocationListFile   FileKind = "revocation-list"        // an authority's, in DER: what etcd turns away
	ServiceAccountKey    FileKind = "service-account-key"    // sa.key; sealed in a bundle
	ServiceAccountPublic FileKind = "service-account-public" // sa.pub
)

// File is one file of a node's /etc/kubernetes.
type File struct {
	Path      string // in a bundle, and below /etc/kubernetes by default; with forward slashes
	Place     string // where it lies on the node; absolute
	Kind      FileKind
	Mode      fs.FileMode // on the node
	Authority Authority   // of TrustFile, ServerTrustFile and RevocationListFile
	Families  []Authority // of ClientTrustFile, in its order
	Leaf      string      // Leaf.Name, of CertificateFile, KeyFile, KubeconfigFile
	Consumers []Consumer
}

// AuthoritySpec is what an authority's own certificate looks like.
type AuthoritySpec struct {
	Authority   Authority
	CommonName  string    // "kubernetes", or the documentation's "kubernetes-ca"
	File        string    // "pki/ca.crt"; empty for the root
	Parent      Authority // Root, or empty for the root itself
	MaxPathLen  int
	KeyUsage    x509.KeyUsage
	ExtKeyUsage []x509.ExtKeyUsage // empty for the root
}
