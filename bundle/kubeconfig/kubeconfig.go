package kubeconfig

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
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
	size := 512 // names and keys are less, nearly always
	for _, data := range [][]byte{c.CA, c.Certificate, c.Key} {
		size += base64.StdEncoding.EncodedLen(len(data))
	}
	b := bytes.NewBuffer(make([]byte, 0, size))
	line := func(key, value string) {
		b.WriteString(key)
		b.WriteString(": ")
		b.WriteString(scalar(value))
		b.WriteByte('\n')
	}
	data := func(key string, value []byte) {
		if value != nil {
			b.WriteString("    " + key + ": ")
			b.Write(base64.StdEncoding.AppendEncode(b.AvailableBuffer(), value))
			b.WriteByte('\n')
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

// plain says whether a string needs no quotes: it begins with a letter, so it is no number
// or date, and ": ", " #" cannot be in it.
func plain(s string) bool {
	letter := func(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
	digit := func(c byte) bool { return c >= '0' && c <= '9' }
	if len(s) < 2 || !letter(s[0]) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !letter(c) && !digit(c) && !strings.ContainsRune("._:/@[]+-", rune(c)) {
			return false
		}
	}
	last := s[len(s)-1]
	return letter(last) || digit(last) || last == ']'
}

// words other than strings to YAML 1.1, which Kubernetes reads.
var words = []string{"true", "false", "yes", "no", "on", "off", "null"}

// scalar quotes a string where YAML would take it for something else.
func scalar(s string) string {
	if plain(s) && !slices.Contains(words, strings.ToLower(s)) {
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
