package manifests

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// folder is where the Secret's files are in the pod.
const folder = "/etc/officiant-signer-relay"

// pod is one of the "restricted" standard: nobody's user, nothing to write, no right more.
func (c *Cluster) pod(selector *metav1.LabelSelector) corev1.PodSpec {
	yes, no, user, grace := true, false, int64(65532), int64(30)
	args := []string{"run", "--signer-endpoint=" + c.Endpoint, "--tls-cert=" + folder + "/tls.crt",
		"--tls-key=" + folder + "/tls.key", "--signer-ca=" + folder + "/ca.crt", "--namespace=" + c.Namespace,
		fmt.Sprintf("--metrics=:%d", metricsPort)}
	for _, name := range c.SignerNames {
		args = append(args, "--signer-name="+name)
	}
	probe := func(path string, failures int32) *corev1.Probe {
		return &corev1.Probe{PeriodSeconds: 10, TimeoutSeconds: 5, FailureThreshold: failures,
			ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path,
				Port: intstr.FromString("metrics")}}}
	}
	return corev1.PodSpec{
		ServiceAccountName: Name, TerminationGracePeriodSeconds: &grace, EnableServiceLinks: &no,
		PriorityClassName: "system-cluster-critical", // without it kubelets' certificates end
		SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: &yes, RunAsUser: &user, RunAsGroup: &user,
			FSGroup: &user, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
		TopologySpreadConstraints: []corev1.TopologySpreadConstraint{
			{MaxSkew: 1, TopologyKey: "kubernetes.io/hostname", WhenUnsatisfiable: corev1.ScheduleAnyway,
				LabelSelector: selector},
			{MaxSkew: 1, TopologyKey: "topology.kubernetes.io/zone", WhenUnsatisfiable: corev1.ScheduleAnyway,
				LabelSelector: selector}},
		Containers: []corev1.Container{{
			Name: "relay", Image: c.Image, Args: args,
			Ports: []corev1.ContainerPort{{Name: "metrics", ContainerPort: metricsPort}},
			Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{"cpu": resource.MustParse("20m"), "memory": resource.MustParse("64Mi")},
				Limits:   corev1.ResourceList{"memory": resource.MustParse("512Mi")}},
			LivenessProbe: probe("/healthz", 3), ReadinessProbe: probe("/readyz", 1),
			SecurityContext: &corev1.SecurityContext{AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes,
				Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}}},
			VolumeMounts: []corev1.VolumeMount{{Name: "tls", MountPath: folder, ReadOnly: true}},
		}},
		Volumes: []corev1.Volume{{Name: "tls", VolumeSource: corev1.VolumeSource{
			Secret: &corev1.SecretVolumeSource{SecretName: Secret, DefaultMode: new(int32(0o440))}}}},
	}
}

// network lets the relay reach the signer, the API server and names, and others its
// metrics. Where an API server is, a policy cannot say: its ports stand for it.
func (c *Cluster) network(selector *metav1.LabelSelector, host string, port int32) any {
	tcp := corev1.ProtocolTCP
	at := func(protocol corev1.Protocol, port int32) networkingv1.NetworkPolicyPort {
		p := intstr.FromInt32(port)
		return networkingv1.NetworkPolicyPort{Protocol: &protocol, Port: &p}
	}
	signer := networkingv1.NetworkPolicyEgressRule{Ports: []networkingv1.NetworkPolicyPort{at(tcp, port)}}
	if cidr, ok := address(host); ok {
		signer.To = []networkingv1.NetworkPolicyPeer{{IPBlock: &networkingv1.IPBlock{CIDR: cidr}}}
	}
	return &networkingv1.NetworkPolicy{TypeMeta: kind("networking.k8s.io/v1", "NetworkPolicy"),
		ObjectMeta: c.meta(Name), Spec: networkingv1.NetworkPolicySpec{PodSelector: *selector,
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress},
			Ingress: []networkingv1.NetworkPolicyIngressRule{
				{Ports: []networkingv1.NetworkPolicyPort{at(tcp, metricsPort)}}},
			Egress: []networkingv1.NetworkPolicyEgressRule{signer,
				{Ports: []networkingv1.NetworkPolicyPort{at(tcp, 443), at(tcp, 6443)}},
				{Ports: []networkingv1.NetworkPolicyPort{at(corev1.ProtocolUDP, 53), at(tcp, 53)}}}}}
}
