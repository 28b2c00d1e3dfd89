package manifests

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	certsv1 "k8s.io/api/certificates/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"
)

// Name is that of every object, and Namespace where they are unless said otherwise.
const (
	Name      = "officiant-signer-relay"
	Namespace = "officiant"
)

// Secret is what the relay's certificate, key and the signer's authority are in, by the
// names tls.crt, tls.key and ca.crt. People make it; no key is printed here.
const Secret = Name + "-tls"

// metricsPort is that of /metrics, /readyz and /healthz.
const metricsPort = 9100

// SignerNames are those of kubelets' certificates.
func SignerNames() []string {
	return []string{certsv1.KubeAPIServerClientKubeletSignerName, certsv1.KubeletServingSignerName}
}

// Cluster is what the objects are made of.
type Cluster struct {
	Namespace, Image, Endpoint string
	SignerNames                []string
	Replicas                   int32
}

// Invalid says what is wrong with a Cluster.
type Invalid struct{ Reason string }

func (e *Invalid) Error() string { return e.Reason }

func (c *Cluster) check() (host string, port int32, err error) {
	host, text, err := net.SplitHostPort(c.Endpoint)
	n, e := strconv.ParseUint(text, 10, 16)
	switch {
	case err != nil || e != nil || n == 0 || host == "":
		return "", 0, &Invalid{c.Endpoint + " is not HOST:PORT: pods reach the signer by mutual TLS"}
	case c.Image == "" || strings.ContainsAny(c.Image, " \t\n"):
		return "", 0, &Invalid{"the image has no name"}
	case c.Replicas < 2 || c.Replicas > 9:
		return "", 0, &Invalid{"replicas are from 2 to 9: of one, nobody takes the place"}
	}
	return host, int32(n), nil
}

// Objects writes all objects, in the order in which they are applied.
func (c *Cluster) Objects() ([]byte, error) {
	host, port, err := c.check()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for _, object := range append(c.rights(), c.work(host, port)...) {
		text, err := yaml.Marshal(object)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&out, "---\n%s", bytes.ReplaceAll(text, []byte("status: {}\n"), nil))
	}
	return out.Bytes(), nil
}

func labels() map[string]string {
	return map[string]string{"app.kubernetes.io/name": Name, "app.kubernetes.io/part-of": "officiant"}
}

func (c *Cluster) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: c.Namespace, Labels: labels()}
}

func kind(version, kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: version, Kind: kind}
}

// work are Lease and ConfigMap, and what runs.
func (c *Cluster) work(host string, port int32) []any {
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/name": Name}}
	one := intstr.FromInt32(1)
	return []any{
		// Both are empty: applied again, they keep what the relay has written.
		&coordinationv1.Lease{TypeMeta: kind("coordination.k8s.io/v1", "Lease"), ObjectMeta: c.meta(Name)},
		&corev1.ConfigMap{TypeMeta: kind("v1", "ConfigMap"), ObjectMeta: c.meta(Name)},
		&appsv1.Deployment{TypeMeta: kind("apps/v1", "Deployment"), ObjectMeta: c.meta(Name),
			Spec: appsv1.DeploymentSpec{Replicas: &c.Replicas, Selector: selector,
				Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels()},
					Spec: c.pod(selector)}}},
		&policyv1.PodDisruptionBudget{TypeMeta: kind("policy/v1", "PodDisruptionBudget"), ObjectMeta: c.meta(Name),
			Spec: policyv1.PodDisruptionBudgetSpec{MaxUnavailable: &one, Selector: selector}},
		c.network(selector, host, port),
	}
}

// address is the network of one address; false for a name.
func address(host string) (string, bool) {
	a, err := netip.ParseAddr(host)
	if err != nil {
		return "", false
	}
	return netip.PrefixFrom(a, a.BitLen()).String(), true
}
