package manifests

import (
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
)

const rbac = "rbac.authorization.k8s.io/v1"

// rights are namespace, service account, and what it may do.
func (c *Cluster) rights() []any {
	namespace := &corev1.Namespace{TypeMeta: kind("v1", "Namespace"), ObjectMeta: c.meta(c.Namespace)}
	namespace.Namespace = ""
	namespace.Labels["pod-security.kubernetes.io/enforce"] = "restricted"
	everywhere := c.meta(Name)
	everywhere.Namespace = ""
	subjects := []rbacv1.Subject{{Kind: "ServiceAccount", Name: Name, Namespace: c.Namespace}}
	role := func(kind string) rbacv1.RoleRef {
		return rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: kind, Name: Name}
	}
	return []any{
		namespace,
		&corev1.ServiceAccount{TypeMeta: kind("v1", "ServiceAccount"), ObjectMeta: c.meta(Name)},
		&rbacv1.ClusterRole{TypeMeta: kind(rbac, "ClusterRole"), ObjectMeta: everywhere, Rules: []rbacv1.PolicyRule{
			rule("certificates.k8s.io", "certificatesigningrequests", nil, "get", "list", "watch"),
			rule("certificates.k8s.io", "certificatesigningrequests/approval", nil, "update"),
			rule("certificates.k8s.io", "certificatesigningrequests/status", nil, "update"),
			// An API server asks for these two beside the right to update.
			rule("certificates.k8s.io", "signers", c.SignerNames, "approve", "sign"),
		}},
		&rbacv1.ClusterRoleBinding{TypeMeta: kind(rbac, "ClusterRoleBinding"), ObjectMeta: everywhere,
			Subjects: subjects, RoleRef: role("ClusterRole")},
		&rbacv1.Role{TypeMeta: kind(rbac, "Role"), ObjectMeta: c.meta(Name), Rules: []rbacv1.PolicyRule{
			rule("coordination.k8s.io", "leases", []string{Name}, "get", "update"),
			rule("", "configmaps", []string{Name}, "get", "update"),
		}},
		&rbacv1.RoleBinding{TypeMeta: kind(rbac, "RoleBinding"), ObjectMeta: c.meta(Name), Subjects: subjects,
			RoleRef: role("Role")},
	}
}

func rule(group, resource string, names []string, verbs ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{resource}, ResourceNames: names,
		Verbs: verbs}
}
