package schedule

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"slices"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/seal"
	"officiant/ceremony/history"
	"officiant/ceremony/plan"
	"officiant/signer"
)

// accountPass checks the service-account pairs.
type accountPass struct {
	base
	past  *records
	nodes *nodeFacts
	sent  *requestFacts
}

func accountOf(b base, past *records, nodes *nodeFacts, sent *requestFacts) {
	(&accountPass{b, past, nodes, sent}).check()
}

// check says where the service-account pair comes from: made in
// memory, or carried over as it was sealed.
func (b *accountPass) check() {
	b.shared()
	sa := &b.p.ServiceAccount
	where := plan.At{"serviceAccount"}
	needed := slices.ContainsFunc(b.nodes.list, func(n kubepki.Node) bool { return n.Has(kubepki.ControlPlane) })
	given := sa.Given()
	switch {
	case !needed && given:
		b.Refuse(where, "no node of this plan is a control-plane node, which alone has the service-account key")
	case !needed:
	case b.past.genesis() && b.p.Adopts() && (!given || sa.Create != ""):
		b.Refuse(where, "a cluster that is adopted keeps its service-account pair, by which its tokens are signed: "+
			"carry it over (sealed, public)")
	case !given && b.past.genesis():
		sa.Create = signer.ECDSAP256
	case !given:
		b.Refuse(nil, "serviceAccount is missing: carry the pair over (sealed, public), or create a new one, which ends "+
			"every token signed so far")
	case sa.Create != "" && (sa.Sealed != "" || sa.Public != ""):
		b.Refuse(where, "the service-account pair is either created or carried over (sealed, public)")
	case sa.Create != "" && (sa.Next != plan.NextAccount{} || sa.Former != nil):
		b.Refuse(where, "a pair that is created signs from now on: next and former belong to one that is carried over "+
			"(sealed, public)")
	case sa.Create != "":
		b.createAccount(where)
	case sa.Sealed == "" || sa.Public == "":
		b.Refuse(where, "a service-account pair is carried over as two files, sealed and public")
	default:
		b.carryAccount(where)
	}
}

func (b *accountPass) createAccount(where plan.At) {
	b.accountAlgorithm(append(where, "create"), b.p.ServiceAccount.Create)
	b.holdBack()
	if b.past.genesis() {
		return
	}
	b.Warn(where, "a new service-account pair: tokens signed with the old one are refused once the bundles are installed")
	b.provenRecipients()
}

// holdBack names the nodes for whose sake a new pair is sealed without the hybrid
// recipients that others have: age mixes the two in no file.
func (b *accountPass) holdBack() {
	var all []string
	for _, n := range b.nodes.list {
		if n.Has(kubepki.ControlPlane) {
			all = append(all, b.sent.recipient(b.p, n.Name))
		}
	}
	if _, lacking := seal.Hybrid(all); len(lacking) == len(all) {
		return // none has one
	}
	for i, n := range b.p.Nodes {
		to := b.sent.recipient(b.p, n.Name)
		if hybrid, _ := seal.Hybrid([]string{to}); slices.Contains(n.Roles, kubepki.ControlPlane) && !hybrid {
			b.Warn(
				plan.At{"nodes", i},
				"node %s has no hybrid recipient, and for its sake the new service-account key is sealed "+
					"to all by X25519 or its SSH key's kind alone, which a quantum computer would open; a node set up anew has one",
				n.Name,
			)
		}
	}
}

func (b *accountPass) accountAlgorithm(where plan.At, a signer.Algorithm) {
	switch a {
	case signer.ECDSAP256, signer.RSA2048, signer.RSA3072, signer.RSA4096:
	default:
		b.Refuse(where, "the service-account key is ECDSA-P256, RSA-2048, RSA-3072 or RSA-4096, not %s", a)
	}
}

// provenRecipients refuses a renewal of a node that a new pair would be sealed to.
// The record vouches for the keys in a renewal's request, not for the recipient
// beside them: who took a copy of the keys could write his own.
func (b *accountPass) provenRecipients() {
	for i, n := range b.p.Nodes {
		if n.Renews() && slices.Contains(n.Roles, kubepki.ControlPlane) {
			b.Refuse(plan.At{"nodes", i, "renew"}, "node %s: a new service-account key needs a new request: the record "+
				"vouches for the keys in the old one, and not for its recipient", n.Name)
		}
	}
}

