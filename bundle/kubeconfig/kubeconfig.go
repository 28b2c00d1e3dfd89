package kubeconfig

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Config is a kubeconfig with one cluster, one user and one context.
type Config struct {
	Cluster     string
	User        string
	Context     string
	Server      string
	CA          []byte // PEM
	Certificate []byte // PEM, the leaf first
	Key         []byte // PEM; nil when the key is kept elsewhere
}

// Render writes the file as kubeadm lays it out. What is nil is left out.
func (c *Config) Render() []byte {
	var b bytes.Buffer
	line := func(key, value string) { fmt.Fprintf(&b, "%s: %s\n", key, scalar(value)) }
	data := func(key string, value []byte) {
		if value != nil {
			fmt.Fprintf(&b, "    %s: %s\n", key, base64.StdEncoding.EncodeToString(value))
		}
	}
	b.WriteString("apiVersion: v1\nclusters:\n- cluster:\n")
	data("certificate-authority-data", c.CA)
	line("    server", c.Server)
	line("  name", c.Cluster)
	b.WriteString("contexts:\n- context:\n")
	line("    cluster", c.Cluster)
	line("    user", c.User)
	line("  name", c.Context)
	line("current-context", c.Context)
	b.WriteString("kind: Config\nusers:\n")
	line("- name", c.User)
	if c.Certificate == nil && c.Key == nil {
		b.WriteString("  user: {}\n")
		return b.Bytes()
	}
	b.WriteString("  user:\n")
	data("client-certificate-data", c.Certificate)
	data("client-key-data", c.Key)
	return b.Bytes()
}

// plain is what needs no quotes: it begins with a letter, so it is no number or
// date, and ": ", " #" cannot be in it.
var plain = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._:/@\[\]+-]*[A-Za-z0-9\]]$`)

// words other than strings to YAML 1.1, which Kubernetes reads.
var words = []string{"true", "false", "yes", "no", "on", "off", "null"}

// scalar quotes a string where YAML would take it for something else.
func scalar(s string) string {
	if plain.MatchString(s) && !slices.Contains(words, strings.ToLower(s)) {
		return s
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b) // a JSON string is a YAML double-quoted one
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err) // a string always encodes
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// Complete returns a copy with the private key. It refuses a key that does not
// belong to the certificate, and a config that has a key or no certificate.
func (c *Config) Complete(key []byte) (*Config, error) {
	if c.Certificate == nil {
		return nil, errors.New("client-certificate-data is missing")
	}
	if c.Key != nil {
		return nil, errors.New("client-key-data is there already")
	}
	if err := matches(c.Certificate, key); err != nil {
		return nil, err
	}
	full := *c
	full.Key = bytes.Clone(key)
	return &full, nil
}
