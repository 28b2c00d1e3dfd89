package awskmstest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"strings"
	"time"
)

// Metadata is what DescribeKey answers; a test may change it with Change.
type Metadata struct {
	AWSAccountId, KeyId, Arn, KeySpec, KeyUsage, KeyState, Origin, KeyManager, Description string

	Enabled           bool
	MultiRegion       *bool    `json:",omitempty"`
	CreationDate      *float64 `json:",omitempty"`
	DeletionDate      *float64 `json:",omitempty"`
	ValidTo           *float64 `json:",omitempty"`
	CustomKeyStoreId  string   `json:",omitempty"`
	SigningAlgorithms []string
}

type tag struct{ TagKey, TagValue string }

type key struct {
	Metadata
	private crypto.Signer
	policy  string
	tags    []tag
}

// kinds says for each key spec how it is made and what it signs.
var kinds = map[string]struct {
	make  func() (crypto.Signer, error)
	signs []string
}{
	"ECC_NIST_P256": {curve(elliptic.P256()), []string{"ECDSA_SHA_256"}},
	"ECC_NIST_P384": {curve(elliptic.P384()), []string{"ECDSA_SHA_384"}},
	"ECC_NIST_P521": {curve(elliptic.P521()), []string{"ECDSA_SHA_512"}},
	"RSA_2048":      {bits(2048), rsaSigns},
	"RSA_3072":      {bits(3072), rsaSigns},
	"RSA_4096":      {bits(4096), rsaSigns},
}

var rsaSigns = []string{
	"RSASSA_PKCS1_V1_5_SHA_256", "RSASSA_PKCS1_V1_5_SHA_384", "RSASSA_PKCS1_V1_5_SHA_512",
	"RSASSA_PSS_SHA_256", "RSASSA_PSS_SHA_384", "RSASSA_PSS_SHA_512",
}

func curve(c elliptic.Curve) func() (crypto.Signer, error) {
	return func() (crypto.Signer, error) { return ecdsa.GenerateKey(c, rand.Reader) }
}

func bits(n int) func() (crypto.Signer, error) {
	return func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, n) }
}

// newKey makes a key, which no alias names yet; s.mu is held.
func (s *Server) newKey(spec string) (*key, error) {
	kind, ok := kinds[spec]
	if !ok {
		return nil, refuse("ValidationException", "KeySpec %q", spec)
	}
	private, err := kind.make()
	if err != nil {
		return nil, err
	}
	id := fmt.Sprintf("00000000-0000-4000-8000-%012x", len(s.keys)+1)
	single := false
	k := &key{private: private, Metadata: Metadata{
		AWSAccountId: Account, KeyId: id, Arn: owner + ":key/" + id, KeySpec: spec, KeyUsage: "SIGN_VERIFY", KeyState: "Enabled",
		Origin: "AWS_KMS", KeyManager: "CUSTOMER", Enabled: true, MultiRegion: &single,
		CreationDate: seconds(time.Unix(1_700_000_000, 0)), SigningAlgorithms: kind.signs,
	}}
	s.keys = append(s.keys, k)
	return k, nil
}

// Add makes a key outside of Officiant, named alias, and returns its ARN.
func (s *Server) Add(alias, spec string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.newKey(spec)
	if err != nil {
		panic(err)
	}
	s.aliases[alias] = k
	return k.Arn
}

// AddForeign makes a key that signs nothing, such as an account has many of, and
// returns its ARN.
func (s *Server) AddForeign(alias, spec, usage, manager string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.newKey("ECC_NIST_P256")
	if err != nil {
		panic(err)
	}
	k.KeySpec, k.KeyUsage, k.KeyManager, k.SigningAlgorithms = spec, usage, manager, nil
	s.aliases[alias] = k
	return k.Arn
}

// Change changes what the key at place, such as alias/NAME, is.
func (s *Server) Change(place string, change func(*Metadata)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.at(place)
	if err != nil {
		panic(err)
	}
	change(&k.Metadata)
}

// Tag sets a tag of the key at place.
func (s *Server) Tag(place, name, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.at(place)
	if err != nil {
		panic(err)
	}
	k.tags = append(k.tags, tag{name, value})
}

// Rename lets an alias name the key at place; without one, nothing.
func (s *Server) Rename(alias, place string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if place == "" {
		delete(s.aliases, alias)
		return
	}
	k, err := s.at(place)
	if err != nil {
		panic(err)
	}
	s.aliases[alias] = k
}

// Policy is the policy that the key at place was made with.
func (s *Server) Policy(place string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.at(place)
	if err != nil {
		panic(err)
	}
	return k.policy
}

// Keys is how many keys there are.
func (s *Server) Keys() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.keys)
}

// at finds a key by alias, id or ARN; s.mu is held.
func (s *Server) at(place string) (*key, error) {
	name := strings.TrimPrefix(strings.TrimPrefix(place, owner+":"), "key/")
	if k, ok := s.aliases[name]; ok {
		return k, nil
	}
	for _, k := range s.keys {
		if k.KeyId == name {
			return k, nil
		}
	}
	if strings.HasPrefix(name, "alias/") {
		return nil, refuse("NotFoundException", "Alias %s:%s is not found.", owner, name)
	}
	return nil, refuse("NotFoundException", "Key '%s:key/%s' does not exist", owner, name)
}

// other is any key but k; s.mu is held.
func (s *Server) other(k *key) *key {
	for _, o := range s.keys {
		if o != k && o.KeySpec == k.KeySpec {
			return o
		}
	}
	panic("awskmstest: there is no other key of " + k.KeySpec)
}
