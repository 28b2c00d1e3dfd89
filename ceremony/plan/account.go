package plan

import (
	"bytes"
	"crypto/x509"
	"slices"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/signer"
)

// serviceAccount checks where the service-account pair comes from: made in
// memory, or carried over as it was sealed.
func (b *builder) serviceAccount() {
	b.shared()
	sa := &b.p.ServiceAccount
	where := at{"serviceAccount"}
	needed := slices.ContainsFunc(b.c.Nodes, func(n kubepki.Node) bool { return n.Has(kubepki.ControlPlane) })
	given := *sa != ServiceAccount{}
	switch {
	case !needed && given:
		b.refuse(where, "no node of this plan is a control-plane node, which alone has the service-account key")
	case !needed:
	case !given && b.genesis():
		sa.Create = signer.ECDSAP256
	case !given:
		b.refuse(nil, "serviceAccount is missing: carry the pair over (sealed, public), or create a new one, which ends every token signed so far")
	case sa.Create != "" && (sa.Sealed != "" || sa.Public != ""):
		b.refuse(where, "the service-account pair is either created or carried over (sealed, public)")
	case sa.Create != "":
		b.createAccount(where)
	case sa.Sealed == "" || sa.Public == "":
		b.refuse(where, "a service-account pair is carried over as two files, sealed and public")
	default:
		b.carryAccount(where)
	}
}

func (b *builder) createAccount(where at) {
	switch a := b.p.ServiceAccount.Create; a {
	case signer.ECDSAP256, signer.RSA2048, signer.RSA3072, signer.RSA4096:
	default:
		b.refuse(append(where, "create"), "the service-account key is ECDSA-P256, RSA-2048, RSA-3072 or RSA-4096, not %s", a)
	}
	if b.genesis() {
		return
	}
	b.warn(where, "a new service-account pair: tokens signed with the old one are refused once the bundles are installed")
	// The record vouches for the keys in a renewal's request, not for the
	// recipient beside them: who took a copy of the keys could write his own.
	for i, n := range b.p.Nodes {
		if n.Renews() && slices.Contains(n.Roles, kubepki.ControlPlane) {
			b.refuse(at{"nodes", i, "renew"}, "node %s: a new service-account key needs a new request: the record vouches for the keys in the old one, and not for its recipient", n.Name)
		}
	}
}

// carryAccount checks a pair that was sealed before, as far as the predecessor
// recorded who can open it.
func (b *builder) carryAccount(where at) {
	sa := b.p.ServiceAccount
	sealed, public := b.input(sa.Sealed, append(where, "sealed")), b.input(sa.Public, append(where, "public"))
	if sealed == nil || public == nil {
		return
	}
	if !isAgeFile(sealed) {
		b.refuseInput(sa.Sealed, "not an armored age file")
	}
	pub, err := parsePublic(public)
	if err != nil {
		b.refuseInput(sa.Public, "%v", err)
		return
	}
	if _, err := signer.AlgorithmOf(pub); err != nil {
		b.refuseInput(sa.Public, "%v cannot be used", err)
		return
	}
	if b.sealed == nil {
		return
	}
	if recorded, err := x509.ParsePKIXPublicKey(b.sealed.PublicKey); err != nil || !equalKeys(recorded, pub) {
		b.refuseInput(sa.Public, "is not the service-account key the last ceremony recorded")
		return
	}
	// Another file than the recorded one was sealed by a node, to others.
	if fingerprint.Of(sealed) != b.sealed.SHA256 {
		return
	}
	for i, n := range b.c.Nodes {
		to := b.c.Recipient(n.Name)
		if !n.Has(kubepki.ControlPlane) || to == "" {
			continue
		}
		shared := b.sharedWith(n.Name) != ""
		switch opens := slices.Contains(b.sealed.Recipients, to); {
		case !opens && !shared:
			b.refuse(at{"nodes", i}, "node %s cannot open %s: its recipient %s is not among those it was sealed to; a sister node can seal the key to it (sealed)", n.Name, sa.Sealed, to)
		case opens && shared:
			b.refuse(at{"nodes", i, "sealed"}, "node %s can open %s itself", n.Name, sa.Sealed)
		}
	}
}

// shared checks the files that sister nodes sealed to nodes that joined later.
func (b *builder) shared() {
	for i, n := range b.p.Nodes {
		if n.Sealed == "" {
			continue
		}
		where := at{"nodes", i, "sealed"}
		switch {
		case !slices.Contains(n.Roles, kubepki.ControlPlane):
			b.refuse(where, "node %s is no control-plane node, which alone has the service-account key", n.Name)
		case b.p.ServiceAccount.Sealed == "":
			b.refuse(where, "node %s: a sister can only share a service-account key that is carried over", n.Name)
		default:
			if data := b.input(n.Sealed, where); data != nil && !isAgeFile(data) {
				b.refuseInput(n.Sealed, "not an armored age file")
			}
		}
	}
}

// sharedWith is the file a sister node sealed to a node; empty when there is none.
func (b *builder) sharedWith(node string) string {
	for _, n := range b.p.Nodes {
		if n.Name == node {
			return n.Sealed
		}
	}
	return ""
}

func isAgeFile(data []byte) bool {
	return bytes.HasPrefix(data, []byte("-----BEGIN AGE ENCRYPTED FILE-----\n"))
}

func equalKeys(a, b any) bool {
	x, err := fingerprint.SPKI(a)
	if err != nil {
		return false
	}
	y, err := fingerprint.SPKI(b)
	return err == nil && x == y
}
