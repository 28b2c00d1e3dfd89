// Package station reads the file that says where each key lives.
package station

import (
	"errors"

	"officiant/bundle/fingerprint"
	"officiant/signer"
)

// Station is station.yaml.
type Station struct {
	APIVersion  string            `yaml:"apiVersion"`
	Kind        string            `yaml:"kind"`
	Name        string            `yaml:"name"`
	Keys        map[string]string `yaml:"keys"`
	Environment map[string]string `yaml:"environment"`

	file   string
	digest fingerprint.SHA256
}

// Group is a token and the keys on it.
type Group struct {
	Token string
	Keys  []string
}

// Open reads a station file.
func Open(path string) (*Station, error) { return nil, errors.New("not yet") }

// Parse reads a station; file is its name in messages.
func Parse(file string, data []byte) (*Station, error) { return nil, errors.New("not yet") }

// Digest is the SHA-256 of the file.
func (s *Station) Digest() fingerprint.SHA256 { return s.digest }

// Ref says where the key of a name lives.
func (s *Station) Ref(cluster, name string) (signer.Ref, error) {
	return signer.Ref{}, errors.New("not yet")
}

// Tokens groups keys by the token they live in, in the order of first need.
func (s *Station) Tokens(cluster string, names []string) ([]Group, error) {
	return nil, errors.New("not yet")
}
