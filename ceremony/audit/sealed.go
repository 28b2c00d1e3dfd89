package audit

import (
	"bytes"
	"encoding/pem"
	"slices"
	"strings"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/phrase"
	"officiant/ceremony/transcript"
)

// sealedAudit proves the service-account keys, and to whom they are sealed.
type sealedAudit struct{ *view }

// sealed holds the sealed service-account keys against their lines and against
// the requests of the nodes they are for.
func (a *sealedAudit) sealed(c *Check) {
	sa := a.plan.Plan.ServiceAccount
	own, all := a.accountRecipients()
	c.Detail = phrase.Count(len(a.ledger.sealed)+len(a.ledger.carried)+len(a.ledger.shared), "sealed secret")
	a.madePair(c, transcript.ServiceAccount, sealedKeyFile, sa.Create != "" && len(own) > 0, own)
	a.madePair(c, transcript.NextServiceAccount, nextKeyFile, sa.Next.Create != "", all)
	a.carriedPair(c, transcript.ServiceAccount, sa.Sealed, own)
	a.carriedPair(c, transcript.NextServiceAccount, sa.Next.Sealed, nil)
	for _, s := range slices.Concat(a.ledger.sealed, a.ledger.carried) {
		if s.Secret != transcript.ServiceAccount && s.Secret != transcript.NextServiceAccount {
			c.problem("line %d: seals %s as %s, which no ceremony does", s.seq, s.Secret, s.File)
		}
	}
	a.accountKeys(c)
	a.shared(c)
	(&nodeKeyAudit{a.view}).nodeKeys(c)
}

// accountRecipients are the control-plane nodes' recipients: of those that open
// the cluster's own file of the pair in use, and of all.
func (a *sealedAudit) accountRecipients() (own, all []string) {
	for i, n := range a.plan.Nodes {
		to := a.plan.Recipient(n.Name)
		if !n.Has(kubepki.ControlPlane) {
			continue
		}
		if !slices.Contains(all, to) {
			all = append(all, to)
		}
		if a.plan.Plan.Nodes[i].Sealed == "" && !slices.Contains(own, to) {
			own = append(own, to)
		}
	}
	return own, all
}

// of returns the lines about one secret.
func of(secret string, lines []sealedLine) (out []sealedLine) {
	for _, s := range lines {
		if s.Secret == secret {
			out = append(out, s)
		}
	}
	return out
}

// madePair holds a pair that was made here against its file and its nodes.
func (a *sealedAudit) madePair(c *Check, secret, file string, planned bool, want []string) {
	lines := of(secret, a.ledger.sealed)
	expected := 0
	if planned {
		expected = 1
	}
	if len(lines) != expected {
		c.problem(
			"%s: %s of a %s key on record, the plan asks for %d",
			transcriptFile,
			phrase.Count(len(lines), "sealed secret"),
			secret,
			expected,
		)
	}
	for _, s := range lines {
		if s.File != file {
			c.problem("line %d: seals %s as %s, which no ceremony does", s.seq, s.Secret, s.File)
			continue
		}
		if !slices.Equal(s.Recipients, want) {
			c.problem(
				"line %d: %s is sealed to %q, the control-plane nodes' recipients are %q",
				s.seq,
				s.Secret,
				fingerprint.Recipients(s.Recipients),
				fingerprint.Recipients(want),
			)
		}
		if len(s.Former) > 0 {
			c.problem("line %d: a %s key that was made here has none before it in sa.pub", s.seq, s.Secret)
		}
		a.sealedFile(c, s)
	}
}

// carriedPair holds a sealed file that was taken over against the plan and
// against the record of the ceremony that sealed it. want are those who have to
// open it now.
func (a *sealedAudit) carriedPair(c *Check, secret, file string, want []string) {
	lines := of(secret, a.ledger.carried)
	expected := 0
	if file != "" {
		expected = 1
	}
	if len(lines) != expected {
		c.problem(
			"%s: %s of a %s key carried over on record, the plan asks for %d",
			transcriptFile,
			phrase.Count(len(lines), "sealed secret"),
			secret,
			expected,
		)
	}
	for _, s := range lines {
		sum := fingerprint.Of(a.plan.Inputs[file])
		if s.File != file || s.SHA256 != sum {
			c.problem("line %d: carries %s over, which is not the plan's %s", s.seq, s.File, file)
			continue
		}
		switch {
		case a.past.sealed(s.Sealed) || a.accountTaken(s.Recipients, s.SHA256, s.PublicKey):
		case a.accountKept(s.Recipients, file):
			c.note("line %d: no record is left that says this of %s; a node installs it only if it is the key of the "+
				"recorded sa.pub", s.seq, s.File)
		default:
			c.problem("line %d: no previous ceremony's record says this of %s", s.seq, s.File)
		}
		for _, r := range want {
			if !slices.Contains(s.Recipients, r) {
				c.problem("line %d: %s is not sealed to %s, a control-plane node's recipient", s.seq, s.File,
					fingerprint.Recipient(r))
			}
		}
	}
}

