package ceremony

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"officiant/bundle"
	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/issue"
	"officiant/ceremony/plan"
	"officiant/ceremony/transcript"
)

// signBundles puts every bundle together, checks it as a node would, and has
// its list of sums signed by the release key.
func signBundles(ctx context.Context, r *run) error {
	var unsigned []plan.Entry
	var sums []fingerprint.SHA256
	for _, e := range r.plan.Entries {
		if e.Kind != plan.BundleSignature {
			continue
		}
		b, err := r.bundle(e.Node)
		if err != nil {
			return err
		}
		if _, done := r.state.signatures[e.Name]; done {
			continue
		}
		if err := r.checkBundle(b); err != nil {
			return err
		}
		unsigned = append(unsigned, e)
		sums = append(sums, fingerprint.Of(b.Sums))
	}
	return r.signFiles(ctx, unsigned, sums)
}

// signFiles has the release key sign files, by their SHA-256.
func (r *run) signFiles(ctx context.Context, entries []plan.Entry, sums []fingerprint.SHA256) error {
	if len(entries) == 0 {
		return nil
	}
	records := make([]transcript.Record, len(entries))
	for i, e := range entries {
		records[i] = transcript.SignatureIntent{Entry: e.N, Name: e.Name, SHA256: sums[i]}
	}
	first, err := r.record(records...)
	if err != nil {
		return err
	}
	for i := range entries {
		sig, err := issue.File(ctx, sums[i], r.keys[releaseKey])
		if err != nil {
			return err
		}
		records[i] = transcript.Signature{Intent: first + i, Signature: sig}
	}
	_, err = r.record(records...)
	return err
}

// bundle puts one node's bundle together from plan and record. Its signature
// is in it once that is on record.
func (r *run) bundle(node string) (*bundle.Bundle, error) {
	n, err := r.node(node)
	if err != nil {
		return nil, err
	}
	authorities, err := r.authorities()
	if err != nil {
		return nil, err
	}
	parts := bundle.Parts{
		Cluster: r.plan.Cluster, Node: n, Request: r.plan.Requests[node].Fingerprint,
		Root: authorities[kubepki.Root], Authorities: authorities, Leaves: map[string]*x509.Certificate{},
	}
	for _, e := range r.plan.Entries {
		if e.Kind == plan.LeafCertificate && e.Node == node {
			parts.Leaves[e.Leaf.Name] = r.state.issued[e.Name]
		}
	}
	if n.Has(kubepki.ControlPlane) {
		if parts.ServiceAccountSealed, parts.ServiceAccountPublic, err = r.serviceAccount(node); err != nil {
			return nil, err
		}
	}
	h := bundle.Header{
		Cluster: r.plan.Cluster.Name, Node: node, Ceremony: r.plan.Digest, Transcript: *r.state.closing, Sequence: r.plan.Sequence,
	}
	s, signed := r.state.signatures["bundle "+node]
	if !signed {
		return bundle.Build(h, parts)
	}
	b, err := bundle.Rebuild(h, parts, s.sha256)
	if err != nil {
		return nil, err
	}
	b.Signature = s.signature
	return b, nil
}

// checkBundle refuses to sign what a node would refuse.
func (r *run) checkBundle(b *bundle.Bundle) error {
	var reasons []string
	for _, f := range b.Check(bundle.CheckOptions{Now: r.Now()}) {
		reasons = append(reasons, fmt.Sprintf("bundle of %s: %s: %s", b.Node, f.File, f.Problem))
	}
	if len(reasons) > 0 {
		return &Refused{reasons}
	}
	return nil
}

func (r *run) node(name string) (kubepki.Node, error) {
	for _, n := range r.plan.Nodes {
		if n.Name == name {
			return n, nil
		}
	}
	return kubepki.Node{}, fmt.Errorf("no node %s in the plan", name)
}

// writeOutputs writes what follows from the record: authority certificates
// and bundles.
func writeOutputs(_ context.Context, r *run) error {
	authorities, err := r.authorities()
	if err != nil {
		return err
	}
	for family, c := range authorities {
		if err := r.ensure("authorities/"+string(family)+".crt", certificatePEM(c)); err != nil {
			return err
		}
	}
	if err := r.Disk.MkdirAll(filepath.Join(r.Dir, "bundles"), 0o755); err != nil {
		return err
	}
	for _, n := range r.plan.Nodes {
		b, err := r.bundle(n.Name)
		if err != nil {
			return err
		}
		if err := r.writeBundle(b); err != nil {
			return err
		}
	}
	r.Watch.Say(fmt.Sprintf("%s in %s", count(len(r.plan.Nodes), "bundle"), filepath.Join(r.Dir, "bundles")))
	return nil
}

// writeBundle leaves a bundle as a folder and as a tar, or finds them there.
func (r *run) writeBundle(b *bundle.Bundle) error {
	dir := filepath.Join(r.Dir, "bundles", b.Node)
	tar, err := b.Tar()
	if err != nil {
		return err
	}
	if err := r.ensure("bundles/"+b.Node+".tar", tar); err != nil {
		return err
	}
	err = b.WriteDir(r.Disk, dir)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	found, err := bundle.Open(dir)
	if err != nil {
		return err
	}
	if string(found.Sums) != string(b.Sums) || string(found.Signature) != string(b.Signature) {
		return fmt.Errorf("%s: there already, with other content: %w", dir, ErrOtherCeremony)
	}
	return nil
}

// transcriptEntry is the schedule's line for the transcript's own signature.
func transcriptEntry(c *plan.Ceremony) (plan.Entry, error) {
	for _, e := range c.Entries {
		if e.Kind == plan.TranscriptSignature {
			return e, nil
		}
	}
	return plan.Entry{}, errors.New("the schedule has no line for the transcript's signature")
}
