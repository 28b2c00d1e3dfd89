package manifests_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"officiant/cmd/officiant-signer-relay/internal/manifests"
)

// objects are those that are printed, by kind, read as strictly as an API server reads.
func objects(t *testing.T, c manifests.Cluster) map[string]string {
	t.Helper()
	text, err := c.Objects()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, one := range strings.Split(string(text), "---\n")[1:] {
		var head struct {
			Kind     string
			Metadata struct{ Name, Namespace string }
		}
		if err := yaml.Unmarshal([]byte(one), &head); err != nil {
			t.Fatal(err)
		}
		if all[head.Kind] != "" {
			t.Errorf("%s is there twice", head.Kind)
		}
		everywhere := slices.Contains([]string{"Namespace", "ClusterRole", "ClusterRoleBinding"}, head.Kind)
		if everywhere != (head.Metadata.Namespace == "") {
			t.Errorf("%s is in namespace %q", head.Kind, head.Metadata.Namespace)
		}
		all[head.Kind] = one
	}
	return all
}

func in[T any](t *testing.T, all map[string]string, kind string) (object T) {
	t.Helper()
	if err := yaml.UnmarshalStrict([]byte(all[kind]), &object); err != nil || all[kind] == "" {
		t.Fatalf("%s: %v", kind, err)
	}
	return object
}

func cluster() manifests.Cluster {
	return manifests.Cluster{Namespace: "here", Image: "registry.example/relay:1", Endpoint: "192.0.2.7:9443",
		SignerNames: manifests.SignerNames(), Replicas: 2}
}

// TestRights: the relay may do what it does, and nothing else.
func TestRights(t *testing.T) {
	all := objects(t, cluster())
	if len(all) != 11 {
		t.Errorf("%d objects", len(all))
	}
	var rights []string
	rules := append(in[rbacv1.ClusterRole](t, all, "ClusterRole").Rules, in[rbacv1.Role](t, all, "Role").Rules...)
	for _, r := range rules {
		rights = append(rights, strings.Join(r.Resources, ",")+" "+strings.Join(r.ResourceNames, ",")+" "+
			strings.Join(r.Verbs, ","))
	}
	want := []string{
		"certificatesigningrequests  get,list,watch",
		"certificatesigningrequests/approval  update",
		"certificatesigningrequests/status  update",
		"signers kubernetes.io/kube-apiserver-client-kubelet,kubernetes.io/kubelet-serving approve,sign",
		"leases officiant-signer-relay get,update",
		"configmaps officiant-signer-relay get,update",
	}
	if !slices.Equal(rights, want) {
		t.Errorf("rights are\n%s", strings.Join(rights, "\n"))
	}
	for kind, subject := range map[string]rbacv1.Subject{
		"ClusterRoleBinding": in[rbacv1.ClusterRoleBinding](t, all, "ClusterRoleBinding").Subjects[0],
		"RoleBinding":        in[rbacv1.RoleBinding](t, all, "RoleBinding").Subjects[0],
	} {
		if subject.Kind != "ServiceAccount" || subject.Name != manifests.Name || subject.Namespace != "here" {
			t.Errorf("%s: %+v", kind, subject)
		}
	}
}

// TestPod: what runs is of the "restricted" standard.
func TestPod(t *testing.T) {
	all := objects(t, cluster())
	if n := in[corev1.Namespace](t, all, "Namespace"); n.Labels["pod-security.kubernetes.io/enforce"] != "restricted" {
		t.Errorf("%v", n.Labels)
	}
	d := in[appsv1.Deployment](t, all, "Deployment")
	pod, c := d.Spec.Template.Spec, d.Spec.Template.Spec.Containers[0]
	if *d.Spec.Replicas != 2 || !*pod.SecurityContext.RunAsNonRoot || *c.SecurityContext.AllowPrivilegeEscalation ||
		!*c.SecurityContext.ReadOnlyRootFilesystem || !slices.Equal(c.SecurityContext.Capabilities.Drop,
		[]corev1.Capability{"ALL"}) ||
		pod.SecurityContext.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault ||
		len(pod.TopologySpreadConstraints) != 2 || pod.HostNetwork || len(c.Env) > 0 {
		t.Errorf("%+v", pod)
	}
	for _, want := range []string{"--signer-endpoint=192.0.2.7:9443", "--namespace=here", "--metrics=:9100",
		"--signer-name=kubernetes.io/kubelet-serving"} {
		if !slices.Contains(c.Args, want) {
			t.Errorf("%s is not in %q", want, c.Args)
		}
	}
	p := in[networkingv1.NetworkPolicy](t, all, "NetworkPolicy")
	if e := p.Spec.Egress[0]; e.To[0].IPBlock.CIDR != "192.0.2.7/32" || e.Ports[0].Port.IntValue() != 9443 {
		t.Errorf("%+v", e)
	}
	named := cluster()
	named.Endpoint = "signer.example:9443"
	if p := in[networkingv1.NetworkPolicy](t, objects(t, named), "NetworkPolicy"); len(p.Spec.Egress[0].To) != 0 {
		t.Errorf("%+v", p.Spec.Egress[0])
	}
}

func TestInvalid(t *testing.T) {
	for name, change := range map[string]func(*manifests.Cluster){
		"a socket":    func(c *manifests.Cluster) { c.Endpoint = "unix:/s" },
		"no port":     func(c *manifests.Cluster) { c.Endpoint = "host" },
		"port 70000":  func(c *manifests.Cluster) { c.Endpoint = "host:70000" },
		"no image":    func(c *manifests.Cluster) { c.Image = "" },
		"one replica": func(c *manifests.Cluster) { c.Replicas = 1 },
	} {
		c := cluster()
		change(&c)
		var invalid *manifests.Invalid
		if _, err := c.Objects(); !errors.As(err, &invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestParts: acceptance holds the real control plane's flags against what is printed here.
func TestParts(t *testing.T) {
	for _, part := range []string{manifests.Kubelet, manifests.Kubeadm} {
		var m map[string]any
		if err := yaml.UnmarshalStrict([]byte(part), &m); err != nil {
			t.Error(err)
		}
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "acceptance", "signer_room.go"))
	if err != nil {
		t.Fatal(err)
	}
	tried := regexp.MustCompile(`" \+\n\t*"`).ReplaceAllString(string(text), "") // texts over two lines
	for _, flag := range []string{"client-ca-file", "kubelet-certificate-authority", "controllers"} {
		_, after, ok := strings.Cut(manifests.Kubeadm, "name: "+flag+"\n    value: ")
		value, _, _ := strings.Cut(after, "\n")
		if value = strings.Trim(value, `"`); !ok || !strings.Contains(tried, "--"+flag+"="+value+`"`) {
			t.Errorf("acceptance does not use --%s=%s", flag, value)
		}
	}
}
