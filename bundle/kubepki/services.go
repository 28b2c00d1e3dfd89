package kubepki

import "slices"

// Service is a program of a node that somebody has to restart.
type Service struct {
	Name      string // of its systemd unit, and of its static pod and manifest
	StaticPod bool   // kubeadm runs it from a manifest
	Health    Health
}

// Health is where a service says whether it is well, on the node itself.
type Health struct {
	Port   int       // of the API server the default; a node may have another
	Path   string    // answers 200 when it is well
	Plain  bool      // HTTP without TLS
	Client string    // Leaf.Name of the certificate to ask with; empty: anybody may ask
	Trust  Authority // whose certificate it shows; empty: one that it made itself
}

// services are in the order in which they are restarted: what others need comes first.
var services = []Service{
	{"etcd", true, Health{Port: 2379, Path: "/health", Client: "etcd/healthcheck-client", Trust: EtcdAuthority}},
	{"kube-apiserver", true, Health{Port: 6443, Path: "/readyz", Client: kubeletConf, Trust: KubernetesAuthority}},
	{"kube-controller-manager", true, Health{Port: 10257, Path: "/healthz"}},
	{"kube-scheduler", true, Health{Port: 10259, Path: "/healthz"}},
	{"kubelet", false, Health{Port: 10248, Path: "/healthz", Plain: true}},
	{"kube-proxy", false, Health{Port: 10256, Path: "/healthz", Plain: true}},
}

// Services lists what may have to be restarted on a node, in the order for it.
func Services() []Service { return slices.Clone(services) }

// ServiceNamed finds a service.
func ServiceNamed(name string) (Service, bool) {
	i := slices.IndexFunc(services, func(s Service) bool { return s.Name == name })
	if i < 0 {
		return Service{}, false
	}
	return services[i], true
}
