package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// What a pod relies on: service-account tokens, and kube-root-ca.crt.

const selfReview = `{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}`

// whoIs has the API server say who the bearer of a token is.
func (m *machine) whoIs(ctx context.Context, token string) (reply, error) {
	return caller{trust: m.path("pki/ca.crt"), headers: []string{"Authorization: Bearer " + token}, body: selfReview}.
		ask(ctx, "POST", m.url("/apis/authentication.k8s.io/v1/selfsubjectreviews"))
}

const defaultAccount = "system:serviceaccount:default:default"

func (m *machine) accepts(ctx context.Context, token string) error {
	a, err := m.whoIs(ctx, token)
	if err != nil {
		return err
	}
	return a.is(201, `"`+defaultAccount+`"`)
}

// token has the API server sign a token.
func (m *machine) token(ctx context.Context) (string, error) {
	said, err := m.kubectl(ctx, "admin.conf", "create", "token", "default", "-n", "default", "--duration=1h")
	return strings.TrimSpace(said), err
}

// tokens shows that API server and controller manager sign with sa.key and that
// the API server believes sa.pub.
func (s *site) tokens(m *machine) []trial {
	var token string
	return []trial{
		{"the API server signs a service-account token, and accepts it", func(ctx context.Context) error {
			err := until(ctx, patience, m.running[controllerManager], func() (err error) {
				token, err = m.token(ctx)
				return err
			})
			if err != nil {
				return err
			}
			return m.accepts(ctx, token)
		}},
		{"the controller manager signs a token secret, and the API server accepts it", func(ctx context.Context) error {
			secret, err := m.tokenSecret(ctx)
			if err != nil {
				return err
			}
			return m.accepts(ctx, secret)
		}},
		{"not: a token that says the same, signed by another key, is accepted", func(ctx context.Context) error {
			forged, err := resign(token)
			if err != nil {
				return err
			}
			return refused(m.accepts(ctx, forged), "the answer is 401")
		}},
	}
}

// tokenSecret asks for a token as a secret, which the controller manager fills.
func (m *machine) tokenSecret(ctx context.Context) (string, error) {
	const manifest = "apiVersion: v1\nkind: Secret\ntype: kubernetes.io/service-account-token\nmetadata:\n" +
		"  name: acceptance\n  namespace: default\n  annotations: {kubernetes.io/service-account.name: default}\n"
	if err := m.apply(ctx, "admin.conf", manifest); err != nil {
		return "", err
	}
	var secret string
	err := until(ctx, time.Minute, m.running[controllerManager], func() error {
		said, err := m.kubectl(ctx, "admin.conf", "get", "secret", "-n", "default", "acceptance", "-o", "jsonpath={.data.token}")
		if err != nil {
			return err
		}
		if said == "" {
			return errors.New("the secret has no token yet")
		}
		data, err := base64.StdEncoding.DecodeString(said)
		secret = string(data)
		return err
	})
	return secret, err
}

// apply has kubectl apply a manifest with one of the node's kubeconfigs.
func (m *machine) apply(ctx context.Context, conf, manifest string) error {
	if err := os.WriteFile(filepath.Join(m.tree, "tmp/manifest.yaml"), []byte(manifest), 0o644); err != nil {
		return err
	}
	_, err := m.kubectl(ctx, conf, "apply", "-f", "/tmp/manifest.yaml")
	return err
}

// resign is the same token with another key's signature.
func resign(token string) (string, error) {
	head, signature, ok := cutLast(token, ".")
	if !ok || signature == "" {
		return "", fmt.Errorf("%.20q is no token", token)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte(head))
	r, sv, err := ecdsa.Sign(rand.Reader, key, sum[:crypto.SHA256.Size()])
	if err != nil {
		return "", err
	}
	return head + "." + base64.RawURLEncoding.EncodeToString(append(r.FillBytes(make([]byte, 32)), sv.FillBytes(make([]byte, 32))...)), nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// rootBundle shows that what every namespace gets verifies the API server for
// programs that want a chain up to a root.
func (s *site) rootBundle(m *machine) []trial {
	published := filepath.Join(s.dir, "kube-root-ca.crt")
	return []trial{
		{"kube-root-ca.crt appears and holds server-ca.crt", func(ctx context.Context) error {
			return until(ctx, patience, m.running[controllerManager], func() error {
				said, err := m.kubectl(ctx, "admin.conf", "get", "configmap", "-n", "default", "kube-root-ca.crt", "-o", `jsonpath={.data.ca\.crt}`)
				if err != nil {
					return err
				}
				installed, err := os.ReadFile(m.path("pki/server-ca.crt"))
				if err != nil {
					return err
				}
				if strings.TrimSpace(said) != strings.TrimSpace(string(installed)) {
					return errors.New("it holds something else")
				}
				return os.WriteFile(published, []byte(said), 0o644)
			})
		}},
		{"kube-root-ca.crt verifies the API server for curl", func(ctx context.Context) error { return curl(ctx, published) }},
		{"kube-root-ca.crt verifies the API server for openssl", func(ctx context.Context) error { return openssl(ctx, published) }},
		{"kube-root-ca.crt verifies the API server for Go", func(ctx context.Context) error { return m.ready(ctx, published) }},
		{"not: ca.crt alone would do for openssl", func(ctx context.Context) error {
			return refused(openssl(ctx, m.path("pki/ca.crt")), "unable to get issuer certificate")
		}},
		{"not: another authority's certificate would do for curl", func(ctx context.Context) error {
			return refused(curl(ctx, m.path("pki/front-proxy-ca.crt")), "certificate")
		}},
	}
}

// curl asks for the API server's version as a pod would.
func curl(ctx context.Context, trust string) error {
	said, err := outside(ctx, "curl", "--silent", "--show-error", "--max-time", "15", "--noproxy", "*", "--cacert", trust,
		"--resolve", "kubernetes.default.svc:443:"+serviceAddress, "https://kubernetes.default.svc/version")
	if err == nil && !strings.Contains(said, "gitVersion") {
		return fmt.Errorf("curl says %q", said)
	}
	return err
}

func openssl(ctx context.Context, trust string) error {
	_, err := outside(ctx, "openssl", "s_client", "-connect", serviceAddress+":443", "-servername", "kubernetes.default.svc",
		"-verify_hostname", "kubernetes.default.svc", "-verify_return_error", "-CAfile", trust, "-no-CApath", "-no-CAstore")
	return err
}

// outside runs one of this system's programs.
func outside(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	said, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return string(said), fmt.Errorf("%s: %w\n%s", name, err, said)
	}
	return string(said), nil
}
