package ceremony

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/issue"
	"officiant/ceremony/profile"
	"officiant/ceremony/receipt"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

// Awaiting says that a ceremony has come as far as it can before certificates that
// others sign come back, and where its record stands.
type Awaiting struct {
	Root     *x509.Certificate // that has to sign, or a CA below it
	Requests []string          // files to take there, in the ceremony directory
	Back     []string          // names of the files to bring back
	Head     fingerprint.SHA256
}

func (e *Awaiting) Error() string {
	return fmt.Sprintf("the ceremony waits for %s signed below %q", count(len(e.Back), "certificate"), e.Root.Subject)
}

// addRequests adds a step for each authority of a token that asks for its
// certificate elsewhere.
func (s *script) addRequests(p phase) {
	for _, e := range s.plan.Entries {
		for _, name := range p.keys {
			if e.Kind == schedule.RequestSignature && e.Signer == name {
				s.add(fmt.Sprintf("Sign the request of the %s intermediate", name), func(ctx context.Context, r *run) error { return r.request(ctx, e) })
			}
		}
	}
}

// addGate adds the step at which a ceremony waits for what others sign.
func (s *script) addGate() {
	if n := len(s.plan.Awaited()); n > 0 {
		gate := s.add(fmt.Sprintf("Receive %s signed elsewhere", count(n, "certificate")), receive)
		gate.People = "Write the head down and take the requests to the root; tokens go back into their safe. When the certificates are there, run the same command with --certificates DIR, and compare the head."
		gate.Failure = "What came back is not what the schedule says. Nothing was signed with it: have it corrected there, and run the same command again."
	}
}

// request has an authority's key sign the request for its certificate, once.
func (r *run) request(ctx context.Context, e schedule.Entry) error {
	if r.state.requests[e.Name] == nil {
		key, ok := r.keys[e.Signer]
		if !ok {
			return fmt.Errorf("%s: the %s key is not open", e.Name, e.Signer)
		}
		template, err := profile.Request(e, key.Public())
		if err != nil {
			return fmt.Errorf("%s: %w", e.Name, err)
		}
		checked, err := r.checker.CheckRequest(e.Name, template, key.Public())
		if err != nil {
			return err
		}
		seq, err := r.record(transcript.CSRIntent{Entry: e.N, Name: e.Name, TBS: checked.TBS()})
		if err != nil {
			return err
		}
		der, err := issue.SignRequest(ctx, checked, key)
		if err != nil {
			return err
		}
		if _, err := r.record(transcript.CSR{Intent: seq, Request: der}); err != nil {
			return err
		}
	}
	return r.ensure(requestFile(e.Signer), requestPEM(r.state.requests[e.Name]))
}

// requestFile is where an authority's request lies in a ceremony directory.
func requestFile(authority string) string { return "csrs/" + authority + ".csr" }

func requestPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

// receive takes the certificates that came back, or stops the ceremony until
// they do. All of them are accepted together, or none is.
func receive(_ context.Context, r *run) error {
	if r.state.received != nil {
		r.base = r.state.received.NotBefore
		return nil
	}
	awaited := r.plan.Awaited()
	if r.Received == nil {
		return r.await(awaited)
	}
	now := r.Now().UTC().Truncate(time.Second)
	if last := r.log.Last(); now.Before(last.Truncate(time.Second)) {
		return &Refused{[]string{fmt.Sprintf("the clock says %s, and the record's last line is of %s: set the clock", now.Format(time.RFC3339), last.Format(time.RFC3339))}}
	}
	expected := receipt.Expected{Entries: awaited, Keys: map[string]fingerprint.SHA256{}, Roots: map[string]*x509.Certificate{}, Renewed: r.plan.Renewed,
		Now: now, Used: r.state.serialUsed}
	for _, e := range awaited {
		expected.Keys[e.Name], expected.Roots[e.Name] = r.state.keys[e.Name].SPKI, r.plan.Certificates[r.plan.RootNameOf(e.Name)]
	}
	accepted, refused := receipt.Check(r.Received, expected)
	if len(refused) > 0 {
		return &Refused{refused}
	}
	record := transcript.Received{NotBefore: now.Add(-backdate)}
	for _, c := range accepted {
		if begin := c.Certificate.NotBefore.UTC(); begin.After(record.NotBefore) {
			record.NotBefore = begin // what they issue is not valid before they are
		}
		one := transcript.ReceivedCertificate{Entry: c.Entry.N, Name: c.Entry.Name, Certificate: c.Certificate.Raw}
		for _, i := range c.Issuers {
			one.Issuers = append(one.Issuers, i.Raw)
		}
		record.Certificates = append(record.Certificates, one)
		r.Watch.Say(fmt.Sprintf("%s: accepted, until %s, issued by %q", c.Entry.Name, c.Certificate.NotAfter.UTC().Format(time.DateOnly), c.Certificate.Issuer))
	}
	if _, err := r.record(record); err != nil {
		return err
	}
	r.base = record.NotBefore
	return nil
}

