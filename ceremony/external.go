package ceremony

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/bundle/phrase"
	"officiant/ceremony/issue"
	"officiant/ceremony/profile"
	"officiant/ceremony/receipt"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

// Awaiting says that a ceremony cannot continue until certificates from an external root
// arrive, and where its record ends.
type Awaiting struct {
	Root     *x509.Certificate // that has to sign, or a CA below it
	Requests []string          // files to take there, in the ceremony directory
	Back     []string          // names of the files to bring back
	Head     fingerprint.SHA256
}

func (e *Awaiting) Error() string {
	return fmt.Sprintf("the ceremony waits for %s signed below %q", phrase.Count(len(e.Back), "certificate"),
		e.Root.Subject)
}

// addRequests adds a step for each authority of a token that asks for its
// certificate from an external root.
func (s *script) addRequests(p phase) {
	for e := range s.plan.All(schedule.RequestSignature) {
		for _, name := range p.keys {
			if e.Signer == name {
				s.add(fmt.Sprintf("Sign the request of the %s intermediate", name),
					inIssuing(func(r *issuing, ctx context.Context) error { return r.request(ctx, e) }))
			}
		}
	}
}

// addGate adds the step at which a ceremony waits for what others sign.
func (s *script) addGate() {
	if n := len(s.plan.Awaited()); n > 0 {
		gate := s.add(fmt.Sprintf("Receive %s signed externally", phrase.Count(n, "certificate")),
			inIssuing(func(r *issuing, _ context.Context) error { return r.receive() }))
		gate.People = "Write the head down and take the requests to the root; tokens go back into their safe. When " +
			"the certificates are back, run the same command with the folder that holds them, and compare the head."
		gate.Failure = "What came back is not what the schedule says. Nothing was signed with it: have it corrected " +
			"there, and run the same command again."
	}
}

// request has an authority's key sign the request for its certificate, once.
func (r *issuing) request(ctx context.Context, e schedule.Entry) error {
	if r.progress.Requests[e.Name] == nil {
		key, ok := r.tokens.keys[e.Signer]
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
		seq, err := r.progress.Record(transcript.CSRIntent{Entry: e.N, Name: e.Name, TBS: checked.TBS()})
		if err != nil {
			return err
		}
		der, err := issue.SignRequest(ctx, checked, key)
		if err != nil {
			return err
		}
		if _, err := r.progress.Record(transcript.CSR{Intent: seq, Request: der}); err != nil {
			return err
		}
	}
	return r.dir.ensure(requestFile(e.Signer), requestPEM(r.progress.Requests[e.Name]))
}

func requestPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

// receive takes the certificates that came back, or stops the ceremony until
// they do. All of them are accepted together, or none is.
func (r *issuing) receive() error {
	if r.progress.Received != nil {
		return nil
	}
	awaited := r.plan.Awaited()
	if r.brought == nil {
		return r.await(awaited)
	}
	now := r.now().UTC().Truncate(time.Second)
	if last := r.progress.Last(); now.Before(last.Truncate(time.Second)) {
		return &Refused{[]string{fmt.Sprintf("the clock says %s, and the record's last line is of %s: set the clock",
			now.Format(time.RFC3339), last.Format(time.RFC3339))}}
	}
	expected := receipt.Expected{Entries: awaited, Keys: map[string]fingerprint.SHA256{},
		Roots: map[string]*x509.Certificate{}, Renewed: r.plan.Renewed,
		Now: now, Used: r.progress.SerialUsed}
	for _, e := range awaited {
		expected.Keys[e.Name] = r.progress.Keys[e.Name].SPKI
		expected.Roots[e.Name] = r.plan.Certificates[r.plan.RootNameOf(e.Name)]
	}
	accepted, refused := receipt.Check(r.brought, expected)
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
		r.observer.Say(fmt.Sprintf("%s: accepted, until %s, issued by %q", c.Entry.Name,
			c.Certificate.NotAfter.UTC().Format(time.DateOnly), c.Certificate.Issuer))
	}
	_, err := r.progress.Record(record)
	return err
}

// await puts on record that the ceremony stops here, and says what it waits for.
func (r *issuing) await(awaited []schedule.Entry) error {
	if _, err := r.progress.Record(transcript.Paused{Reason: "waiting for certificates that are signed " +
		"elsewhere"}); err != nil {
		return err
	}
	wait := &Awaiting{Root: r.plan.Certificates[r.plan.RootNameOf(awaited[0].Name)], Head: r.progress.Head()}
	for _, e := range awaited {
		wait.Requests = append(wait.Requests, r.dir.file(requestFile(e.Name)))
		wait.Back = append(wait.Back, e.Name+".crt")
	}
	return wait
}

// issuers are the CAs between an external root and the authorities: those that
// the plan names, and those that came back with certificates.
func (r *outputs) issuers() []*x509.Certificate {
	return append(append([]*x509.Certificate{}, r.plan.Issuers...), r.progress.Issuers...)
}

// allReceived says why issuing cannot be closed yet.
func (r *issuing) allReceived() error {
	if len(r.plan.Awaited()) > 0 && r.progress.Received == nil {
		return errors.New("certificates that others sign have not come back")
	}
	return nil
}

// writeIssuers leaves the CAs that stand between an external root and the
// authorities, when there are any.
func (r *outputs) writeIssuers(s *shared) error {
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
	return r.dir.ensure(issuersFile, out)
}
