package request

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"slices"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
)

const (
	adoptedAccountFile = "adopted/sa.key.age"
	adoptedPublicFile  = "adopted/sa.pub"
	publicPEM          = "PUBLIC KEY"
)

func adoptedLeafFile(name string) string        { return "adopted/leaf/" + name + ".crt" }
func adoptedAuthorityFile(family string) string { return "adopted/authority/" + family + ".crt" }

// Adopted is what request.json says of a node whose cluster was made by others,
// by kubeadm with its CA keys on disk, and is adopted.
type Adopted struct {
	Authorities []Named `json:"authorities"` // by family, sorted: the self-signed ones in the trust files
	Leaves      []Named `json:"leaves"`      // as CSRs, and of the same keys: the certificates in place
	Account     []Part  `json:"account,omitempty"`
}

// Named is a certificate beside request.json.
type Named struct {
	Name   string             `json:"name"` // Leaf.Name, or a family
	File   string             `json:"file"`
	SHA256 fingerprint.SHA256 `json:"sha256"`
}

// Adoption is what a node of an adopted cluster has installed. It does not include the
// private keys of the cluster's authorities.
type Adoption struct {
	Authorities   map[kubepki.Authority]*x509.Certificate
	Leaves        map[string]*x509.Certificate // by Leaf.Name
	AccountSealed []byte                       // sa.key, sealed to the node's own recipient; nil when it has none
	AccountPublic []byte                       // sa.pub, PEM
}

func (a *Adoption) announce(r *Request, entries map[string][]byte) {
	r.Adopted = &Adopted{}
	for _, family := range slices.Sorted(maps.Keys(a.Authorities)) {
		n := named(string(family), adoptedAuthorityFile(string(family)), a.Authorities[family], entries)
		r.Adopted.Authorities = append(r.Adopted.Authorities, n)
	}
	for _, name := range slices.Sorted(maps.Keys(a.Leaves)) {
		r.Adopted.Leaves = append(r.Adopted.Leaves, named(name, adoptedLeafFile(name), a.Leaves[name], entries))
	}
	if a.AccountSealed == nil {
		return
	}
	entries[adoptedAccountFile], entries[adoptedPublicFile] = a.AccountSealed, a.AccountPublic
	for _, file := range []string{adoptedAccountFile, adoptedPublicFile} {
		r.Adopted.Account = append(r.Adopted.Account, Part{file, fingerprint.Of(entries[file])})
	}
}

func named(name, file string, c *x509.Certificate, entries map[string][]byte) Named {
	entries[file] = pem.EncodeToMemory(&pem.Block{Type: certificatePEM, Bytes: c.Raw})
	return Named{name, file, fingerprint.Of(entries[file])}
}

// parts are the files request.json lists of an adoption.
func (a *Adopted) parts() []Part {
	if a == nil {
		return nil
	}
	list := slices.Clone(a.Account)
	for _, n := range slices.Concat(a.Authorities, a.Leaves) {
		list = append(list, Part{n.File, n.SHA256})
	}
	return list
}

// checkAdopted holds the names of an adoption's files against the rest.
func (r *Request) checkAdopted() *Refusal {
	a := r.Adopted
	if a == nil {
		return nil
	}
	if len(a.Authorities) == 0 {
		return refusef(requestFile, "adopted.authorities is empty")
	}
	for i, n := range a.Authorities {
		known := slices.ContainsFunc(kubepki.Authorities(r.Cluster), func(s kubepki.AuthoritySpec) bool {
			return string(s.Authority) == n.Name && s.File != ""
		})
		switch {
		case !known:
			return refusef(requestFile, "adopted.authorities[%d].name %.60q is no family with a trust file", i, n.Name)
		case n.File != adoptedAuthorityFile(n.Name):
			return refusef(requestFile, "adopted.authorities[%d].file is %q, not %s", i, n.File, adoptedAuthorityFile(n.Name))
		case i > 0 && n.Name <= a.Authorities[i-1].Name:
			return refusef(requestFile, "adopted.authorities[%d]: %s comes after %s; they are sorted, once each", i, n.Name, a.Authorities[i-1].Name)
		}
	}
	same := slices.EqualFunc(a.Leaves, r.CSRs, func(n Named, c CSR) bool {
		return n.Name == c.Name && n.File == adoptedLeafFile(c.Name)
	})
	if !same {
		return refusef(requestFile, "adopted.leaves are not a certificate for each of csrs, in the same order")
	}
	if r.Node.Has(kubepki.ControlPlane) != (len(a.Account) > 0) {
		return refusef(requestFile, "adopted.account: a control-plane node has its service-account key sealed in its request, and no other")
	}
	if len(a.Account) > 0 && (len(a.Account) != 2 || a.Account[0].File != adoptedAccountFile || a.Account[1].File != adoptedPublicFile) {
		return refusef(requestFile, "adopted.account is not %s and %s", adoptedAccountFile, adoptedPublicFile)
	}
	return nil
}

