package ceremony

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"officiant/bundle"
	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/phrase"
	"officiant/ceremony/issue"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

// outputs are what follows from the record: authorities, lists, bundles and the
// signatures of the release key.
type outputs struct {
	common
	tokens  *tokens
	secrets *secrets
	workers int
}

// signBundles puts every bundle together, checks it as a node would, and has
// its list of sums signed by the release key, group by group.
func (r *outputs) signBundles(ctx context.Context) error {
	// Bundles have their lines in the plan's order of nodes.
	unsigned := func(yield func(unsignedBundle) bool) {
		at := 0
		for e := range r.plan.All(schedule.BundleSignature) {
			if !r.progress.Signed(e.Name) && !yield(unsignedBundle{e, at}) {
				return
			}
			at++
		}
	}
	shared, err := r.shared()
	if err != nil {
		return err
	}
	done := r.stepCount(length(unsigned))
	for group := range groups(unsigned, groupSize, groupSize) {
		entries, sums := make([]schedule.Entry, len(group)), make([]fingerprint.SHA256, len(group))
		err := parallel(r.workers, len(group), func(i int) error {
			entries[i] = group[i].Entry
			// The bundle answers the request that was proven: it is read again, and not
			// what may lie in its place by now.
			if file := r.plan.Plan.Nodes[group[i].at].Request; file != "" {
				if _, err := r.plan.Input(file); err != nil {
					return err
				}
			}
			b, err := r.bundle(shared, group[i].at)
			if err != nil {
				return err
			}
			sums[i] = fingerprint.Of(b.Sums)
			return r.checkBundle(shared, b)
		})
		if err != nil {
			return err
		}
		if err := r.signFiles(ctx, entries, sums, done); err != nil {
			return err
		}
	}
	return nil
}

// unsignedBundle is the line of a bundle, and the place of its node in the plan.
type unsignedBundle struct {
	schedule.Entry
	at int
}

// signFiles has the release key sign files, by their SHA-256.
func (r *outputs) signFiles(ctx context.Context, entries []schedule.Entry, sums []fingerprint.SHA256,
	done *stepCount) error {
	records := make([]transcript.Record, len(entries))
	for i, e := range entries {
		records[i] = transcript.SignatureIntent{Entry: e.N, Name: e.Name, SHA256: sums[i]}
	}
	first, err := r.progress.Record(records...)
	if err != nil {
		return err
	}
	release := r.plan.ReleaseKey()
	signatures, failed := issue.Files(ctx, sums, counted{r.tokens.keys[release], done}, r.tokens.signers(release,
		r.workers))
	records = records[:0]
	for i, signature := range signatures {
		if signature != nil {
			records = append(records, transcript.Signature{Intent: first + i, Signature: signature})
		}
	}
	// What was signed goes on record also when something failed.
	_, err = r.progress.Record(records...)
	return errors.Join(failed, err)
}

// shared is what all bundles have in common.
type shared struct {
	authorities map[kubepki.Authority]*x509.Certificate   // those that issue
	trusted     map[kubepki.Authority][]*x509.Certificate // beside them
	issuers     []*x509.Certificate                       // between an external root and them
	adopted     map[kubepki.Authority]*x509.Certificate   // those of either that no ceremony made
	checker     bundle.Checker
}

func (r *outputs) shared() (*shared, error) {
	authorities, trusted, err := r.authorities()
	if err != nil {
		return nil, err
	}
	return &shared{authorities: authorities, trusted: trusted, adopted: r.adopted(), issuers: r.issuers()}, nil
}

// bundle puts a node's bundle together from plan and record, by its place in the plan. Its signature
// is in it once that is on record.
func (r *outputs) bundle(s *shared, at int) (*bundle.Bundle, error) {
	n := r.plan.Nodes[at]
	node := n.Name
	parts := bundle.Parts{
		Cluster: r.plan.Cluster, Node: n,
		Root: s.authorities[kubepki.Root], Authorities: s.authorities, Trusted: s.trusted, Adopted: s.adopted,
		External: r.plan.External(), Issuers: s.issuers, Leaves: map[string]*x509.Certificate{},
	}
	var err error
	if o := r.plan.Requests[node]; o != nil {
		parts.Request = o.Fingerprint
	} else if parts.KeysSealed, err = r.secrets.sealedNodeKeys(r.progress.NodeKeys[node]); err != nil {
		return nil, err
	}
	if parts.NextRelease, err = r.nextRelease(); err != nil {
		return nil, err
	}
	leaves, err := kubepki.Leaves(r.plan.Cluster, n)
	if err != nil {
		return nil, err
	}
	for _, leaf := range leaves {
		if r.plan.Carried[node][leaf.Name] != nil {
			continue
		}
		if parts.Leaves[leaf.Name], err = r.progress.Certificate(node + "/" + leaf.Name); err != nil {
			return nil, err
		}
	}
	maps.Copy(parts.Leaves, r.plan.Carried[node])
	if n.Has(kubepki.Etcd) {
		parts.RevocationList = r.etcdList()
	}
	if n.Has(kubepki.ControlPlane) {
		if parts.ServiceAccountSealed, parts.ServiceAccountPublic, err = r.secrets.serviceAccount(node); err != nil {
			return nil, err
		}
	}
	h := bundle.Header{
		Cluster: r.plan.Cluster.Name, Node: node, Ceremony: r.plan.Digest, Transcript: *r.progress.Closing,
		Sequence: r.plan.Sequence, Rehearsal: r.rehearsal,
	}
	signed, ok, err := r.progress.Signature("bundle " + node)
	if err != nil {
		return nil, err
	}
	if !ok {
		return bundle.Build(h, parts)
	}
	b, err := bundle.Rebuild(h, parts, signed.SHA256)
	if err != nil {
		return nil, err
	}
	b.Signature = signed.Bytes
	return b, nil
}

