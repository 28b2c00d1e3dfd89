package audit

import (
	"bytes"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
	"officiant/ceremony/transcript"
)

// neighbour holds this ceremony's authorities against those on another cluster's
// record: one root may stand above both, and nothing else.
func (a *auditor) neighbour(c *Check, file string, t *transcript.Transcript) {
	if t.Open().Cluster == a.t.Open().Cluster {
		return
	}
	for _, theirs := range t.Certificates() {
		cert := theirs.Certificate
		if !cert.IsCA || bytes.Equal(cert.RawSubject, cert.RawIssuer) {
			continue
		}
		for _, p := range a.plan.Plan.Authorities {
			own := a.authority(p.Name)
			switch {
			case own == nil || p.Family == kubepki.Root:
			case bytes.Equal(own.RawSubjectPublicKeyInfo, cert.RawSubjectPublicKeyInfo):
				c.problem("%s: authority %s has the key of %s of cluster %s", file, p.Name, theirs.Name, t.Open().Cluster)
			case bytes.Equal(own.RawSubject, cert.RawSubject):
				c.problem("%s: authority %s has the subject of %s of cluster %s, %q", file, p.Name, theirs.Name, t.Open().Cluster, own.Subject)
			}
		}
	}
}

// rootBefore notes a root whose key was there before, and no former ceremony here
// had it: what it signed then is not told.
func (a *auditor) rootBefore(c *Check, former map[fingerprint.SHA256]bool) {
	for _, p := range a.plan.Plan.Authorities {
		k := a.ledger.key(p.Name)
		if p.Family != kubepki.Root || p.Use == plan.Trust || k == nil || p.Key.Create != "" {
			continue
		}
		if !former[k.SPKI] {
			c.note("the key of %s was there before, and none of the ceremonies named here had it: what it signed in others stands in their records", p.Name)
		}
	}
}

// keysOf lists the keys on a record.
func keysOf(t *transcript.Transcript, into map[fingerprint.SHA256]bool) {
	for _, l := range t.Lines {
		if k, ok := l.Record.(transcript.Key); ok {
			into[k.SPKI] = true
		}
	}
}
