package install

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"path"
	"slices"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubeconfig"
	"officiant/bundle/privatekey"
)

// Difference is one thing a file says otherwise than before, in the words people
// compare: never the file's text, and nothing of a private key but the
// fingerprint of its public half. Several values are a set.
type Difference struct {
	What string   `json:"what"` // "subject", "serial", "expires", "names", …
	Was  []string `json:"was"`
	Is   []string `json:"is"`
}

// fact is one thing a file says.
type fact struct {
	name   string
	values []string
}

// compare says in what two states of a file differ; either may be nil.
func compare(was, is *placed) []Difference {
	before, after := facts(was), facts(is)
	list := []Difference{}
	for _, f := range order(before, after) {
		d := Difference{f, valuesOf(before, f), valuesOf(after, f)}
		if !slices.Equal(d.Was, d.Is) {
			list = append(list, d)
		}
	}
	return list
}

// order is the names of both, those of the later first.
func order(before, after []fact) []string {
	var names []string
	for _, f := range slices.Concat(after, before) {
		if !slices.Contains(names, f.name) {
			names = append(names, f.name)
		}
	}
	return names
}

func valuesOf(facts []fact, name string) []string {
	for _, f := range facts {
		if f.name == name {
			return f.values
		}
	}
	return []string{}
}

// facts reads what there is to compare in a file, by the kind its name tells.
func facts(p *placed) []fact {
	if p == nil {
		return nil
	}
	list := content(p)
	return append(list, fact{"mode", []string{fmt.Sprintf("%04o", p.mode)}})
}

func content(p *placed) []fact {
	switch path.Ext(p.path) {
	case ".crt":
		return certificateFacts(p.data)
	case ".crl":
		return listFacts(p.data)
	case ".key":
		return keyFacts(p.data)
	case ".pub":
		return publicFacts(p.data)
	case ".conf":
		return configFacts(p)
	}
	return nil
}

func unread(what string) []fact {
	return []fact{{"content", []string{"nothing that can be read as a " + what}}}
}

// publicFacts describes the first key, and names the others.
func publicFacts(data []byte) []fact {
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
		return []fact{{"key", keys}}
	}
	return []fact{{"key", keys[:1]}, {"followed by", keys[1:]}}
}

func keyFacts(data []byte) []fact {
	key, err := privatekey.Parse(data)
	if err != nil {
		return unread("private key")
	}
	return []fact{{"key", []string{describeKey(key.Public())}}}
}

func configFacts(p *placed) []fact {
	c, err := kubeconfig.Parse(p.path, p.data)
	if err != nil {
		return unread("kubeconfig")
	}
	list := []fact{{"server", []string{c.Server}}, {"user", []string{c.User}}, {"context", []string{c.Context}}}
	if ca := certificateFacts(c.CA); len(ca) > 1 {
		list = append(list, fact{"trusts", append([]string{fmt.Sprintf("%s (serial %s)", valuesOf(ca, "subject")[0], valuesOf(ca, "serial")[0])}, valuesOf(ca, "followed by")...)})
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
func certificateFacts(data []byte) []fact {
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
	list := []fact{
		{"subject", []string{cert.Subject.String()}},
		{"issuer", []string{cert.Issuer.String()}},
		{"serial", []string{fmt.Sprintf("%x", cert.SerialNumber)}},
		{"valid from", []string{cert.NotBefore.UTC().Format(time.RFC3339)}},
		{"expires", []string{cert.NotAfter.UTC().Format(time.RFC3339)}},
		{"names", alternativeNames(cert)},
		{"key", []string{describeKey(cert.PublicKey)}},
	}
	if len(certs) > 1 {
		followed := fact{name: "followed by"}
		for _, c := range certs[1:] {
			followed.values = append(followed.values, fmt.Sprintf("%s (serial %x)", c.Subject, c.SerialNumber))
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
