package contents

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"officiant/bundle"
	"officiant/bundle/fingerprint"
	"officiant/bundle/kubeconfig"
	"officiant/bundle/privatekey"
)

// Fact is one thing a file says. Several values are a set.
type Fact struct {
	Name   string // "subject", "serial", "expires", "names", …
	Values []string
}

// Difference is one thing a file says otherwise than before.
type Difference struct {
	What string   `json:"what"` // a Fact's name
	Was  []string `json:"was"`
	Is   []string `json:"is"`
}

// Compare says in what two states of a file differ, in the order of the later one.
func Compare(before, after []Fact) []Difference {
	list := []Difference{}
	for _, f := range order(before, after) {
		d := Difference{f, Values(before, f), Values(after, f)}
		if !slices.Equal(d.Was, d.Is) {
			list = append(list, d)
		}
	}
	return list
}

// order is the names of both, those of the later first.
func order(before, after []Fact) []string {
	var names []string
	for _, f := range slices.Concat(after, before) {
		if !slices.Contains(names, f.Name) {
			names = append(names, f.Name)
		}
	}
	return names
}

// Values are those of the fact of a name, never nil.
func Values(facts []Fact, name string) []string {
	for _, f := range facts {
		if f.Name == name {
			return f.Values
		}
	}
	return []string{}
}

// String writes a change of one value as "was → is", of sets as what comes and what
// goes.
func (d Difference) String() string {
	switch {
	case len(d.Was) == 0:
		return strings.Join(d.Is, ", ")
	case len(d.Is) == 0:
		return "was " + strings.Join(d.Was, ", ")
	case len(d.Was) == 1 && len(d.Is) == 1:
		return d.Was[0] + " → " + d.Is[0]
	}
	var parts []string
	for _, v := range d.Is {
		if !slices.Contains(d.Was, v) {
			parts = append(parts, "+"+v)
		}
	}
	for _, v := range d.Was {
		if !slices.Contains(d.Is, v) {
			parts = append(parts, "-"+v)
		}
	}
	if len(parts) == 0 {
		return "in another order: " + strings.Join(d.Is, ", ")
	}
	return strings.Join(parts, ", ")
}

// Of reads what people can compare in a file, whose kind follows from its name. For a
// file of another kind, or one that cannot be read as its kind, it says so or nothing.
func Of(name string, data []byte) []Fact {
	switch path.Ext(name) {
	case ".crt":
		return certificateFacts(data)
	case ".crl":
		return listFacts(data)
	case ".key":
		return keyFacts(data)
	case ".pub":
		return publicFacts(data)
	case ".conf":
		return configFacts(name, data)
	}
	return nil
}

func unread(what string) []Fact {
	return []Fact{{"content", []string{"nothing that can be read as a " + what}}}
}

// publicFacts describes the first key, and names the others.
func publicFacts(data []byte) []Fact {
	var keys []string
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		pub, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return unread("public key")
		}
		keys = append(keys, describeKey(pub))
	}
	switch len(keys) {
	case 0:
		return unread("public key")
	case 1:
		return []Fact{{"key", keys}}
	}
	return []Fact{{"key", keys[:1]}, {"followed by", keys[1:]}}
}

func keyFacts(data []byte) []Fact {
	key, err := privatekey.Parse(data)
	if err != nil {
		return unread("private key")
	}
	return []Fact{{"key", []string{describeKey(key.Public())}}}
}

func configFacts(name string, data []byte) []Fact {
	c, err := kubeconfig.Parse(name, data)
	if err != nil {
		return unread("kubeconfig")
	}
	list := []Fact{{"server", []string{c.Server}}, {"user", []string{c.User}}, {"context", []string{c.Context}}}
	if ca := certificateFacts(c.CA); len(ca) > 1 {
		anchor := fmt.Sprintf("%s (serial %s)", Values(ca, "subject")[0], Values(ca, "serial")[0])
		list = append(list, Fact{"trusts", append([]string{anchor}, Values(ca, "followed by")...)})
	}
	if c.Certificate != nil {
		list = append(list, certificateFacts(c.Certificate)...)
	} else if c.Key != nil {
		list = append(list, keyFacts(c.Key)...)
	}
	clear(c.Key)
	return list
}

// certificateFacts describes the first certificate, and names the others.
func certificateFacts(data []byte) []Fact {
	var certs []*x509.Certificate
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil && block.Type == "CERTIFICATE" {
			certs = append(certs, cert)
		}
	}
	if len(certs) == 0 {
		return unread("certificate")
	}
	cert := certs[0]
	list := []Fact{
		{"subject", []string{cert.Subject.String()}},
		{"issuer", []string{cert.Issuer.String()}},
		{"serial", []string{fmt.Sprintf("%x", cert.SerialNumber)}},
		{"valid from", []string{cert.NotBefore.UTC().Format(time.RFC3339)}},
		{"expires", []string{cert.NotAfter.UTC().Format(time.RFC3339)}},
		{"names", alternativeNames(cert)},
		{"key", []string{describeKey(cert.PublicKey)}},
	}
	if len(certs) > 1 {
		followed := Fact{Name: "followed by"}
		for _, c := range certs[1:] {
			followed.Values = append(followed.Values, fmt.Sprintf("%s (serial %x)", c.Subject, c.SerialNumber))
		}
		list = append(list, followed)
	}
	return list
}

func alternativeNames(cert *x509.Certificate) []string {
	names := append([]string{}, cert.DNSNames...)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	names = append(names, cert.EmailAddresses...)
	for _, u := range cert.URIs {
		names = append(names, u.String())
	}
	slices.Sort(names)
	return names
}

// describeKey names a public key so that two can be told apart.
func describeKey(pub crypto.PublicKey) string {
	kind := fmt.Sprintf("%T", pub)
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		kind = "ECDSA " + k.Curve.Params().Name
	case *rsa.PublicKey:
		kind = fmt.Sprintf("RSA-%d", k.N.BitLen())
	}
	spki, err := fingerprint.SPKI(pub)
	if err != nil {
		return kind
	}
	return kind + " " + spki.String()[:16]
}

// listFacts describes a revocation list.
func listFacts(data []byte) []Fact {
	list, err := bundle.ParseRevocationList(data)
	if err != nil {
		return unread("revocation list")
	}
	revoked := Fact{Name: "revoked"}
	for _, e := range list.RevokedCertificateEntries {
		revoked.Values = append(revoked.Values, fmt.Sprintf("%x", e.SerialNumber))
	}
	return []Fact{
		{"issuer", []string{list.Issuer.String()}},
		{"number", []string{list.Number.String()}},
		{"next update", []string{list.NextUpdate.UTC().Format(time.RFC3339)}},
		revoked,
	}
}
