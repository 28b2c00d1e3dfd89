package main

import (
	"errors"

	"github.com/spf13/cobra"

	"officiant/cmd/internal/exit"
	"officiant/cmd/officiant-signer-relay/internal/manifests"
)

func newManifestsCommand(o *options) *cobra.Command {
	m := manifests.Cluster{}
	var part string
	c := &cobra.Command{
		Use:   "manifests",
		Short: "Print what a cluster needs for the relay",
		Long: `Manifests prints the objects to apply: namespace, service account with the right to
approve and sign for the signer names and no others, Lease, ConfigMap, a Deployment of two
replicas, PodDisruptionBudget and NetworkPolicy. The certificate that the relay shows the
signer is a Secret, officiant-signer-relay-tls with tls.crt, tls.key and ca.crt, which you
make: no key is printed here.

--part kubelet prints what kubelets need to ask for certificates; --part kubeadm what API
server and controller manager need to take them.`,
		Args: exit.ExactArgs(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			text, err := printed(&m, part)
			if err == nil {
				_, err = o.Stdout.Write(text)
			}
			return err
		},
	}
	f := c.Flags()
	f.StringVar(&part, "part", "cluster", "what is printed: cluster, kubelet or kubeadm")
	f.StringVar(&m.Namespace, "namespace", manifests.Namespace, "where the relay runs")
	f.StringVar(&m.Image, "image", "", "its container image")
	f.StringVar(&m.Endpoint, "signer-endpoint", "", "where officiant-signer listens: HOST:PORT")
	f.StringArrayVar(&m.SignerNames, "signer-name", manifests.SignerNames(),
		"a `NAME` of the API's signers; may be given several times")
	f.Int32Var(&m.Replicas, "replicas", 2, "relays; one of them works")
	return c
}

func printed(m *manifests.Cluster, part string) ([]byte, error) {
	switch part {
	case "kubelet":
		return []byte(manifests.Kubelet), nil
	case "kubeadm":
		return []byte(manifests.Kubeadm), nil
	case "cluster":
	default:
		return nil, exit.Usagef("--part is cluster, kubelet or kubeadm")
	}
	if m.Image == "" || m.Endpoint == "" {
		return nil, exit.Usagef("--part cluster needs --image and --signer-endpoint")
	}
	check := runOptions{options: &options{}, namespace: m.Namespace, signerNames: m.SignerNames, workers: 1,
		deadline: 1, lease: 1e9, longest: 1e9, qps: 1}
	if err := check.validate(); err != nil {
		return nil, err
	}
	text, err := m.Objects()
	if invalid := (*manifests.Invalid)(nil); errors.As(err, &invalid) {
		return nil, exit.Usagef("%w", err)
	}
	return text, err
}
