package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/x509"
	"embed"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// corpus holds kubeadm configurations as people write them. What kubeadm refuses
// begins with "refused-"; the programs have to agree on every one.
//
//go:embed testdata/corpus/*.yaml
var corpus embed.FS

const readAs = "read as kubeadm reads it: "

// differential gives each configuration of the corpus to kubeadm and to
// the two programs, and compares what each asks for, name by name, and what each makes
// of it: certificates and kubeconfigs, field by field.
func differential(officiant, node, dir string) ([]check, error) {
	entries, err := fs.ReadDir(corpus, "testdata/corpus")
	if err != nil {
		return nil, err
	}
	var checks []check
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), ".yaml")
		data, err := fs.ReadFile(corpus, path.Join("testdata/corpus", e.Name()))
		if err != nil {
			return nil, err
		}
		at, refused := filepath.Join(dir, name), strings.HasPrefix(name, "refused-")
		checks = append(checks, check{readAs + name, func(ctx context.Context, k kubeadm, _ string) error {
			if err := compared(ctx, k, node, at, data, refused); err != nil || refused {
				return err
			}
			return installed{officiant: officiant, node: node, dir: at}.compare(ctx, k)
		}})
	}
	return checks, nil
}

// compared holds one configuration's two readings against each other.
func compared(ctx context.Context, k kubeadm, node, dir string, data []byte, refused bool) error {
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755)); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, config), data, 0o644); err != nil {
		return err
	}
	_, theirs := k.run(ctx, dir, "certs", "generate-csr", "--config", config, "--cert-dir", "/csr/pki",
		"--kubeconfig-dir", "/csr")
	request := filepath.Join(dir, "n.req")
	cmd := exec.CommandContext(ctx, node, "request", "--kubeadm", filepath.Join(dir, config), "--roles",
		"control-plane,etcd",
		"--root", filepath.Join(dir, "root"), "--out", request)
	said, ours := cmd.CombinedOutput()
	switch {
	case refused && theirs == nil:
		return fmt.Errorf("kubeadm takes it: %w", errUnexpected)
	case refused && ours == nil:
		return fmt.Errorf("officiant-node takes it: %w", errUnexpected)
	case refused:
		return nil
	case theirs != nil:
		return theirs
	case ours != nil:
		return fmt.Errorf("%w\n%s", ours, said)
	}
	want, err := folderCSRs(filepath.Join(dir, "csr"))
	if err != nil {
		return err
	}
	got, err := requestCSRs(request)
	if err != nil {
		return err
	}
	return same(want, got)
}

// same compares subject and names of every certificate request.
func same(want, got map[string]*x509.CertificateRequest) error {
	if len(want) == 0 || len(want) != len(got) {
		return fmt.Errorf("kubeadm makes %d certificate requests, officiant-node %d", len(want), len(got))
	}
	var all []error
	for name, w := range want {
		g := got[name]
		if g == nil {
			all = append(all, fmt.Errorf("%s: officiant-node makes none", name))
			continue
		}
		for what, pair := range map[string][2]string{
			"subject":      {w.Subject.String(), g.Subject.String()},
			"DNS names":    {dnsNames(w.DNSNames), dnsNames(g.DNSNames)},
			"IP addresses": {addresses(w.IPAddresses), addresses(g.IPAddresses)},
			"usages asked": {fmt.Sprint(len(w.EmailAddresses) + len(w.URIs)), fmt.Sprint(len(g.EmailAddresses) + len(g.URIs))},
		} {
			if pair[0] != pair[1] {
				all = append(all, fmt.Errorf("%s: %s: kubeadm has %s, officiant-node %s", name, what, pair[0], pair[1]))
			}
		}
	}
	return errors.Join(all...)
}

// dnsNames leaves out what is an address: kubeadm asks so for a node's name, too,
// and no client looks for one there (RFC 6125 section 6.4.2).
func dnsNames(list []string) string {
	names := slices.DeleteFunc(slices.Clone(list), func(s string) bool { return net.ParseIP(s) != nil })
	slices.Sort(names)
	return strings.Join(slices.Compact(names), " ")
}

func addresses(list []net.IP) string {
	var all []string
	for _, ip := range list {
		all = append(all, ip.String())
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), " ")
}

func parsed(data []byte) (*x509.CertificateRequest, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("no PEM")
	}
	return x509.ParseCertificateRequest(block.Bytes)
}

// folderCSRs reads what kubeadm wrote, by the names a request has.
func folderCSRs(dir string) (map[string]*x509.CertificateRequest, error) {
	all := map[string]*x509.CertificateRequest{}
	err := filepath.WalkDir(dir, func(at string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(at) != ".csr" {
			return err
		}
		data, err := os.ReadFile(at)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, strings.TrimSuffix(at, ".csr"))
		if err != nil {
			return err
		}
		all[strings.TrimPrefix(filepath.ToSlash(name), "pki/")], err = parsed(data)
		return err
	})
	return all, err
}

func requestCSRs(file string) (map[string]*x509.CertificateRequest, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	all := map[string]*x509.CertificateRequest{}
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		name, ok := strings.CutPrefix(strings.TrimSuffix(h.Name, ".csr"), "csr/")
		if !ok {
			continue
		}
		content, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		if all[name], err = parsed(content); err != nil {
			return nil, fmt.Errorf("%s: %w", h.Name, err)
		}
	}
}
