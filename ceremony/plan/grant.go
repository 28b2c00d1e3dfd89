package plan

import (
	"net/netip"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/signer"
)

// Grant is what an online signer may sign. The ceremony makes grant.json of it, and
// adds what only it knows: the authorities' certificates, the cluster's names, sequence
// and time.
type Grant struct {
	Journal          fingerprint.SHA256   `yaml:"journal"`          // of the public key of the journal
	Validity         Duration             `yaml:"validity"`         // of the grant: 90d, and within its authorities'
	Life             Life                 `yaml:"life"`             // the longest of a certificate: 24h
	SignaturesPerDay int                  `yaml:"signaturesPerDay"` // of each node that says nothing else: 4
	KeyAlgorithms    []signer.Algorithm   `yaml:"keyAlgorithms"`    // of keys that may be certified: ECDSA-P256
	Reserved         GrantReserved        `yaml:"reserved"`         // beside the API server's and services'
	RefusedKeys      []fingerprint.SHA256 `yaml:"refusedKeys"`      // beside those of authorities and the release key
	Nodes            []GrantNode          `yaml:"nodes"`            // all of the cluster; at first the plan's
	Users            []GrantUser          `yaml:"users"`            // who get certificates for people and controllers
}

// GrantReserved are names and networks that no node has.
type GrantReserved struct {
	DNSNames []string       `yaml:"dnsNames"`
	Networks []netip.Prefix `yaml:"networks"`
}

// GrantNode is a node, and what its certificates may say.
type GrantNode struct {
	Name             string         `yaml:"name"`
	Roles            []kubepki.Role `yaml:"roles"`
	DNSNames         []string       `yaml:"dnsNames"`
	IPAddresses      []netip.Addr   `yaml:"ipAddresses"`
	SignaturesPerDay int            `yaml:"signaturesPerDay"`
	Bootstrap        string         `yaml:"bootstrap"` // the user who may ask once for its first certificate
}

// GrantUser is a person or controller.
type GrantUser struct {
	Name             string   `yaml:"name"`
	Groups           []string `yaml:"groups"`
	Requester        string   `yaml:"requester"`
	SignaturesPerDay int      `yaml:"signaturesPerDay"`
}

// Given says whether the plan has a grant.
func (g *Grant) Given() bool {
	return g.Journal != fingerprint.SHA256{} || g.Validity != 0 || g.Life != 0 || g.SignaturesPerDay != 0 ||
		g.KeyAlgorithms != nil || g.Reserved.DNSNames != nil || g.Reserved.Networks != nil || g.RefusedKeys != nil ||
		g.Nodes != nil || g.Users != nil
}
