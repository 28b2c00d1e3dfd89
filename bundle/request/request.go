package request

import (
	"crypto"
	"crypto/x509"
	"time"

	"golang.org/x/crypto/ssh"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
)

// What request.json says of itself.
const (
	APIVersion = "officiant/v1"
	Kind       = "Request"
)

// Request is request.json: what a node claims to be, and the hashes of all it sends.
type Request struct {
	APIVersion string          `json:"apiVersion"`
	Kind       string          `json:"kind"`
	Cluster    kubepki.Cluster `json:"cluster"` // as claimed
	Node       kubepki.Node    `json:"node"`    // as claimed
	Created    time.Time       `json:"created"` // UTC, whole seconds, by the node's clock
	Recipient  Part            `json:"recipient"`
	CSRs       []CSR           `json:"csrs"` // sorted by Name
	Previous   *Previous       `json:"previous,omitempty"`
	Adopted    *Adopted        `json:"adopted,omitempty"`
}

// Part is a file beside request.json.
type Part struct {
	File   string             `json:"file"`
	SHA256 fingerprint.SHA256 `json:"sha256"`
}

// CSR is one certificate request beside request.json.
type CSR struct {
	Name   string             `json:"name"` // Leaf.Name: "apiserver", "etcd/server", "admin.conf"
	File   string             `json:"file"` // "csr/apiserver.csr"
	SHA256 fingerprint.SHA256 `json:"sha256"`
	SPKI   fingerprint.SHA256 `json:"spki"` // of the public key, as fingerprint.SPKI
}

// Opened is a request file that was read and checked.
type Opened struct {
	Request
	Fingerprint fingerprint.SHA256                  // of request.json
	Recipient   string                              // the age recipient itself; Request.Recipient is its file
	CSR         map[string]*x509.CertificateRequest // by Leaf.Name
	Present     []*x509.Certificate                 // whose first one's key signed the request, too; nil when none did
	HostKey     ssh.PublicKey                       // that signed the request, too; nil when none did
	Adoption    *Adoption                           // what the node has of a cluster that is adopted; nil otherwise
	Raw         []byte                              // the request file as it was
}

// Refusal says what is wrong with which part of which request file.
type Refusal struct {
	File   string // the request file
	Part   string // the entry in it, or a field of request.json; empty when it is the whole
	Reason string
}

func (r *Refusal) Error() string {
	if r.Part == "" {
		return r.File + ": " + r.Reason
	}
	return r.File + ": " + r.Part + ": " + r.Reason
}

// Keys are a node's private keys by Leaf.Name.
type Keys map[string]crypto.Signer