// carryAccount checks a pair that was sealed before, as far as the predecessor
// recorded who can open it, and what goes into sa.pub beside it.
func (b *accountPass) carryAccount(where plan.At) {
	sa := b.p.ServiceAccount
	sealed, pub := b.sealedPair(sa.Sealed, sa.Public, where)
	next := b.nextAccount(append(where, "next"))
	former := b.formerAccounts(append(where, "former"), pub, next)
	if pub != nil && b.past.genesis() && b.p.Adopts() {
		b.adoptAccount(pub)
	}
	keys := b.past.Accounts()
	if keys == nil && b.p.Previous.Lost == nil && !(b.past.genesis() && b.p.Adopts()) {
		b.unrecorded(where)
	}
	if sealed == nil || pub == nil || keys == nil {
		return
	}
	recorded := &keys.InUse
	switch {
	case is(recorded, pub):
		b.givenUp(where, former, next)
	case is(keys.Next, pub):
		if !slices.ContainsFunc(former, func(k crypto.PublicKey) bool { return is(recorded, k) }) {
			b.Refuse(where, "the pair that signed tokens until now is missing under former: without its public key in "+
				"sa.pub they end at once")
		}
		recorded = keys.Next
	default:
		b.RefuseInput(sa.Public, "is not the service-account key the last ceremony recorded")
		return
	}
	if _, ok := b.past.Sealed(fingerprint.Of(sealed)); !ok && !b.held && isAgeFile(sealed) {
		b.RefuseInput(sa.Sealed, "is not the sealed file of any previous ceremony's record")
	}
	b.opens(sealed, recorded)
}

// unrecorded refuses a pair that no ceremony named here has on record: it is some
// cluster's, whose people would not be asked, and no audit takes it.
func (b *accountPass) unrecorded(where plan.At) {
	if b.past.broken {
		return
	}
	b.afterwards(where, "no ceremony named here has a service-account pair on record: create one, or name the ceremony "+
		"that has this one, and those after it (previous)")
}

// is says whether a record is of the pair with that public key; a record that is
// not there is of none.
func is(s *history.Sealed, pub crypto.PublicKey) bool {
	return s != nil && isKey(s.PublicKey, pub)
}

// isKey says whether a public key is that of DER.
func isKey(der []byte, pub crypto.PublicKey) bool {
	if pub == nil {
		return false
	}
	recorded, err := x509.ParsePKIXPublicKey(der)
	return err == nil && equalKeys(recorded, pub)
}

// sealedPair reads a pair that is carried over; nil for what cannot be had.
func (b *accountPass) sealedPair(sealedFile, publicFile string, where plan.At) (sealed []byte, pub crypto.PublicKey) {
	sealed = b.input(sealedFile, append(slices.Clone(where), "sealed"))
	pub = b.accountPublic(publicFile, append(slices.Clone(where), "public"))
	if sealed != nil && !isAgeFile(sealed) {
		b.RefuseInput(sealedFile, "not an armored age file")
	}
	return sealed, pub
}

// accountPublic reads the public key of a pair; nil when it cannot be had.
func (b *accountPass) accountPublic(file string, where plan.At) crypto.PublicKey {
	data := b.input(file, where)
	if data == nil {
		return nil
	}
	pub, err := parsePublic(data)
	if err != nil {
		b.RefuseInput(file, "%v", err)
		return nil
	}
	if _, err := signer.AlgorithmOf(pub); err != nil {
		b.RefuseInput(file, "%v cannot be used: %s", err, usableKeys)
		return nil
	}
	return pub
}

// nextAccount checks the pair that API servers learn to trust before anything is
// signed with it; nil when there is none, or it is made in the ceremony.
func (b *accountPass) nextAccount(where plan.At) crypto.PublicKey {
	next := b.p.ServiceAccount.Next
	switch {
	case next == plan.NextAccount{}:
		return nil
	case next.Create != "" && (next.Sealed != "" || next.Public != ""):
		b.Refuse(where, "the next service-account pair is either created or carried over (sealed, public)")
		return nil
	case next.Create != "":
		b.accountAlgorithm(append(where, "create"), next.Create)
		b.holdBack()
		b.provenRecipients()
		b.unknownToNext(where)
		return nil
	case next.Sealed == "" || next.Public == "":
		b.Refuse(where, "a service-account pair is carried over as two files, sealed and public")
		return nil
	}
	sealed, pub := b.sealedPair(next.Sealed, next.Public, where)
	keys := b.past.Accounts()
	if keys == nil && b.p.Previous.Lost == nil { // where records are lost, it is refused there
		b.unrecorded(where)
	}
	if sealed != nil && pub != nil && keys != nil &&
		!(is(keys.Next, pub) && keys.Next.SHA256 == fingerprint.Of(sealed)) {
		b.RefuseInput(next.Public, "is not the next service-account pair the last ceremony recorded")
	}
	return pub
}

