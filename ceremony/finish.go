package ceremony

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

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
	r.Watch.Fingerprint("release key", r.state.keys[releaseKey].SPKI)
	return nil
}

// closeRecord writes the last line and has the release key sign the file. The
// closing line names that key: it is the intent of the signature, which
// cannot stand in the file it signs.
func closeRecord(ctx context.Context, r *run) error {
	if _, err := transcriptEntry(r.plan); err != nil {
		return err
	}
	if !r.state.closed {
		if _, err := r.record(transcript.Closed{Signer: r.state.keys[releaseKey].SPKI}); err != nil {
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
	sig, err := issue.File(ctx, fingerprint.Of(data), r.keys[releaseKey])
	if err != nil {
		return err
	}
	return r.Disk.Create(path, sig, 0o644)
}

func (r *run) checkTranscriptSignature(data, sig []byte) error {
	pub, err := x509.ParsePKIXPublicKey(r.state.keys[releaseKey].PublicKey)
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
	report, err := audit.Verify(r.Dir, audit.Options{Now: r.Now(), Root: &root, Rehearsal: r.Rehearsal != nil})
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
		Release: r.state.keys[releaseKey].SPKI,
	}
}
