package ceremony

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"officiant/bundle"
	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/audit"
	"officiant/ceremony/issue"
	"officiant/ceremony/transcript"
)

// showFingerprints shows what people compare aloud.
func showFingerprints(_ context.Context, r *run) error {
	authorities, trusted, err := r.authorities()
	if err != nil {
		return err
	}
	r.Watch.Fingerprint("root certificate", fingerprint.Of(authorities[kubepki.Root].Raw))
	for _, c := range trusted[kubepki.Root] {
		r.Watch.Fingerprint("root certificate beside it, "+c.Subject.CommonName, fingerprint.Of(c.Raw))
	}
	r.Watch.Fingerprint("release key", r.state.keys[r.plan.ReleaseKey()].SPKI)
	der, err := r.successor()
	if der != nil {
		r.Watch.Fingerprint("release key that follows it", fingerprint.Of(der))
	}
	return err
}

// closeRecord writes the last line and has the release key sign the file. The
// closing line names that key: it is the intent of the signature, which
// cannot stand in the file it signs.
func closeRecord(ctx context.Context, r *run) error {
	if _, err := transcriptEntry(r.plan); err != nil {
		return err
	}
	if !r.state.closed {
		der, err := r.successor()
		if err != nil {
			return err
		}
		closed := transcript.Closed{Signer: r.state.keys[r.plan.ReleaseKey()].SPKI}
		if der != nil {
			next := fingerprint.Of(der)
			closed.Successor = &next
		}
		if _, err := r.record(closed); err != nil {
			return err
		}
	}
	r.Watch.Fingerprint("head of the record", r.log.Head())
	data, err := os.ReadFile(filepath.Join(r.Dir, transcriptFile))
	if err != nil {
		return err
	}
	path := filepath.Join(r.Dir, signatureFile)
	if sig, err := os.ReadFile(path); err == nil {
		return r.checkTranscriptSignature(data, sig)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	sig, err := issue.File(ctx, fingerprint.Of(data), r.keys[r.plan.ReleaseKey()])
	if err != nil {
		return err
	}
	return r.Disk.Create(path, sig, 0o644)
}

// successor is the release key that this ceremony's bundles announce, as DER:
// made here, or by the ceremony that announced it first. Nil when there is none.
func (r *run) successor() ([]byte, error) {
	s := r.plan.Plan.Release.Successor
	if s.Key.Create != "" {
		return r.state.keys[s.Name].PublicKey, nil
	}
	if s.Name == "" {
		return nil, nil
	}
	pub, err := bundle.ParseReleaseKey(s.Public, r.plan.Inputs[s.Public])
	if err != nil {
		return nil, err
	}
	return x509.MarshalPKIXPublicKey(pub)
}

// nextRelease is it as bundles have it.
func (r *run) nextRelease() ([]byte, error) {
	der, err := r.successor()
	if der == nil || err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

func (r *run) checkTranscriptSignature(data, sig []byte) error {
	pub, err := x509.ParsePKIXPublicKey(r.state.keys[r.plan.ReleaseKey()].PublicKey)
	if err != nil {
		return err
	}
	if err := issue.VerifyFile(pub, fingerprint.Of(data), sig); err != nil {
		return fmt.Errorf("%s: %w", signatureFile, err)
	}
	return nil
}

// verifyDirectory looks at the finished directory as an auditor does, without
// any token.
func verifyDirectory(_ context.Context, r *run) error {
	root := fingerprint.Of(r.mustRoot().Raw)
	r.forget()
	var progress func(done, of int)
	if c, ok := r.Watch.(Counter); ok {
		progress = c.Count
	}
	report, err := audit.Verify(r.Dir, audit.Options{Progress: progress, Now: r.Now(), Root: &root, Rehearsal: r.Rehearsal != nil})
	if err != nil {
		return err
	}
	if findings := report.Findings(); len(findings) > 0 {
		return fmt.Errorf("%s does not verify: %s", r.Dir, findings[0])
	}
	if r.Rehearsal != nil {
		r.Watch.Say("as a rehearsal, which is all it will ever verify as:")
	}
	r.Watch.Say(report.Summary())
	return nil
}

// forget lets go of what grows with the number of certificates: the audit reads
// all of it from the disk again.
func (r *run) forget() {
	kept := *r.plan
	kept.Inputs, kept.Requests, kept.Entries, kept.Nodes, kept.Schedule = nil, nil, nil, nil, nil
	r.plan, r.Plan = &kept, &kept
	for i := range r.steps {
		r.steps[i].do = nil
	}
	authorities := map[string]*x509.Certificate{}
	for _, a := range kept.Plan.Authorities {
		if c := r.state.issued[a.Name]; c != nil {
			authorities[a.Name] = c
		}
	}
	r.state = &state{step: r.state.step, keys: r.state.keys, issued: authorities, external: r.state.external, closed: r.state.closed}
}

func (r *run) mustRoot() *x509.Certificate {
	authorities, _, err := r.authorities()
	if err != nil {
		return &x509.Certificate{}
	}
	return authorities[kubepki.Root]
}

func (r *run) result() *Result {
	return &Result{
		Resumed: r.resumed,
		Head:    r.log.Head(),
		Root:    fingerprint.Of(r.mustRoot().Raw),
		Release: r.state.keys[r.plan.ReleaseKey()].SPKI,
	}
}