// openAdopted reads what an adoption brings along. Each certificate is for the
// key of the CSR of its name; who signed it, and whose it is, the plan finds out.
func (o *Opened) openAdopted(entries map[string][]byte) *Refusal {
	if o.Request.Adopted == nil {
		return nil
	}
	for _, p := range o.Request.Adopted.parts() {
		if fingerprint.Of(entries[p.File]) != p.SHA256 {
			return refusef(p.File, "its SHA-256 is not the one %s has", requestFile)
		}
	}
	a := &Adoption{
		Authorities: map[kubepki.Authority]*x509.Certificate{}, Leaves: map[string]*x509.Certificate{},
		AccountSealed: entries[adoptedAccountFile], AccountPublic: entries[adoptedPublicFile],
	}
	for _, n := range o.Request.Adopted.Authorities {
		c, err := oneCertificate(entries[n.File])
		if err == nil {
			err = CheckAdopted(c)
		}
		if err != nil {
			return refusef(n.File, "%v", err)
		}
		a.Authorities[kubepki.Authority(n.Name)] = c
	}
	for i, n := range o.Request.Adopted.Leaves {
		c, err := oneCertificate(entries[n.File])
		switch {
		case err != nil:
			return refusef(n.File, "%v", err)
		case c.IsCA:
			return refusef(n.File, "is the certificate of an authority")
		case fingerprint.Of(c.RawSubjectPublicKeyInfo) != o.CSRs[i].SPKI:
			return refusef(n.File, "is not for the key of %s", o.CSRs[i].File)
		}
		a.Leaves[n.Name] = c
	}
	if len(o.Request.Adopted.Account) > 0 {
		if !bytes.HasPrefix(a.AccountSealed, []byte("-----BEGIN AGE ENCRYPTED FILE-----\n")) {
			return refusef(adoptedAccountFile, "is not an armored age file")
		}
		if err := publicKey(a.AccountPublic); err != nil {
			return refusef(adoptedPublicFile, "%v", err)
		}
	}
	o.Adoption = a
	return nil
}

// CheckAdopted says why a certificate is not that of an authority that can be
// adopted: one that signed itself, as kubeadm makes them.
func CheckAdopted(c *x509.Certificate) error {
	if err := checkStrength(c.PublicKey); err != nil {
		return err
	}
	switch {
	case !c.BasicConstraintsValid || !c.IsCA:
		return errors.New("is not a CA certificate")
	}
	if err := kubepki.SelfSigned(c); err != nil {
		return fmt.Errorf("%s is not self-signed: it %w; only a hierarchy kubeadm made of itself is adopted", c.Subject, err)
	}
	return nil
}

func oneCertificate(data []byte) (*x509.Certificate, error) {
	block, rest := pem.Decode(data)
	if block == nil || block.Type != certificatePEM || len(rest) > 0 || len(block.Headers) > 0 || !bytes.Equal(pem.EncodeToMemory(block), data) {
		return nil, errors.New("is not PEM of one certificate and nothing else")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("is not a certificate: %w", err)
	}
	return c, nil
}

// publicKey wants one PEM public key of a kind the service-account key can be.
func publicKey(data []byte) error {
	block, rest := pem.Decode(data)
	if block == nil || block.Type != publicPEM || len(rest) > 0 || !bytes.Equal(pem.EncodeToMemory(block), data) {
		return errors.New("is not PEM of one public key and nothing else")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return fmt.Errorf("is not a public key: %w", err)
	}
	return checkStrength(crypto.PublicKey(key))
}
