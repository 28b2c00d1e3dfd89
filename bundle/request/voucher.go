package request

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"slices"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
)

const (
	previousFile    = "previous.crt"
	previousSigFile = "previous.sig"
	certificatePEM  = "CERTIFICATE"
	maxChain        = 4
)

// Enclosure is what a request may have beside its CSRs: a Voucher, an Adoption.
type Enclosure interface {
	// announce puts into the request what has to be in it before it is signed.
	announce(r *Request, entries map[string][]byte)
}

// Voucher is a key that is known already. It signs a request, so that nobody
// has to compare the request's fingerprint.
type Voucher interface {
	Enclosure
	// vouch returns the signature's entry.
	vouch(rand io.Reader, raw []byte) (file string, content []byte, err error)
}

// Present is a certificate the node has now, issued by an earlier ceremony.
type Present struct {
	Leaf  string              // one of VouchingLeaves
	Chain []*x509.Certificate // itself, then its issuer
	Key   crypto.Signer
}

// Previous is what request.json says of the node's present certificate.
type Previous struct {
	Name   string             `json:"name"` // Leaf.Name: "kubelet.conf"
	File   string             `json:"file"` // "previous.crt"
	SHA256 fingerprint.SHA256 `json:"sha256"`
}

// VouchingLeaves names the certificates whose keys may vouch for a node, the
// best first: those that never leave it. admin.conf is on people's laptops.
func VouchingLeaves(n kubepki.Node) []string {
	if n.Has(kubepki.ControlPlane) || n.Has(kubepki.Worker) {
		return []string{"kubelet.conf"}
	}
	return []string{"etcd/server", "etcd/peer"}
}

func (p *Present) announce(r *Request, entries map[string][]byte) {
	var chain []byte
	for _, c := range p.Chain {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: certificatePEM, Bytes: c.Raw})...)
	}
	entries[previousFile] = chain
	r.Previous = &Previous{Name: p.Leaf, File: previousFile, SHA256: fingerprint.Of(chain)}
}

func (p *Present) vouch(rand io.Reader, raw []byte) (string, []byte, error) {
	sig, err := sign(rand, p.Key, raw)
	return previousSigFile, sig, err
}

// checkPrevious holds what request.json says of the present certificate
// against the node it is about.
func (r *Request) checkPrevious() *Refusal {
	p := r.Previous
	switch {
	case p == nil:
		return nil
	case p.File != previousFile:
		return refusef(requestFile, "previous.file is %q, not %s", p.File, previousFile)
	case !slices.Contains(VouchingLeaves(r.Node), p.Name):
		return refusef(requestFile, "previous.name is %.60q; what vouches for this node is one of %q", p.Name, VouchingLeaves(r.Node))
	}
	return nil
}

// openPrevious reads the present certificate and checks the signature by its
// key. Whether it is one of the cluster's, only the plan can tell.
func (o *Opened) openPrevious(raw []byte, entries map[string][]byte) *Refusal {
	if o.Request.Previous == nil {
		return nil
	}
	if fingerprint.Of(entries[previousFile]) != o.Request.Previous.SHA256 {
		return refusef(previousFile, "its SHA-256 is not the one %s has", requestFile)
	}
	chain, err := parseChain(entries[previousFile])
	if err != nil {
		return refusef(previousFile, "%v", err)
	}
	if err := verify(chain[0].PublicKey, raw, entries[previousSigFile]); err != nil {
		return refusef(previousSigFile, "%v by the key of %s", err, previousFile)
	}
	o.Present = chain
	return nil
}

// parseChain reads certificates in exactly the PEM that pem.Encode writes, each
// certified by the next.
func parseChain(data []byte) ([]*x509.Certificate, error) {
	var chain []*x509.Certificate
	for rest := data; len(rest) > 0; {
		var block *pem.Block
		block, after := pem.Decode(rest)
		if block == nil || block.Type != certificatePEM || len(block.Headers) != 0 ||
			!bytes.Equal(pem.EncodeToMemory(block), rest[:len(rest)-len(after)]) {
			return nil, errors.New("is not PEM of certificates and nothing else")
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("is not a certificate: %w", err)
		}
		if err := checkStrength(c.PublicKey); err != nil {
			return nil, err
		}
		chain, rest = append(chain, c), after
		if len(chain) > maxChain {
			return nil, fmt.Errorf("holds more than %d certificates", maxChain)
		}
	}
	if len(chain) == 0 {
		return nil, errors.New("is empty")
	}
	if chain[0].IsCA {
		return nil, errors.New("begins with the certificate of an authority")
	}
	for i, c := range chain[1:] {
		if err := chain[i].CheckSignatureFrom(c); err != nil {
			return nil, fmt.Errorf("certificate %d is not by certificate %d: %w", i+1, i+2, err)
		}
	}
	return chain, nil
}