// await puts on record that the ceremony stops here, and says what it waits for.
func (r *run) await(awaited []schedule.Entry) error {
	if _, err := r.record(transcript.Paused{Reason: "waiting for certificates that are signed elsewhere"}); err != nil {
		return err
	}
	wait := &Awaiting{Root: r.plan.Certificates[r.plan.RootNameOf(awaited[0].Name)], Head: r.log.Head()}
	for _, e := range awaited {
		wait.Requests = append(wait.Requests, filepath.Join(r.Dir, filepath.FromSlash(requestFile(e.Name))))
		wait.Back = append(wait.Back, e.Name+".crt")
	}
	return wait
}

// issuers are the CAs between an external root and the authorities: those that
// the plan names, and those that came back with certificates.
func (r *run) issuers() []*x509.Certificate {
	return append(append([]*x509.Certificate{}, r.plan.Issuers...), r.state.issuers...)
}

// applyReceived takes certificates that others signed into the state.
func (s *state) applyReceived(r transcript.Received) error {
	for _, c := range r.Certificates {
		cert, issuers, err := c.Parse()
		if err != nil {
			return err
		}
		s.external[c.Name] = cert
		s.issuers = append(s.issuers, issuers...)
		s.serials[cert.SerialNumber.String()] = true
	}
	s.received = &r
	return nil
}

// applyRequest takes a signed certificate request into the state.
func (s *state) applyRequest(r transcript.CSR) error {
	intent, ok := s.pending[r.Intent].(transcript.CSRIntent)
	if !ok {
		return fmt.Errorf("certificate request without intent %d", r.Intent)
	}
	delete(s.pending, r.Intent)
	s.requests[intent.Name] = r.Request
	return nil
}

// allReceived says why issuing cannot be closed yet.
func (r *run) allReceived() error {
	if len(r.plan.Awaited()) > 0 && r.state.received == nil {
		return errors.New("certificates that others sign have not come back")
	}
	return nil
}

// writeIssuers leaves the CAs that stand between an external root and the
// authorities, when there are any.
func (r *run) writeIssuers(s *shared) error {
	if !r.plan.External() {
		return nil
	}
	var below []*x509.Certificate
	for _, spec := range kubepki.Authorities(r.plan.Cluster) {
		if c := s.authorities[spec.Authority]; c != nil && spec.Authority != kubepki.Root {
			below = append(append(below, c), s.trusted[spec.Authority]...)
		}
	}
	roots := append([]*x509.Certificate{s.authorities[kubepki.Root]}, s.trusted[kubepki.Root]...)
	between, _, err := kubepki.Between(below, roots, s.issuers)
	if err != nil || len(between) == 0 {
		return err
	}
	var out []byte
	for _, c := range between {
		out = append(out, certificatePEM(c)...)
	}
	return r.ensure("authorities/issuers.crt", out)
}