// checkBundle refuses to sign what a node would refuse.
func (r *outputs) checkBundle(s *shared, b *bundle.Bundle) error {
	var reasons []string
	for _, f := range s.checker.Check(b, bundle.CheckOptions{Now: r.atWork(), Rehearsal: r.rehearsal}) {
		reasons = append(reasons, fmt.Sprintf("bundle of %s: %s: %s", b.Node, f.File, f.Problem))
	}
	if len(reasons) > 0 {
		return &Refused{reasons}
	}
	return nil
}

// writeOutputs writes what follows from the record: authority certificates,
// revocation lists and bundles.
func (r *outputs) writeOutputs(_ context.Context) error {
	shared, err := r.shared()
	if err != nil {
		return err
	}
	for _, a := range r.plan.Plan.Authorities {
		c, err := r.authority(a.Name)
		if err != nil {
			return err
		}
		if err := r.dir.ensure(r.dir.named(r.plan.Plan.AuthorityFile(a)), certificatePEM(c)); err != nil {
			return err
		}
	}
	if err := r.writeIssuers(shared); err != nil {
		return err
	}
	if err := r.writeLists(); err != nil {
		return err
	}
	if err := r.writeGrant(); err != nil {
		return err
	}
	if err := r.dir.disk.MkdirAll(r.dir.file(bundlesFolder), 0o755); err != nil {
		return err
	}
	done := r.stepCount(len(r.plan.Nodes))
	for first := 0; first < len(r.plan.Nodes); first += batched {
		if err := r.writeBundles(shared, first, min(batched, len(r.plan.Nodes)-first), done); err != nil {
			return err
		}
	}
	r.observer.Say(fmt.Sprintf("%s in %s", phrase.Count(len(r.plan.Nodes), "bundle"), r.dir.file(bundlesFolder)))
	return nil
}

// batched is how many nodes' bundles are flushed to the disk at once. A process that
// is killed makes at most so many of them again.
const batched = 512

// writeBundles writes the bundles of n nodes, from one on. They follow from the record, so none
// needs to last before the others: where the file system allows, they come as a batch.
func (r *outputs) writeBundles(s *shared, first, n int, done *stepCount) error {
	batch, err := r.dir.disk.Batch(r.dir.file(bundlesFolder))
	if err != nil && !errors.Is(err, durable.ErrNoBatch) {
		return err
	}
	err = parallel(r.workers, n, func(i int) error {
		defer done.one()
		b, err := r.bundle(s, first+i)
		if err != nil {
			return err
		}
		if batch == nil || r.bundleThere(b.Node) {
			return r.writeBundle(b)
		}
		name := r.dir.named(b.Node)
		return b.WriteBatch(batch, name, strings.TrimPrefix(r.dir.named("bundles/"+b.Node+".tar"), "bundles/"))
	})
	switch {
	case batch == nil:
		return err
	case err != nil:
		return errors.Join(err, batch.Abandon())
	}
	return batch.Commit()
}

// bundleThere says whether anything of a node's bundle is there already.
func (r *outputs) bundleThere(node string) bool {
	for _, path := range []string{
		filepath.Join(r.dir.path, "bundles", r.dir.named(node)),
		r.dir.file(r.dir.named("bundles/" + node + ".tar")),
	} {
		if _, err := os.Lstat(path); err == nil {
			return true
		}
	}
	return false
}

// writeBundle leaves a bundle as a folder and as a tar, or finds them there.
func (r *outputs) writeBundle(b *bundle.Bundle) error {
	dir := filepath.Join(r.dir.path, "bundles", r.dir.named(b.Node))
	tar, err := b.Tar()
	if err != nil {
		return err
	}
	if err := r.dir.ensure(r.dir.named("bundles/"+b.Node+".tar"), tar); err != nil {
		return err
	}
	err = b.WriteDir(r.dir.disk, dir)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	found, err := bundle.Open(dir)
	if err != nil {
		return err
	}
	if string(found.Sums) != string(b.Sums) || string(found.Signature) != string(b.Signature) {
		return fmt.Errorf("%s: already exists, with other content: %w", dir, ErrOtherCeremony)
	}
	return nil
}

// transcriptEntry is the schedule's line for the transcript's own signature.
func transcriptEntry(c *schedule.Ceremony) (schedule.Entry, error) {
	for e := range c.All(schedule.TranscriptSignature) {
		return e, nil
	}
	return schedule.Entry{}, errors.New("the schedule has no line for the transcript's signature")
}
