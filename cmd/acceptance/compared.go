package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// installed holds the files that kubeadm makes of one configuration, with CAs of its
// own, against those that a ceremony's bundle brings: each certificate field by field,
// and each kubeconfig but for what is in base64 in it.
type installed struct {
	officiant, node string
	dir             string
	algorithm       bool // the configuration names one, so the keys' kinds have to agree
}

func (i installed) path(name string) string { return filepath.Join(i.dir, name) }

// compare makes both trees and compares them.
func (i installed) compare(ctx context.Context, k kubeadm) error {
	tree := i.path("kubeadm")
	if err := os.MkdirAll(tree, 0o755); err != nil {
		return err
	}
	data, err := os.ReadFile(i.path(config))
	if err != nil {
		return err
	}
	i.algorithm = bytes.Contains(data, []byte("encryptionAlgorithm:"))
	if err := os.WriteFile(filepath.Join(tree, config), data, 0o644); err != nil {
		return err
	}
	for _, phase := range []string{"certs", "kubeconfig"} {
		if _, err := k.run(ctx, tree, "init", "phase", phase, "all", "--config", config); err != nil {
			return err
		}
	}
	if err := i.ceremony(ctx); err != nil {
		return err
	}
	return i.trees(filepath.Join(tree, "etc/kubernetes"), i.path("root/etc/kubernetes"))
}

// ceremony goes from the request, which is there, to the installed bundle.
func (i installed) ceremony(ctx context.Context) error {
	requests, plan, station := i.path("requests"), i.path("plan.yaml"), i.path("station.yaml")
	if err := os.Mkdir(requests, 0o755); err != nil {
		return err
	}
	if err := os.Rename(i.path("n.req"), filepath.Join(requests, "n.req")); err != nil {
		return err
	}
	var digest struct{ Digest string }
	for _, args := range [][]string{
		{"ceremony", "new", "--kubeadm", i.path(config), "--requests", requests, "--station-grade", "software",
			"--out", plan},
		{"softhsm", "init", "--dir", i.path("room"), "--station", station},
		{"ceremony", "check", plan, "--station", station, "-o", "json"},
		{"ceremony", "run", plan, "--station", station, "--dir", i.path("ceremony"), "--confirm"},
	} {
		if args[1] == "run" {
			args = append(args, digest.Digest)
		}
		out, err := i.command(ctx, i.officiant, args...)
		if err != nil {
			return err
		}
		if args[1] == "check" {
			if err := json.Unmarshal(out, &digest); err != nil {
				return err
			}
		}
	}
	bundles, err := filepath.Glob(i.path("ceremony/bundles/*.tar"))
	if err != nil || len(bundles) != 1 {
		return fmt.Errorf("bundles %v: %w", bundles, err)
	}
	_, err = i.command(
		ctx,
		i.node,
		"install",
		bundles[0],
		"--release-key",
		i.path("ceremony/release.pub"),
		"--root",
		i.path("root"),
	)
	return err
}

func (i installed) command(ctx context.Context, program string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", strings.Join(args[:2], " "), err, stderr.String())
	}
	return out, nil
}

// trees compares every certificate and kubeconfig that kubeadm made.
func (i installed) trees(theirs, ours string) error {
	var all []error
	seen := 0
	err := filepath.WalkDir(theirs, func(at string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(theirs, at)
		if err != nil {
			return err
		}
		want, err := os.ReadFile(at)
		if err != nil {
			return err
		}
		ext := filepath.Ext(name)
		if ext != ".crt" && ext != ".conf" {
			return nil
		}
		seen++
		got, err := os.ReadFile(filepath.Join(ours, name))
		if err != nil {
			all = append(all, err)
			return nil
		}
		if ext == ".conf" {
			all = append(all, i.kubeconfigs(name, want, got)...)
			return nil
		}
		all = append(all, i.certificates(name, want, got)...)
		return nil
	})
	if err == nil && seen < 10 {
		err = fmt.Errorf("kubeadm made %d files", seen)
	}
	return errors.Join(append(all, err)...)
}

// blobs are the fields of a kubeconfig whose content is made anew each time.
var blobs = regexp.MustCompile(`(?m)^ *([a-z-]+-data): (.*)\n`)

