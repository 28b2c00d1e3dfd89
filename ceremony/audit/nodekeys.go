package audit

import (
	"crypto/x509"
	"slices"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

// nodeKeysLine is a node-keys line with its place.
type nodeKeysLine struct {
	seq int
	transcript.NodeKeys
}

// nodeKeyAudit proves the keys that were made for nodes.
type nodeKeyAudit struct{ *view }

// nodeKeys holds the keys that were made for nodes against the plan, which
// names who may open them, and against what was certified of them, and when.
func (a *nodeKeyAudit) nodeKeys(c *Check) {
	for _, n := range a.plan.Plan.Nodes {
		line := a.ledger.made[n.Name]
		switch {
		case n.Keys.Create == "" && line != nil:
			c.problem("line %d: keys of node %s were made, and the plan does not ask for it", line.seq, n.Name)
		case n.Keys.Create != "" && line == nil:
			c.problem("%s: the plan asks for the keys of node %s, and none are on record", transcriptFile, n.Name)
		case line != nil:
			a.nodeKeysOf(c, n, line)
			c.note("line %d: the keys of node %s were made in the ceremony and sealed to %s", line.seq, n.Name,
				fingerprint.Recipient(line.Recipient))
		}
	}
	for _, name := range sortedKeys(a.ledger.made) {
		if !slices.ContainsFunc(a.plan.Plan.Nodes, func(n plan.Node) bool { return n.Name == name }) {
			c.problem("line %d: keys of node %s were made, which the plan does not have", a.ledger.made[name].seq, name)
		}
	}
}

func (a *nodeKeyAudit) nodeKeysOf(c *Check, n plan.Node, line *nodeKeysLine) {
	bad := func(format string, args ...any) {
		c.problem("line %d: keys of node %s: "+format, append([]any{line.seq, n.Name}, args...)...)
	}
	if line.File != "secrets/"+n.Name+".keys.age" {
		bad("are sealed as %s", line.File)
		return
	}
	if line.Recipient != n.Keys.Recipient {
		bad("are sealed to %s, the plan says %s", fingerprint.Recipient(line.Recipient),
			fingerprint.Recipient(n.Keys.Recipient))
	}
	if line.Algorithm != string(n.Keys.Create) {
		bad("are %s, the plan says %s", line.Algorithm, n.Keys.Create)
	}
	var names []string
	seen := map[fingerprint.SHA256]bool{}
	for _, k := range line.Keys {
		names = append(names, k.Name)
		spki := fingerprint.Of(k.PublicKey)
		if name := a.keyName(spki); name != "" || seen[spki] {
			bad("%s is another's: the %s key, or a second time", k.Name, name)
		}
		seen[spki] = true
		if pub, err := x509.ParsePKIXPublicKey(k.PublicKey); err != nil {
			bad("%s: %v", k.Name, err)
		} else if got := algorithm(pub); got != string(n.Keys.Create) {
			bad("%s is of %s, not %s", k.Name, got, n.Keys.Create)
		}
	}
	if want := a.plan.LeavesOf(n.Name); !slices.Equal(names, want) {
		bad("are for %q, the schedule has %q", names, want)
	}
	for _, s := range a.ledger.certificates {
		if _, node := a.plan.Of(s.entry); node == n.Name && s.seq < line.seq {
			bad("%s was about to be certified in line %d already", s.name, s.seq)
		}
	}
	a.sealedFile(c, sealedLine{line.seq, transcript.Sealed{File: line.File, SHA256: line.SHA256,
		Recipients: []string{line.Recipient}}})
}

// madeFor is the public key that was made for an entry's node, nil when none was.
func (a *view) madeFor(e schedule.Entry) []byte {
	if line := a.ledger.made[e.Node]; line != nil {
		for _, k := range line.Keys {
			if k.Name == e.Leaf.Name {
				return k.PublicKey
			}
		}
	}
	return nil
}

// keysSealed is the file that holds the keys made for a node, as its bundle
// has it; nil when none were made.
func (a *bundleAudit) keysSealed(node string) []byte {
	line := a.ledger.made[node]
	if line == nil {
		return nil
	}
	data, err := a.tree.read(line.File)
	if err != nil {
		return []byte{} // what is wrong with the file is told where it is sealed
	}
	return data
}
