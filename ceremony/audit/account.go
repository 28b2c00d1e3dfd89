package audit

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"slices"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/transcript"
)

// pairs is what the record says of the service-account keys; false when it has none.
func (a *view) pairs() (keys transcript.AccountKeys, ok bool) {
	lines := slices.Concat(
		of(transcript.ServiceAccount, a.ledger.carried),
		of(transcript.ServiceAccount, a.ledger.sealed),
	)
	if len(lines) == 0 {
		return keys, false
	}
	keys.InUse = lines[len(lines)-1].Sealed
	for _, s := range slices.Concat(of(transcript.NextServiceAccount, a.ledger.carried),
		of(transcript.NextServiceAccount, a.ledger.sealed)) {
		keys.Next = &s.Sealed
	}
	return keys, true
}

// accountKeys holds what sa.pub has against plan and previous record: no token is
// verified by a key that nobody had sign, none ends that was not to end, and no
// pair signs that API servers did not learn to trust before.
func (a *sealedAudit) accountKeys(c *Check) {
	keys, ok := a.pairs()
	if !ok {
		return
	}
	var planned [][]byte
	for _, file := range a.plan.Plan.ServiceAccount.Former {
		planned = append(planned, publicDER(a.plan.Inputs[file]))
	}
	if !slices.EqualFunc(keys.InUse.Former, planned, bytes.Equal) {
		c.problem(
			"%s: keeps %d former service-account keys in sa.pub that are not the plan's %d, in its order",
			transcriptFile,
			len(keys.InUse.Former),
			len(planned),
		)
	}
	seen := map[fingerprint.SHA256]bool{}
	for _, der := range keys.Public() {
		spki := fingerprint.Of(der)
		if name := a.keyName(spki); name != "" {
			c.problem("%s: the service-account key %s is the %s key", transcriptFile, spki, name)
		}
		if seen[spki] {
			c.problem("%s: the service-account key %s is in sa.pub twice", transcriptFile, spki)
		}
		seen[spki] = true
	}
	a.succeeds(c, keys)
}

// succeeds holds the pairs against those of the last ceremony that had any.
func (a *sealedAudit) succeeds(c *Check, now transcript.AccountKeys) {
	if a.plan.Plan.ServiceAccount.Create != "" {
		return // made here; what was before ends with it, as the plan says
	}
	if a.accountTaken(now.InUse.Recipients, now.InUse.SHA256, now.InUse.PublicKey) {
		return // of a cluster that is adopted; there was no ceremony before
	}
	if a.accountKept(now.InUse.Recipients, now.InUse.File) && now.InUse.File == a.plan.Plan.ServiceAccount.Sealed {
		return // the records are lost: nobody can hold it against one
	}
	before := a.past.accounts()
	is := func(der []byte) func([]byte) bool { return func(o []byte) bool { return bytes.Equal(o, der) } }
	switch used := now.InUse.PublicKey; {
	case bytes.Equal(used, before.InUse.PublicKey):
	case before.Next == nil || !bytes.Equal(used, before.Next.PublicKey):
		c.problem(
			"%s: signs with service-account key %s, which the last ceremony had neither in use nor as the next",
			transcriptFile,
			fingerprint.Of(used),
		)
	case !slices.ContainsFunc(now.InUse.Former, is(before.InUse.PublicKey)):
		c.problem(
			"%s: service-account key %s signed until now, and sa.pub does not keep it",
			transcriptFile,
			fingerprint.Of(before.InUse.PublicKey),
		)
	}
	for _, der := range now.InUse.Former {
		if !bytes.Equal(der, before.InUse.PublicKey) && !slices.ContainsFunc(before.InUse.Former, is(der)) {
			c.problem(
				"%s: keeps service-account key %s in sa.pub, which by the last record signed nothing",
				transcriptFile,
				fingerprint.Of(der),
			)
		}
	}
	if next := now.Next; next != nil && a.plan.Plan.ServiceAccount.Next.Create == "" &&
		(before.Next == nil || !bytes.Equal(next.PublicKey, before.Next.PublicKey)) {
		c.problem(
			"%s: carries service-account key %s over as the next, which it was not",
			transcriptFile,
			fingerprint.Of(next.PublicKey),
		)
	}
}

// publicDER is the key of one PEM block, as the record writes keys; nil when it is none.
func publicDER(text []byte) []byte {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil
	}
	pub, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil
	}
	der, _ := x509.MarshalPKIXPublicKey(pub) // of what was parsed
	return der
}

// serviceAccount is the pair as a node's bundle holds it: made here, carried
// over, or shared by a peer; and beside its public key those that sa.pub
// has for tokens of later and of before.
func (a *bundleAudit) serviceAccount(node string) (sealed, public []byte) {
	keys, ok := a.pairs()
	if !ok {
		return nil, nil
	}
	sa := a.plan.Plan.ServiceAccount
	list := keys.Public()
	if len(list) == 1 && sa.Sealed != "" {
		public = a.plan.Inputs[sa.Public]
	} else {
		for _, der := range list {
			public = append(public, publicPEM(der)...)
		}
	}
	for _, n := range a.plan.Plan.Nodes {
		if n.Name == node && n.Sealed != "" {
			return a.plan.Inputs[n.Sealed], public
		}
	}
	if sa.Sealed != "" {
		return a.plan.Inputs[sa.Sealed], public
	}
	sealed, err := a.tree.read(sealedKeyFile)
	if err != nil {
		sealed = nil // what is wrong with the file is told where it is sealed
	}
	return sealed, public
}
