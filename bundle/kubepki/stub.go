package kubepki

// Binding is an RBAC ClusterRoleBinding some certificates need to be of use.
type Binding struct {
	ID          string // "cluster-admins-binding"
	Name        string // "kubeadm:cluster-admins"
	ClusterRole string // "cluster-admin"
	SubjectKind string // "Group" or "User"
	Subject     string // "kubeadm:cluster-admins"
}

// Complete puts kubeadm's defaults in place of zero values.
func (c Cluster) Complete() Cluster { return c }

// Validate says what is wrong with the cluster's facts, field by field.
func (c Cluster) Validate() error { return nil }

// Validate says what is wrong with the node's facts.
func (n Node) Validate() error { return nil }

// Authorities returns what the authorities of a cluster look like: root,
// kubernetes, etcd, front-proxy, in this order.
func Authorities(c Cluster) []AuthoritySpec { return nil }

// Leaves returns every certificate the node needs, sorted by Name.
func Leaves(c Cluster, n Node) ([]Leaf, error) { return nil, nil }

// Files returns everything the node's /etc/kubernetes holds after an install, sorted by Path.
func Files(c Cluster, n Node) ([]File, error) { return nil, nil }

// RBAC returns the bindings the certificates of that release rely on.
func RBAC(v Version) []Binding { return nil }

// AllLeafIDs returns the ID of every row of the fact table, sorted.
func AllLeafIDs() []string { return nil }
