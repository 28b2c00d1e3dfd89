package plan

import (
	"fmt"

	"officiant/bundle/fingerprint"
)

// grant writes what an online signer may sign. The nodes say how often each has
// something signed, so that it does not change with a default.
func (w *writer) grant(g *Grant) {
	if !g.Given() {
		return
	}
	w.comment(0, "", "What the online signer may sign; it replaces the grant before, so it has every node of the",
		"cluster. journal is the public key of the signer's journal, SHA-256.")
	w.open(0, "grant")
	if g.Journal != (fingerprint.SHA256{}) {
		w.hash(2, "journal", g.Journal)
	}
	if g.Validity != 0 {
		w.line(2, "validity", g.Validity.String())
	}
	if g.Life != 0 {
		w.line(2, "life", g.Life.String())
	}
	w.number(2, "signaturesPerDay", g.SignaturesPerDay)
	if len(g.KeyAlgorithms) > 0 {
		w.flow(2, "keyAlgorithms", plainTexts(g.KeyAlgorithms))
	}
	if len(g.Reserved.DNSNames)+len(g.Reserved.Networks) > 0 {
		w.open(2, "reserved")
		if len(g.Reserved.DNSNames) > 0 {
			w.flow(4, "dnsNames", g.Reserved.DNSNames)
		}
		if len(g.Reserved.Networks) > 0 {
			w.flow(4, "networks", textsOf(g.Reserved.Networks))
		}
	}
	if len(g.RefusedKeys) > 0 {
		w.flow(2, "refusedKeys", textsOf(g.RefusedKeys))
	}
	if len(g.Nodes) > 0 {
		w.open(2, "nodes")
	}
	for _, n := range g.Nodes {
		fmt.Fprintf(w, "    - name: %s\n", scalar(n.Name))
		w.flow(6, "roles", plainTexts(n.Roles))
		if len(n.DNSNames) > 0 {
			w.flow(6, "dnsNames", n.DNSNames)
		}
		if len(n.IPAddresses) > 0 {
			w.flow(6, "ipAddresses", textsOf(n.IPAddresses))
		}
		w.number(6, "signaturesPerDay", n.SignaturesPerDay)
		w.line(6, "bootstrap", n.Bootstrap)
	}
	if len(g.Users) > 0 {
		w.open(2, "users")
	}
	for _, u := range g.Users {
		fmt.Fprintf(w, "    - name: %s\n", scalar(u.Name))
		if len(u.Groups) > 0 {
			w.flow(6, "groups", u.Groups)
		}
		w.line(6, "requester", u.Requester)
		w.number(6, "signaturesPerDay", u.SignaturesPerDay)
	}
}

// number writes a number; nothing for zero.
func (w *writer) number(indent int, key string, n int) {
	if n != 0 {
		fmt.Fprintf(w, "%*s%s: %d\n", indent, "", key, n)
	}
}

func textsOf[T fmt.Stringer](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = v.String()
	}
	return out
}

func plainTexts[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}