// unknownToNext warns of nodes that have the pair in use and will not be able to
// open the next one.
func (b *accountPass) unknownToNext(where plan.At) {
	keys := b.past.Accounts()
	if keys == nil {
		return
	}
	missing := 0
	for _, r := range keys.InUse.Recipients {
		if !slices.ContainsFunc(b.nodes.list, func(n kubepki.Node) bool { return b.sent.recipient(b.p, n.Name) == r }) {
			missing++
		}
	}
	if missing > 0 {
		b.Warn(where, "the present service-account key is sealed to %d recipients that no node here has; they will not "+
			"be able to open the next one", missing)
	}
}

// formerAccounts checks the public keys that sa.pub keeps. Only such that signed
// tokens once have anything to verify there.
func (b *accountPass) formerAccounts(where plan.At, pub, next crypto.PublicKey) (former []crypto.PublicKey) {
	seen := []crypto.PublicKey{pub, next}
	for i, file := range b.p.ServiceAccount.Former {
		where := append(slices.Clone(where), i)
		k := b.accountPublic(file, where)
		if k == nil {
			continue
		}
		same := func(o crypto.PublicKey) bool { return o != nil && equalKeys(o, k) }
		switch {
		case slices.ContainsFunc(seen, same):
			b.Refuse(where, "the key in %s is in sa.pub already", file)
		case b.past.Accounts() != nil && !signed(b.past.Accounts(), k):
			b.Refuse(where, "the key in %s is none that nodes signed tokens with, as the last ceremony recorded it", file)
		}
		former, seen = append(former, k), append(seen, k)
	}
	return former
}

// signed says whether tokens signed with a pair may be about: it is in use, or
// sa.pub kept it.
func signed(keys *history.AccountKeys, pub crypto.PublicKey) bool {
	return is(&keys.InUse, pub) ||
		slices.ContainsFunc(keys.InUse.Former, func(der []byte) bool { return isKey(der, pub) })
}

// givenUp warns of keys that sa.pub had and will not have any more.
func (b *accountPass) givenUp(where plan.At, former []crypto.PublicKey, next crypto.PublicKey) {
	keys := b.past.Accounts()
	for _, der := range keys.InUse.Former {
		if !slices.ContainsFunc(former, func(k crypto.PublicKey) bool { return isKey(der, k) }) {
			b.Warn(where, "tokens signed with the former service-account key %s are refused once the bundles are installed",
				fingerprint.Of(der))
		}
	}
	if was := keys.Next; was != nil && !is(was, next) {
		b.Warn(where, "the next service-account key that the last ceremony made, %s, is given up",
			fingerprint.Of(was.PublicKey))
	}
}

// opens refuses a control-plane node that can open neither the cluster's sealed
// file nor one of its own.
func (b *accountPass) opens(sealed []byte, recorded *history.Sealed) {
	// Another file than the recorded one was sealed by a node, to others.
	if fingerprint.Of(sealed) != recorded.SHA256 {
		return
	}
	file := b.p.ServiceAccount.Sealed
	for i, n := range b.nodes.list {
		to := b.sent.recipient(b.p, n.Name)
		if !n.Has(kubepki.ControlPlane) || to == "" {
			continue
		}
		shared := b.sharedWith(n.Name) != ""
		switch opens := slices.Contains(recorded.Recipients, to); {
		case !opens && !shared:
			b.Refuse(plan.At{"nodes", i}, "node %s cannot open %s: its recipient %s is not among those it was sealed to; a "+
				"peer can seal the key to it (sealed)", n.Name, file, fingerprint.Recipient(to))
		case opens && shared:
			b.Refuse(plan.At{"nodes", i, "sealed"}, "node %s can open %s itself", n.Name, file)
		}
	}
}

// shared checks the files that peers sealed to nodes that joined later.
func (b *accountPass) shared() {
	for i, n := range b.p.Nodes {
		if n.Sealed == "" {
			continue
		}
		where := plan.At{"nodes", i, "sealed"}
		switch {
		case !slices.Contains(n.Roles, kubepki.ControlPlane):
			b.Refuse(where, "node %s is no control-plane node, which alone has the service-account key", n.Name)
		case b.p.ServiceAccount.Sealed == "":
			b.Refuse(where, "node %s: a peer can only share a service-account key that is carried over", n.Name)
		default:
			if data := b.input(n.Sealed, where); data != nil && !isAgeFile(data) {
				b.RefuseInput(n.Sealed, "not an armored age file")
			}
		}
	}
}

// sharedWith is the file a peer sealed to a node; empty when there is none.
func (b *accountPass) sharedWith(node string) string {
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