// shared holds the files that peers sealed against the plan: one line for
// each, to that node's recipient alone, and beside them the carried key's public half.
func (a *sealedAudit) shared(c *Check) {
	planned := map[string]string{}
	for _, n := range a.plan.Plan.Nodes {
		if n.Sealed != "" {
			planned[n.Name] = n.Sealed
		}
	}
	for _, s := range a.ledger.shared {
		file := planned[s.Node]
		if s.Secret != transcript.ServiceAccount || file == "" || s.File != file ||
			s.SHA256 != fingerprint.Of(a.plan.Inputs[file]) {
			c.problem("line %d: passes %s on to node %s, which the plan does not say", s.seq, s.File, s.Node)
			continue
		}
		delete(planned, s.Node)
		if s.Recipient != a.plan.Recipient(s.Node) {
			c.problem("line %d: %s is for recipient %s, which is not node %s's", s.seq, s.File,
				fingerprint.Recipient(s.Recipient), s.Node)
		}
		kinds, ok := stanzas(a.plan.Inputs[file])
		if !ok || !slices.Equal(kinds, stanzaKinds([]string{s.Recipient})) {
			c.problem("%s: is not an age file for the one recipient of line %d", s.File, s.seq)
		}
		if r := a.plan.Requests[s.Node]; r != nil && r.Adoption != nil && a.t.Open().Sequence == 1 &&
			!a.accountTaken([]string{s.Recipient}, s.SHA256, s.PublicKey) {
			c.problem("line %d: %s is not what the request of node %s contains", s.seq, s.File, s.Node)
		}
		if in := of(
			transcript.ServiceAccount,
			a.ledger.carried,
		); len(in) != 1 ||
			!bytes.Equal(s.PublicKey, in[0].PublicKey) {
			c.problem("line %d: names another service-account key than the one carried over", s.seq)
		}
		c.note(
			"line %d: what is in %s was not looked at here; node %s installs it only if it is the recorded service-account key",
			s.seq,
			s.File,
			s.Node,
		)
	}
	for _, node := range sortedKeys(planned) {
		c.problem("%s: no line passes %s on to node %s", transcriptFile, planned[node], node)
	}
}

func sameSecret(x, y transcript.Sealed) bool {
	return x.SHA256 == y.SHA256 && slices.Equal(x.Recipients, y.Recipients) && bytes.Equal(x.PublicKey, y.PublicKey)
}

// sealedFile checks the file's hash, and that as many can open it as are on
// record: one stanza of its header for each.
func (a *view) sealedFile(c *Check, s sealedLine) {
	a.expect(s.File)
	data, err := a.tree.read(s.File)
	if err != nil {
		c.problem("%v", err)
		return
	}
	if got := fingerprint.Of(data); got != s.SHA256 {
		c.problem("%s: SHA-256 is %s, line %d says %s", s.File, got, s.seq, s.SHA256)
	}
	kinds, ok := stanzas(data)
	if !ok {
		c.problem("%s: is not an age file", s.File)
		return
	}
	want := stanzaKinds(s.Recipients)
	if !slices.Equal(kinds, want) {
		c.problem("%s: can be opened by %s (%s), line %d names %s", s.File,
			phrase.Count(len(kinds), "recipient"), strings.Join(kinds, ", "), s.seq,
			phrase.Count(len(want), "recipient"))
	}
}

// stanzas lists the kinds of an age file's recipients, in order
// (https://age-encryption.org/v1).
func stanzas(data []byte) (kinds []string, ok bool) {
	block, rest := pem.Decode(data)
	if block == nil || block.Type != "AGE ENCRYPTED FILE" || len(bytes.TrimSpace(rest)) > 0 {
		return nil, false
	}
	lines := strings.Split(string(block.Bytes), "\n")
	if lines[0] != "age-encryption.org/v1" {
		return nil, false
	}
	for _, l := range lines[1:] {
		if strings.HasPrefix(l, "--- ") {
			return kinds, true
		}
		if kind, found := strings.CutPrefix(l, "-> "); found {
			kind, _, _ = strings.Cut(kind, " ")
			kinds = append(kinds, kind)
		}
	}
	return nil, false
}

// stanzaKinds are the kinds of stanzas that the recipients of one file get. Those that
// have a hybrid recipient before the other one get it when all of them do.
func stanzaKinds(recipients []string) (kinds []string) {
	hybrid := !slices.ContainsFunc(recipients, func(r string) bool { return !strings.HasPrefix(r, "age1pq1") })
	for _, r := range recipients {
		kind, _, two := strings.Cut(r, " ")
		switch {
		case hybrid:
			kind = "mlkem768x25519"
		case !two || strings.HasPrefix(r, "age1"):
			kind = "X25519"
		}
		kinds = append(kinds, kind) // or "ssh-ed25519", "ssh-rsa"
	}
	return kinds
}
