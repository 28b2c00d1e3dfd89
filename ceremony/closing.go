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
	"runtime/debug"

	"officiant/bundle"
	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/audit"
	"officiant/ceremony/issue"
	"officiant/ceremony/transcript"
	"officiant/signer"
)

// showFingerprints shows what people compare aloud.
func (r *outputs) showFingerprints(_ context.Context) error {
	authorities, trusted, err := r.authorities()
	if err != nil {
		return err
	}
	r.observer.Fingerprint("root certificate", fingerprint.Of(authorities[kubepki.Root].Raw))
	for _, c := range trusted[kubepki.Root] {
		r.observer.Fingerprint("root certificate beside it, "+c.Subject.CommonName, fingerprint.Of(c.Raw))
	}
	r.observer.Fingerprint("release key", r.progress.Keys[r.plan.ReleaseKey()].SPKI)
	der, err := r.successor()
	if der != nil {
		r.observer.Fingerprint("release key that follows it", fingerprint.Of(der))
	}
	return err
}

// closeRecord writes the last line and has the release key sign the file. The
// closing line names that key: it is the intent of the signature, which
// cannot stand in the file it signs.
func (r *outputs) closeRecord(ctx context.Context) error {
	if _, err := transcriptEntry(r.plan); err != nil {
		return err
	}
	if !r.progress.Closed {
		der, err := r.successor()
		if err != nil {
			return err
		}
		closed := transcript.Closed{Signer: r.progress.Keys[r.plan.ReleaseKey()].SPKI}
		if der != nil {
			next := fingerprint.Of(der)
			closed.Successor = &next
		}
		if _, err := r.progress.Record(closed); err != nil {
			return err
		}
	}
	r.observer.Fingerprint("head of the record", r.progress.Head())
	sum, err := fingerprint.OfFile(filepath.Join(r.dir.path, transcriptFile))
	if err != nil {
		return err
	}
	path := filepath.Join(r.dir.path, signatureFile)
	if sig, err := os.ReadFile(path); err == nil {
		return r.checkTranscriptSignature(sum, sig)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	sig, err := issue.File(ctx, sum, r.tokens.keys[r.plan.ReleaseKey()])
	if err != nil {
		return err
	}
	return r.dir.disk.Create(path, sig, 0o644)
}

// root is the certificate of the root that issues.
func (r *outputs) root() (*x509.Certificate, error) {
	authorities, _, err := r.authorities()
	if err != nil {
		return nil, err
	}
	return authorities[kubepki.Root], nil
}

// successor is the release key that this ceremony's bundles announce, as DER:
// made here, or by the ceremony that announced it first. Nil when there is none.
func (r *outputs) successor() ([]byte, error) {
	s := r.plan.Plan.Release.Successor
	if s.Key.Create != "" {
		return r.progress.Keys[s.Name].PublicKey, nil
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
func (r *outputs) nextRelease() ([]byte, error) {
	der, err := r.successor()
	if der == nil || err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}

func (r *outputs) checkTranscriptSignature(sum fingerprint.SHA256, sig []byte) error {
	pub, err := x509.ParsePKIXPublicKey(r.progress.Keys[r.plan.ReleaseKey()].PublicKey)
	if err != nil {
		return err
	}
	if err := signer.VerifyFile(pub, sum, sig); err != nil {
		return fmt.Errorf("%s: %w", signatureFile, err)
	}
	return nil
}

// verifyDirectory looks at the finished directory as an auditor does, without
// any token.
func (r *run) verifyDirectory(_ context.Context) error {
	root, err := r.outputs.root()
	if err != nil {
		return err
	}
	r.result = &Result{
		Resumed: r.resumed, Head: r.progress.Head(), Root: fingerprint.Of(root.Raw),
		Release: r.progress.Keys[r.plan.ReleaseKey()].SPKI,
	}
	continues := r.continuation()
	r.release()
	var progress func(done, of int)
	if c, ok := r.observer.(Counter); ok {
		progress = c.Count
	}
	report, err := audit.Verify(r.dir.path, audit.Options{Progress: progress, Now: r.atWork(), Root: &r.result.Root,
		Release: &r.result.Release, AttestationRoots: r.AttestationRoots,
		Rehearsal: r.rehearsal})
	if err != nil {
		return err
	}
	if findings := report.Findings(); len(findings) > 0 {
		return fmt.Errorf("%s does not verify: %s", r.dir.path, findings[0])
	}
	r.keep(continues)
	if r.rehearsal {
		r.observer.Say("as a rehearsal, which is all it will ever verify as:")
	}
	r.observer.Say(report.Summary())
	return nil
}

// release lets go of what grows with the number of certificates: the audit reads
// all of it from the disk again, and begins with none of it resident.
func (r *run) release() {
	r.tokens.close()
	r.rooms, r.plan, r.Received = rooms{}, nil, nil
	r.progress.Release()
	debug.FreeOSMemory()
}