// zeros lead an address in a server's URL. kubeadm leaves them there, and Go's clients
// take that for no address since 1.17 (golang.org/issue/30999); a bundle has none.
var (
	zeros     = regexp.MustCompile(`(server: https://)0+`)
	portZeros = regexp.MustCompile(`(server: https://[^\s:]+:)0+`)
)

func (i installed) kubeconfigs(name string, want, got []byte) []error {
	var all []error
	w, g := blobs.ReplaceAll(want, nil), blobs.ReplaceAll(got, nil)
	w = portZeros.ReplaceAll(zeros.ReplaceAll(w, []byte("$1")), []byte("$1"))
	if !bytes.Equal(w, g) {
		all = append(all, fmt.Errorf("%s: kubeadm writes\n%s\nthe bundle has\n%s", name, w, g))
	}
	clients := [2][]byte{}
	for n, text := range [][]byte{want, got} {
		for _, m := range blobs.FindAllSubmatch(text, -1) {
			if string(m[1]) == "client-certificate-data" {
				clients[n], _ = base64.StdEncoding.DecodeString(string(m[2]))
			}
		}
	}
	return append(all, i.certificates(name, clients[0], clients[1])...)
}

// certificates compares the first certificate of two files. An authority's own is
// another one by design: below a root, and of the usages that RFC 5280 has for it.
func (i installed) certificates(name string, want, got []byte) []error {
	w, err := leafOf(want)
	if err != nil {
		return []error{fmt.Errorf("kubeadm's %s: %w", name, err)}
	}
	g, err := leafOf(got)
	if err != nil {
		return []error{fmt.Errorf("%s: %w", name, err)}
	}
	var all []error
	for _, f := range i.fields(w, g) {
		if f.want != f.got {
			all = append(all, fmt.Errorf("%s: %s: kubeadm has %s, the bundle %s", name, f.what, f.want, f.got))
		}
	}
	if apart := w.NotAfter.Sub(g.NotAfter).Abs(); apart > time.Hour {
		all = append(all, fmt.Errorf("%s: kubeadm's ends on %s, the bundle's on %s", name, w.NotAfter, g.NotAfter))
	}
	return all
}

type comparedField struct{ what, want, got string }

func (i installed) fields(w, g *x509.Certificate) []comparedField {
	list := []comparedField{
		{"a CA", fmt.Sprint(w.IsCA), fmt.Sprint(g.IsCA)},
		{"basic constraints", fmt.Sprint(w.BasicConstraintsValid), fmt.Sprint(g.BasicConstraintsValid)},
		{"version", fmt.Sprint(w.Version), fmt.Sprint(g.Version)},
	}
	if w.IsCA {
		return list // its key is as the plan says, which a note of ceremony new tells
	}
	if i.algorithm {
		list = append(list, comparedField{"key", keyKind(w), keyKind(g)})
	}
	return append(list,
		comparedField{"subject", w.Subject.String(), g.Subject.String()},
		comparedField{"DNS names", dnsNames(w.DNSNames), dnsNames(g.DNSNames)},
		comparedField{"IP addresses", addresses(w.IPAddresses), addresses(g.IPAddresses)},
		comparedField{"email addresses and URIs", fmt.Sprint(len(w.EmailAddresses) + len(w.URIs)),
			fmt.Sprint(len(g.EmailAddresses) + len(g.URIs))},
		comparedField{"key usage", usage(w), usage(g)},
		comparedField{"extended key usage", fmt.Sprint(w.ExtKeyUsage, w.UnknownExtKeyUsage), fmt.Sprint(g.ExtKeyUsage,
			g.UnknownExtKeyUsage)})
}

// usage leaves key encipherment out: it is for RSA (RFC 8446 has no use of it), and
// kubeadm sets it for every key.
func usage(c *x509.Certificate) string { return fmt.Sprint(c.KeyUsage &^ x509.KeyUsageKeyEncipherment) }

func keyKind(c *x509.Certificate) string {
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA-%d", k.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA-" + k.Curve.Params().Name
	}
	return fmt.Sprintf("%T", c.PublicKey)
}

func leafOf(data []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("holds no PEM")
	}
	return x509.ParseCertificate(block.Bytes)
}
