package schedule

import (
	"bytes"
	"crypto/x509"
	"fmt"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
)

// neighbour is a former ceremony of another cluster: the root's last, in which
// the root had its turn before.
type neighbour struct {
	plan.Predecessor
	where       plan.At
	keys        map[fingerprint.SHA256]bool // that were opened or made in it
	authorities map[string]*x509.Certificate
}

// readNeighbour reads what a record of another cluster tells of its keys and
// authorities. Leaves are passed over.
func readNeighbour(p plan.Predecessor, where plan.At, lines [][]byte) neighbour {
	n := neighbour{p, where, map[fingerprint.SHA256]bool{}, map[string]*x509.Certificate{}}
	intents := map[int]string{}
	for i, l := range lines {
		switch {
		case bytes.Contains(l, []byte(`"type":"key"`)):
			var k struct {
				SPKI fingerprint.SHA256 `json:"spki"`
			}
			if record(l, "key", &k) == nil {
				n.keys[k.SPKI] = true
			}
		case bytes.Contains(l, []byte(`"type":"intent"`)):
			if name, ok := nameIn(l); ok && !bytes.ContainsRune(name, '/') { // a node's have one
				intents[i+1] = string(name)
			}
		case bytes.Contains(l, []byte(`"type":"issued"`)):
			n.issued(l, intents)
		case bytes.Contains(l, []byte(`"type":"received"`)):
			n.received(l)
		}
	}
	return n
}

// nameIn finds an intent's name, without decoding all of it.
func nameIn(l []byte) ([]byte, bool) {
	_, rest, ok := bytes.Cut(l, []byte(`"name":"`))
	name, _, ended := bytes.Cut(rest, []byte(`"`))
	return name, ok && ended
}

func (n *neighbour) issued(l []byte, intents map[int]string) {
	_, rest, _ := bytes.Cut(l, []byte(`"data":{"intent":`))
	number, _, _ := bytes.Cut(rest, []byte(","))
	var seq int
	if _, err := fmt.Sscanf(string(number), "%d", &seq); err != nil || intents[seq] == "" {
		return
	}
	var r struct {
		Certificate []byte `json:"certificate"`
	}
	if record(l, "issued", &r) == nil {
		n.take(intents[seq], r.Certificate)
	}
}

func (n *neighbour) received(l []byte) {
	var r struct {
		Certificates []struct {
			Name        string `json:"name"`
			Certificate []byte `json:"certificate"`
		} `json:"certificates"`
	}
	if record(l, "received", &r) == nil {
		for _, c := range r.Certificates {
			n.take(c.Name, c.Certificate)
		}
	}
}

func (n *neighbour) take(name string, der []byte) {
	if c, err := x509.ParseCertificate(der); err == nil && c.IsCA && !bytes.Equal(c.RawSubject, c.RawIssuer) {
		n.authorities[name] = c
	}
}

// clusters checks what makes one cluster of several under a root: it continues the
// root's last ceremony, and has authorities of its own.
func (b *authorityPass) clusters() {
	root := b.p.Issuing(kubepki.Root)
	if root == nil || b.held {
		return // a ceremony that was carried out is judged by what was asked then
	}
	opened := root.Key.Existing != fingerprint.SHA256{}
	if opened && len(b.p.Previous.Ceremonies) == 0 && b.p.Previous.Lost == nil {
		b.Refuse(plan.At{"previous"}, "the key of %s exists, so a ceremony had it before: previous has to name the "+
			"root's last one, of whichever cluster", root.Name)
	}
	for _, n := range b.past.neighbours {
		if opened && !n.keys[root.Key.Existing] {
			b.Refuse(append(n.where, "transcript"), "ceremony %d of cluster %s did not open the key of %s: name the root's "+
				"last ceremony, in which it did", n.Sequence, n.Cluster, root.Name)
		}
		for i, a := range b.p.Authorities {
			if a.Family != kubepki.Root {
				b.apart(a, plan.At{"authorities", i}, n)
			}
		}
	}
}

// apart refuses an authority that could be taken for another cluster's, or is it.
func (b *authorityPass) apart(a plan.Authority, where plan.At, n neighbour) {
	own := b.cas.present(a.Name)
	subject := dn(a.Subject)
	if own != nil {
		subject = own.Subject.String()
	}
	for name, c := range n.authorities {
		switch {
		case own != nil && bytes.Equal(own.RawSubjectPublicKeyInfo, c.RawSubjectPublicKeyInfo):
			b.Refuse(where, "authority %s is %s of cluster %s: whom it certifies would log in to both clusters", a.Name, name,
				n.Cluster)
		case subject == c.Subject.String():
			b.Refuse(where, "authority %s would have the subject of %s of cluster %s, %s: chains of one cluster could be "+
				"taken for the other's", a.Name, name, n.Cluster, subject)
		}
	}
}
