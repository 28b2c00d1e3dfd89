package kubepki

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
)

// Binding is a ClusterRoleBinding that certificates of a release need to be
// of use. `kubeadm init` and `kubeadm upgrade apply` make them. People who
// skip those phases have to apply them.
type Binding struct {
	ID          string // "cluster-admins-binding"
	Name        string // "kubeadm:cluster-admins"
	ClusterRole string // "cluster-admin"
	SubjectKind string // "Group" or "User"
	Subject     string // "kubeadm:cluster-admins"
}

var bindingRows = []since[Binding]{
	// kubernetes/kubernetes PR 121305: admin.conf is no longer in system:masters.
	{from(1, 29, 0), Binding{"cluster-admins-binding", "kubeadm:cluster-admins", "cluster-admin", "Group", groupClusterAdmins}},
	// PR 138957: apiserver-kubelet-client has no organization any more.
	{kubeletClientWithoutGroup, Binding{"apiserver-kubelet-client-binding", "kubeadm:apiserver-kubelet-client", "system:kubelet-api-admin", "User", kubeletClient}},
}

// RBAC returns the bindings the certificates of that release rely on, with
// the naming of kubeadm. With the documentation's organizations none is needed.
func RBAC(v Version) []Binding {
	var bindings []Binding
	for _, r := range bindingRows {
		if r.cutover.reached(v) {
			bindings = append(bindings, r.value)
		}
	}
	return bindings
}

// Bindings returns the bindings these leaves of a node rely on: RBAC's for
// kubeadm's own organizations, and what follows from others a plan may set.
func Bindings(leaves []Leaf) []Binding {
	admins, kubelets := false, ""
	for _, l := range leaves {
		inAdmins := slices.Contains(l.Organization, groupClusterAdmins)
		admins = admins || inAdmins
		if l.ID == kubeletClient && !inAdmins && !slices.Contains(l.Organization, groupMasters) {
			kubelets = l.CommonName
		}
	}
	var bindings []Binding
	if admins {
		bindings = append(bindings, bindingRows[0].value)
	}
	if kubelets != "" {
		b := bindingRows[1].value
		b.Subject = kubelets
		bindings = append(bindings, b)
	}
	return bindings
}

// plainScalar is a text that YAML takes for the same text without quotes.
var plainScalar = regexp.MustCompile(`^[a-z]+([-:][a-z]+)+$`)

// Manifest returns the binding as a YAML document for kubectl apply.
func (b Binding) Manifest() string {
	subject := b.Subject
	if !plainScalar.MatchString(subject) { // a common name that a plan sets
		subject = strconv.Quote(subject)
	}
	return fmt.Sprintf(`apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: %s
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: %s
subjects:
- apiGroup: rbac.authorization.k8s.io
  kind: %s
  name: %s
`, b.Name, b.ClusterRole, b.SubjectKind, subject)
}
