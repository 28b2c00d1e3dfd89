package next

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
)

// Chain is one cluster's previous ceremonies that continue each other, newest first.
type Chain []*Previous

// Folder is a ceremony directory: its name, for messages, and what is in it.
type Folder struct {
	Dir string
	FS  fs.FS
}

// ReadChain reads ceremonies of one cluster that continue each other, in any order.
func ReadChain(folders []Folder) (Chain, error) {
	var chain Chain
	for _, f := range folders {
		p, err := ReadPrevious(f.Dir, f.FS)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(chain, func(o *Previous) bool { return o.record.Head() == p.record.Head() }) {
			chain = append(chain, p)
		}
	}
	slices.SortStableFunc(chain, func(a, b *Previous) int { return cmp.Compare(b.open.Sequence, a.open.Sequence) })
	for i, p := range chain[1:] {
		next := chain[i]
		if p.open.Cluster != next.open.Cluster || !next.continues(p) {
			return nil, refuse("%s, ceremony %d of cluster %s, is not the one that %s, ceremony %d of cluster %s, continues",
				p.Dir, p.open.Sequence, p.open.Cluster, next.Dir, next.open.Sequence, next.open.Cluster)
		}
	}
	return chain, nil
}

// last is the newest ceremony.
func (c Chain) last() *Previous { return c[0] }

// previous names the chain in a plan, with the copies of its records.
func (c Chain) previous(in *inputs) ([]plan.Predecessor, error) {
	var earlier []string
	for _, l := range c[1:] {
		named, err := l.named(in)
		if err != nil {
			return nil, err
		}
		earlier = append(earlier, named.Transcript)
	}
	last, err := c.last().named(in, earlier...)
	return []plan.Predecessor{last}, err
}

// present is what nodes have now: the newest certificate of each name.
func (c Chain) present() map[string]*x509.Certificate {
	out := map[string]*x509.Certificate{}
	for _, p := range slices.Backward(c) { // oldest first
		for name, cert := range p.record.Adopted() {
			if strings.Contains(name, "/") {
				out[name] = cert
			}
		}
		for _, cert := range p.record.Certificates() {
			if strings.Contains(cert.Name, "/") {
				out[cert.Name] = cert.Certificate
			}
		}
	}
	return out
}

// servers are the API servers in the kubeconfigs nodes have, by the schedule's name.
func (c Chain) servers() map[string]string {
	out := map[string]string{}
	for _, p := range slices.Backward(c) { // oldest first
		for _, n := range p.plan.Nodes {
			leaves, err := kubepki.Leaves(p.plan.Cluster, n)
			if err != nil {
				continue // a ceremony was held by it
			}
			for _, l := range leaves {
				if l.Kubeconfig != nil {
					out[n.Name+"/"+l.Name] = l.Kubeconfig.Server
				}
			}
		}
	}
	return out
}

// revoked are the serial numbers on the newest lists, in hex.
func (l *Previous) revoked() map[string]bool {
	revoked := map[string]bool{}
	for _, list := range l.record.RevocationLists() {
		for _, e := range list.List.RevokedCertificateEntries {
			revoked[e.SerialNumber.Text(16)] = true
		}
	}
	return revoked
}

// revokedItself says whether an authority is on a list of the root's: it signs nothing more.
func (l *Previous) revokedItself(authority string) bool {
	c := l.certificate(authority)
	return c != nil && l.revoked()[c.SerialNumber.Text(16)]
}

// signedBy says whether an authority signed a certificate.
func signedBy(c, issuer *x509.Certificate) bool {
	return issuer != nil && c.CheckSignatureFrom(issuer) == nil
}

// planName is the default, CLUSTER-SEQUENCE as an RFC 1123 label.
func planName(cluster string, sequence int) string {
	label := strings.Trim(notInName.ReplaceAllString(strings.ToLower(cluster), "-"), "-")
	return fmt.Sprintf("%s-%d", label[:min(len(label), 50)], sequence)
}
