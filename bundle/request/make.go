package request

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
)

// Make makes a request file: a CSR for each leaf, with the node's key of that
// name. A CSR has subject and alternative names and nothing else, as kubeadm's.
// Keys that are known already may sign the request, too; more may be enclosed.
func Make(cluster kubepki.Cluster, node kubepki.Node, leaves []kubepki.Leaf, keys Keys, recipient string, created time.Time, rand io.Reader, with ...Enclosure) ([]byte, error) {
	csrs := map[string][]byte{}
	for _, l := range leaves {
		if keys[l.Name] == nil {
			return nil, fmt.Errorf("no key for %s", l.Name)
		}
		csr, err := makeCSR(l, keys[l.Name], rand)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", csrFile(l.Name), err)
		}
		csrs[l.Name] = csr
	}
	return Pack(cluster, node, csrs, keys, recipient, created, rand, with...)
}

func makeCSR(l kubepki.Leaf, key crypto.Signer, rand io.Reader) ([]byte, error) {
	template := &x509.CertificateRequest{
		Subject:  pkix.Name{CommonName: l.CommonName, Organization: l.Organization},
		DNSNames: l.DNSNames,
	}
	for _, a := range l.IPAddresses {
		template.IPAddresses = append(template.IPAddresses, net.IP(a.AsSlice()))
	}
	der, err := x509.CreateCertificateRequest(rand, template, key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: csrPEM, Bytes: der}), nil
}

// Pack makes a request file of CSRs that exist, in PEM by Leaf.Name; keys has
// the key of each. What it returns, Parse accepts.
func Pack(cluster kubepki.Cluster, node kubepki.Node, csrs map[string][]byte, keys Keys, recipient string, created time.Time, rand io.Reader, with ...Enclosure) ([]byte, error) {
	if len(csrs) == 0 {
		return nil, errors.New("a request needs a CSR")
	}
	cluster.Places, cluster.ByHand = kubepki.Places{}, false // no CSR depends on them
	entries := map[string][]byte{recipientFile: []byte(recipient + "\n")}
	r := Request{
		APIVersion: APIVersion, Kind: Kind, Cluster: cluster, Node: node,
		Created:   created.UTC().Truncate(time.Second),
		Recipient: Part{File: recipientFile, SHA256: fingerprint.Of(entries[recipientFile])},
	}
	names := slices.Sorted(maps.Keys(csrs))
	for _, name := range names {
		csr, err := parseCSR(csrs[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", csrFile(name), err)
		}
		c := CSR{
			Name: name, File: csrFile(name), SHA256: fingerprint.Of(csrs[name]),
			SPKI: fingerprint.Of(csr.RawSubjectPublicKeyInfo),
		}
		r.CSRs, entries[c.File] = append(r.CSRs, c), csrs[name]
	}
	for _, e := range with {
		e.announce(&r, entries)
	}
	raw, err := r.encode()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", requestFile, err)
	}
	entries[requestFile] = raw
	for _, name := range names {
		if keys[name] == nil {
			return nil, fmt.Errorf("no key for %s", name)
		}
		if entries[sigFile(name)], err = sign(rand, keys[name], raw); err != nil {
			return nil, fmt.Errorf("%s: %w", sigFile(name), err)
		}
	}
	for _, e := range with {
		v, ok := e.(Voucher)
		if !ok {
			continue
		}
		file, content, err := v.vouch(rand, raw)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		entries[file] = content
	}
	data, err := pack(entries)
	if err != nil {
		return nil, fmt.Errorf("request of node %s: %w", node.Name, err)
	}
	if _, err := Parse("request of node "+node.Name, data); err != nil {
		return nil, err
	}
	return data, nil
}
