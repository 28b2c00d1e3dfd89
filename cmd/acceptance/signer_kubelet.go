package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// rotatingKubelet is worker-2 with the real kubelet, which rotates what it has.
type rotatingKubelet struct {
	kubeletNode
	room  *signerRoom
	first map[string]string // serial numbers, by kind
	says  string            // what its pod writes to its log
}

func (g *signerRoom) kubelet(m *machine) *rotatingKubelet {
	node := machine{host: g.site.hosts[2], tree: g.site.root("worker-2"), logs: g.site.path("logs"),
		at: paths{kubeletProgram: g.site.at[kubeletProgram]}, hostsFile: m.hostsFile}
	return &rotatingKubelet{room: g, first: map[string]string{}, says: unguessable(),
		kubeletNode: kubeletNode{site: g.site, api: m, machine: node}}
}

// begins has kubeadm write what the kubelet is started with: the bundle's
// KubeletConfiguration, which kubeadm init put into the cluster, has it rotate and ask.
func (k *rotatingKubelet) begins(ctx context.Context) error {
	if err := k.site.upload(ctx); err != nil {
		return err
	}
	if err := k.joins(ctx); err != nil {
		return err
	}
	text, err := os.ReadFile(k.configuration())
	if err != nil {
		return err
	}
	if !strings.Contains(string(text), "\nserverTLSBootstrap: true\n") {
		return fmt.Errorf("kubeadm join has not written serverTLSBootstrap: true\n%s", text)
	}
	if err := errors.Join(rotationIs(k.tree, false), k.pod()); err != nil {
		return err
	}
	return k.starts(ctx)
}

// pod has the kubelet run one, whose log kubectl is to read.
func (k *rotatingKubelet) pod() error {
	manifests := k.path("manifests")
	return errors.Join(os.MkdirAll(manifests, 0o755), os.WriteFile(filepath.Join(manifests, "echo.yaml"),
		fmt.Appendf(nil, `apiVersion: v1
kind: Pod
metadata: {name: echo, namespace: kube-system}
spec:
  hostNetwork: true
  containers: [{name: echo, image: "example.test/echo:1", command: [echo], args: [%q]}]
`, k.says), 0o644))
}

func (k *rotatingKubelet) configuration() string {
	return filepath.Join(k.tree, "var/lib/kubelet/config.yaml")
}

// certificate is the one of a kind that the kubelet has, by is who has to have signed it.
func (k *rotatingKubelet) certificate(kind string) (c, by *x509.Certificate, err error) {
	path, by := k.current(), k.room.client
	if kind == "serving" {
		path, by = filepath.Join(k.tree, "var/lib/kubelet/pki/kubelet-server-current.pem"), k.room.serving
	}
	target, err := os.Readlink(path) // as the kubelet sees it
	if err != nil {
		return nil, nil, err
	}
	c, err = firstCertificate(filepath.Join(k.tree, target))
	return c, by, err
}

// has waits until the kubelet has a certificate that the signer signed, other than the
// first one when that was seen before.
func (k *rotatingKubelet) has(kind string) func(context.Context) error {
	return func(ctx context.Context) error {
		return until(ctx, patience, k.running[kubeletProgram], func() error {
			c, by, err := k.certificate(kind)
			if err != nil {
				return err
			}
			if !bytes.Equal(c.RawIssuer, by.RawSubject) {
				return fmt.Errorf("it is signed by %s", c.Issuer)
			}
			serial := fmt.Sprintf("%x", c.SerialNumber)
			if serial == k.first[kind] {
				return fmt.Errorf("it has its first %s certificate still", kind)
			}
			if kind == "client" {
				if err := k.asks(c); err != nil {
					return err
				}
			}
			if k.first[kind] == "" {
				k.first[kind] = serial
			}
			return nil
		})
	}
}

// asks fails unless the API server has been asked with that certificate.
func (k *rotatingKubelet) asks(c *x509.Certificate) error {
	seen, err := k.credentials()
	if err == nil && !seen[fmt.Sprintf("X509SHA256=%x", sha256.Sum256(c.Raw))] {
		err = fmt.Errorf("the API server has not seen serial number %x", c.SerialNumber)
	}
	return err
}

// answers has kubectl logs read the log of its pod: the API server asks the kubelet, over
// TLS that it verifies.
func (k *rotatingKubelet) answers(ctx context.Context) error {
	said, err := k.api.kubectl(ctx, "super-admin.conf", "logs", "-n", "kube-system", "echo-"+k.name)
	if err == nil && strings.TrimSpace(said) != k.says {
		return fmt.Errorf("kubectl logs says %q, and the pod %q", said, k.says)
	}
	return err
}

// soon is answers of a kubelet or API server that has just started: each learns of the
// other a little later.
func (k *rotatingKubelet) soon(ctx context.Context) error {
	return until(ctx, patience, k.running[kubeletProgram], func() error { return k.answers(ctx) })
}

// unsigned has it serve with a certificate that nobody has signed, as it does without
// serverTLSBootstrap: then the API server does not ask it.
func (k *rotatingKubelet) unsigned(ctx context.Context) error {
	part := k.configuration()
	text, err := os.ReadFile(part)
	if err != nil {
		return err
	}
	restart := func() error {
		k.stop(kubeletProgram)
		return k.starts(ctx)
	}
	if err := errors.Join(rewrite(part, part, "serverTLSBootstrap: true", "serverTLSBootstrap: false"),
		restart()); err != nil {
		return err
	}
	err = until(ctx, patience, k.running[kubeletProgram], func() error {
		return refused(k.answers(ctx), "failed to verify certificate: x509: ")
	})
	return errors.Join(err, os.WriteFile(part, text, 0o644), restart(), k.soon(ctx))
}
