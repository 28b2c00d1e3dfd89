package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// csrFolder is where `kubeadm certs generate-csr` writes, below the node's root.
const csrFolder = "csr"

func (c *conduct) csrs(node string) string { return filepath.Join(c.root(node), csrFolder) }

// generateCSRs has kubeadm make the node's keys and requests, and shows that what
// was changed in its folder, or made for other names, becomes no request.
func (c *conduct) generateCSRs(m member, request []string) []check {
	refused := func(says string, spoil func(dir string) error) func(context.Context, kubeadm, string) error {
		return func(ctx context.Context, _ kubeadm, _ string) error {
			dir := c.path("spoiled-csr")
			if err := errors.Join(os.RemoveAll(dir), os.CopyFS(dir, os.DirFS(c.csrs(m.name))), spoil(dir)); err != nil {
				return fmt.Errorf("putting in the fault: %w", err)
			}
			args := append(append([]string{}, request...), "--csr-dir", dir, "--root", c.path("spoiled-root"))
			_, err := c.command(ctx, c.node, args...)
			switch {
			case err == nil:
				return errUnexpected
			case !strings.Contains(err.Error(), says):
				return fmt.Errorf("refused, but not for that reason: %w", err)
			}
			return nil
		}
	}
	return []check{
		{"kubeadm certs generate-csr: " + m.name, func(ctx context.Context, _ kubeadm, _ string) error {
			return c.generate(ctx, m.name, config)
		}},
		{"a CSR of another key in the folder is refused", refused("is not the key of pki/apiserver.csr", func(dir string) error {
			return os.Rename(filepath.Join(dir, "pki", "front-proxy-client.key"), filepath.Join(dir, "pki", "apiserver.key"))
		})},
		{"a CSR that was changed is refused", refused("apiserver.csr", func(dir string) error {
			return replaceIn(filepath.Join(dir, "pki", "apiserver.csr"), "\nMII", "\nMIJ")
		})},
		{"a missing CSR is named", refused("etcd/peer.csr: is missing", func(dir string) error {
			return os.Remove(filepath.Join(dir, "pki", "etcd", "peer.csr"))
		})},
		{"a folder kubeadm made for other names is refused", func(ctx context.Context, k kubeadm, t string) error {
			return c.forOtherNames(ctx, m.name, refused(`asks for DNS name "other.test"`, func(dir string) error {
				return errors.Join(os.RemoveAll(dir), os.CopyFS(dir, os.DirFS(c.csrs(m.name)+"-other")))
			}))
		}},
	}
}

func (c *conduct) generate(ctx context.Context, node, config string) error {
	folder := "/" + csrFolder
	if config != "/kubeadm.yaml" {
		folder += "-other"
	}
	a, err := c.judge.run(ctx, c.root(node), "certs", "generate-csr", "--config", config, "--cert-dir", folder+"/pki", "--kubeconfig-dir", folder)
	if err == nil && strings.TrimSpace(a.stderr) != "" {
		return fmt.Errorf("kubeadm warns\n%s", a.stderr)
	}
	return err
}

// forOtherNames has kubeadm make a folder with a name that the node's own
// configuration does not have.
func (c *conduct) forOtherNames(ctx context.Context, node string, refused func(context.Context, kubeadm, string) error) error {
	data, err := c.configuration(node)
	if err != nil {
		return err
	}
	const other = "/other.yaml"
	data = bytes.Replace(data, []byte("kind: ClusterConfiguration\n"), []byte("kind: ClusterConfiguration\napiServer:\n  certSANs: [other.test]\n"), 1)
	if err := os.WriteFile(filepath.Join(c.root(node), other), data, 0o644); err != nil {
		return err
	}
	if err := c.generate(ctx, node, other); err != nil {
		return err
	}
	return refused(ctx, kubeadm{}, "")
}

func replaceIn(file, old, new string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if !bytes.Contains(data, []byte(old)) {
		return fmt.Errorf("%s has no %q", file, old)
	}
	return os.WriteFile(file, bytes.Replace(data, []byte(old), []byte(new), 1), 0o600)
}

// kubeadmKeys fails unless the keys in place are those generate-csr made.
func kubeadmKeys(_ context.Context, _ kubeadm, tree string) error {
	pairs := map[string]string{}
	for _, name := range []string{"apiserver", "apiserver-kubelet-client", "apiserver-etcd-client", "front-proxy-client",
		"etcd/server", "etcd/peer", "etcd/healthcheck-client"} {
		pairs["pki/"+name+".key"] = "pki/" + name + ".crt"
	}
	for _, name := range []string{"admin.conf", "super-admin.conf", "kubelet.conf", "controller-manager.conf", "scheduler.conf"} {
		pairs[name] = name
	}
	for made, installed := range pairs {
		key, err := os.ReadFile(filepath.Join(tree, csrFolder, made))
		if err != nil {
			return err
		}
		certificate, err := os.ReadFile(filepath.Join(tree, etcKubernetes, installed))
		if err != nil {
			return err
		}
		if made == installed {
			if _, key, err = embedded(filepath.Join(tree, csrFolder, made)); err != nil {
				return err
			}
			if certificate, _, err = embedded(filepath.Join(tree, etcKubernetes, installed)); err != nil {
				return err
			}
		}
		if !belongs(key, certificate) {
			return fmt.Errorf("the certificate in %s is not for the key of generate-csr", installed)
		}
	}
	return nil
}

// csrRefusals are faults that only a folder of generate-csr brings.
var csrRefusals = []refusal{
	{"generate-csr's folder with ca.crt alone is an incomplete external authority", asGenerated, certsPhase, "incomplete external CA"},
	{"generate-csr's own admin.conf, not completed, is refused", partial("admin.conf"), kubeconfigPhase, "admin.conf"},
	{"generate-csr's own scheduler.conf, not completed, is refused", partial("scheduler.conf"), kubeconfigPhase, "scheduler.conf"},
	{"a certificate for another key than generate-csr's is found", fromAnother("pki/apiserver"), kubeadmKeys, "pki/apiserver.crt"},
}

// asGenerated puts generate-csr's folder in the place of the installed tree, but
// for ca.crt.
func asGenerated(f files) error {
	ca, err := f.read("pki/ca.crt")
	if err != nil {
		return err
	}
	if err := os.RemoveAll(string(f)); err != nil {
		return err
	}
	made := filepath.Join(string(f), "..", "..", csrFolder)
	return errors.Join(os.CopyFS(string(f), os.DirFS(made)), f.write("pki/ca.crt", ca))
}

// partial puts back a kubeconfig as generate-csr wrote it: with a key, without
// certificate and authority.
func partial(name string) func(files) error {
	return func(f files) error {
		data, err := os.ReadFile(filepath.Join(string(f), "..", "..", csrFolder, name))
		if err != nil {
			return err
		}
		return f.write(name, data)
	}
}
