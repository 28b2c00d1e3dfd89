package kubepki

import (
	"fmt"
	"slices"

	"officiant/bundle/nearest"
)

// Has says whether the node has that role.
func (n Node) Has(r Role) bool { return slices.Contains(n.Roles, r) }

// Validate says everything that is wrong with the node's facts, as joined *FieldError.
func (n Node) Validate() error {
	var p problems
	if !isSubdomain(n.Name) {
		p.add("name", "%q is not a lower-case DNS name, which a node's name has to be", n.Name)
	}
	if len(n.Roles) == 0 {
		p.add("roles", "missing; a node is %s, %s or %s", ControlPlane, Etcd, Worker)
	}
	for i, r := range n.Roles {
		field := fmt.Sprintf("roles[%d]", i)
		switch {
		case r != ControlPlane && r != Etcd && r != Worker:
			p.add(field, "%q is not a role; a node is %s, %s or %s%s", r, ControlPlane, Etcd, Worker,
				nearest.Among(r, ControlPlane, Etcd, Worker))
		case slices.Index(n.Roles, r) < i:
			p.add(field, "%s is there twice", r)
		}
	}
	n.checkAddress(&p)
	if n.BindPort < 0 || n.BindPort > 65535 {
		p.add("bindPort", "%d is not a port", n.BindPort)
	}
	if n.First && !n.Has(ControlPlane) {
		p.add("first", "only a control-plane node can be the first")
	}
	n.checkExtras(&p)
	return p.err()
}

func (n Node) checkAddress(p *problems) {
	if !n.Address.IsValid() {
		if n.Has(ControlPlane) || n.Has(Etcd) {
			p.add("address", "missing; the certificates of a control-plane or etcd node carry it")
		}
		return
	}
	if err := checkAddr(n.Address); err != nil {
		p.add("address", "%v", err)
		return
	}
	// kubeadm refuses the same (VerifyAPIServerBindAddress).
	if !n.Address.IsGlobalUnicast() {
		p.add("address", "%s is not an address other nodes can reach", n.Address)
	}
}

// bindPort is the API server's port on this node.
func (n Node) bindPort() int {
	if n.BindPort == 0 {
		return defaultBindPort
	}
	return n.BindPort
}
