package ceremony

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"

	"officiant/bundle/kubepki"
	"officiant/ceremony/issue"
	"officiant/ceremony/lint"
	"officiant/ceremony/plan"
	"officiant/ceremony/profile"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
	"officiant/signer"
)

// groupSize is how many certificates share one sync of the record. The first
// group is smaller: the token waits for it.
const (
	groupSize  = 256
	firstGroup = 32
)

// issuing is where CA keys sign: certificates, requests and revocation lists.
type issuing struct {
	common
	tokens  *tokens
	checker *issue.Checker
	workers int
	brought map[string][]byte // certificates that others signed, as they came back; nil: none
}

// issueLeaves makes the leaf certificates of an authority.
func (r *issuing) issueLeaves(ctx context.Context, authority string) error {
	return r.issue(ctx, func(yield func(schedule.Entry) bool) {
		for e := range r.plan.All(schedule.LeafCertificate) {
			if e.Signer == authority && !yield(e) {
				return
			}
		}
	})
}

// issue makes the certificates of the entries, all of one signer, that have
// none yet, group by group: check and lint, put the intents on disk, sign,
// record. While the token signs one group, the next one's intents are put on
// disk and the one after it is checked, so that the token need not wait.
func (r *issuing) issue(ctx context.Context, entries iter.Seq[schedule.Entry]) error {
	open := func(yield func(schedule.Entry) bool) {
		for e := range entries {
			if !r.progress.Issued(e.Name) && !yield(e) {
				return
			}
		}
	}
	todo := length(open)
	if all := length(entries); all > todo {
		r.observer.Say(fmt.Sprintf("%d of %d on record already", all-todo, all))
	}
	done := r.stepCount(todo)
	next, stop := iter.Pull(groups(open, firstGroup, groupSize))
	defer stop()
	group, checks := r.checkNext(next)
	defer func() { _, _ = checks() }() // nothing stays at work
	var before *batch
	for group != nil {
		checked, err := checks()
		var following []schedule.Entry
		following, checks = r.checkNext(next)
		var now *batch
		if err == nil {
			now, err = r.intend(ctx, group, checked)
		}
		if failed := before.wait(); failed != nil {
			err = failed
		}
		if err == nil {
			now.begin(ctx, counted{r.tokens.keys[group[0].Signer], done}, r.tokens.signers(group[0].Signer, r.workers))
		}
		if err = errors.Join(err, r.results(before, err)); err != nil {
			return errors.Join(err, now.wait())
		}
		before, group = now, following
	}
	failed := before.wait()
	return errors.Join(failed, r.results(before, failed))
}

// batch is a group whose intents are on disk, on its way through the token.
type batch struct {
	checked      []*issue.Checked
	first        int           // seq of the first intent
	signed       chan struct{} // closed when it is through; nil before it begins
	certificates [][]byte      // nil where none was signed
	failed       error
}

// intend puts a group's intents on disk. With them go the results of the group
// before the one that is being signed: a result that is lost costs its entry a
// new serial number.
func (r *issuing) intend(ctx context.Context, entries []schedule.Entry, checked []*issue.Checked) (*batch, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	intents := make([]transcript.Record, len(entries))
	for i, e := range entries {
		intents[i] = transcript.Intent{Entry: e.N, Name: e.Name, Signer: e.Signer, TBS: checked[i].TBS()}
	}
	first, err := r.progress.Record(intents...)
	if err != nil {
		return nil, err
	}
	return &batch{checked: checked, first: first}, nil
}

func (b *batch) begin(ctx context.Context, key signer.Key, signers int) {
	b.signed = make(chan struct{})
	go func() {
		defer close(b.signed)
		b.certificates, b.failed = issue.SignAll(ctx, b.checked, key, signers)
	}()
}

// wait waits for a batch that was begun; it says what failed.
func (b *batch) wait() error {
	if b == nil || b.signed == nil {
		return nil
	}
	<-b.signed
	return b.failed
}

// results records what a batch has signed, all of it also when something
// failed: then at once, and the rest is abandoned on resume.
func (r *issuing) results(b *batch, failed error) error {
	if b == nil {
		return nil
	}
	var issued []transcript.Record
	for i, der := range b.certificates {
		if der != nil {
			issued = append(issued, transcript.Issued{Intent: b.first + i, Certificate: der})
		}
	}
	put := r.progress.Append
	if failed != nil {
		put = r.progress.Record
	}
	_, err := put(issued...)
	return err
}

// checkNext begins to turn the next group into the only things that can
// be signed, on all workers: this, and not the token, is most of the work with
// fast keys. It takes from the run's state what it needs before it returns. The group
// is nil when there is none left.
func (r *issuing) checkNext(next func() ([]schedule.Entry, bool)) (group []schedule.Entry,
	wait func() ([]*issue.Checked, error)) {
	group, _ = next()
	checks := make([]func() (*issue.Checked, error), len(group))
	for i, e := range group {
		check, err := r.check(e)
		if err != nil {
			return group, func() ([]*issue.Checked, error) { return nil, err }
		}
		checks[i] = check
	}
	checked := make([]*issue.Checked, len(checks))
	finished := make(chan error, 1)
	go func() {
		finished <- parallel(r.workers, len(checks), func(i int) (err error) {
			checked[i], err = checks[i]()
			return err
		})
	}()
	return group, sync.OnceValues(func() ([]*issue.Checked, error) { return checked, <-finished })
}

// check gathers what an entry's check needs: its public key, an unused serial
// number, and its issuer.
func (r *issuing) check(e schedule.Entry) (func() (*issue.Checked, error), error) {
	subject, err := r.publicKey(e)
	if err != nil {
		return nil, err
	}
	issuer, issuerKey, err := r.issuer(e)
	if err != nil {
		return nil, err
	}
	serial, err := profile.Serial(r.rand, r.progress.SerialUsed)
	if err != nil {
		return nil, err
	}
	r.progress.UseSerial(serial)
	return func() (*issue.Checked, error) {
		return checkEntry(r.checker, r.plan, e, subject, serial, r.progress.NotBefore, issuer, issuerKey)
	}, nil
}

// parallel calls do with 0 to n-1 on some workers, and joins what failed, in
// that order.
func parallel(workers, n int, do func(i int) error) error {
	failed := make([]error, n)
	var next atomic.Int64
	var group sync.WaitGroup
	for range max(1, min(workers, n)) {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				failed[i] = do(i)
			}
		})
	}
	group.Wait()
	return errors.Join(failed...)
}

// issuer is the certificate and public key an entry is signed with; a root has
// no certificate yet.
func (r *issuing) issuer(e schedule.Entry) (*x509.Certificate, crypto.PublicKey, error) {
	if e.Kind == schedule.RootCertificate {
		k, ok := r.tokens.keys[e.Signer]
		if !ok {
			return nil, nil, fmt.Errorf("%s: the %s key is not open", e.Name, e.Signer)
		}
		return nil, k.Public(), nil
	}
	c, err := r.authority(e.Signer)
	if err != nil {
		return nil, nil, err
	}
	return c, c.PublicKey, nil
}

// authority is an authority's certificate: made in this ceremony, signed by others, or an input.
func (r *common) authority(name string) (*x509.Certificate, error) {
	if c := r.progress.Authority(name); c != nil {
		return c, nil
	}
	if c := r.progress.External[name]; c != nil {
		return c, nil
	}
	if c := r.plan.Certificates[name]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("authority %s has no certificate yet", name)
}

// closeIssuing says on record that no CA key signs any more. The hash of that
// line stands in every bundle.
func (r *issuing) closeIssuing(_ context.Context) error {
	if r.progress.Closing != nil {
		return nil
	}
	if err := r.allReceived(); err != nil {
		return err
	}
	n := 0
	for e := range r.plan.All() {
		switch e.Kind {
		case schedule.RootCertificate, schedule.AuthorityCertificate, schedule.LeafCertificate:
			if !r.progress.Issued(e.Name) {
				return fmt.Errorf("entry %d, %s, has no certificate on record", e.N, e.Name)
			}
			n++
		case schedule.CRLSignature:
			if r.progress.Lists[e.Name] == nil {
				return fmt.Errorf("entry %d, %s, is not on record", e.N, e.Name)
			}
		}
	}
	if r.progress.Certificates() != n {
		return errors.New("the record holds certificates the schedule does not have")
	}
	if _, err := r.progress.Record(transcript.IssuingClosed{Certificates: n, Abandoned: r.progress.Abandoned,
		Authorities: standing(r.plan.Plan), Left: r.plan.Plan.Left}); err != nil {
		return err
	}
	head := r.progress.Head()
	r.progress.Closing = &head
	return nil
}

// standing are the authorities that the cluster goes on with.
func standing(p *plan.Plan) []transcript.Standing {
	var list []transcript.Standing
	for _, a := range p.Authorities {
		list = append(list, transcript.Standing{Name: a.Name, Family: string(a.Family), Use: string(a.Use)})
	}
	return list
}

// authorities are the certificates of those that issue, and of those nodes trust
// beside them, by family, as bundles hold them.
func (r *outputs) authorities() (issuing map[kubepki.Authority]*x509.Certificate,
	trusted map[kubepki.Authority][]*x509.Certificate, err error) {
	issuing, trusted = map[kubepki.Authority]*x509.Certificate{}, map[kubepki.Authority][]*x509.Certificate{}
	for _, a := range r.plan.Plan.Authorities {
		c, err := r.authority(a.Name)
		if err != nil {
			return nil, nil, err
		}
		if a.Use == plan.Trust {
			trusted[a.Family] = append(trusted[a.Family], c)
		} else {
			issuing[a.Family] = c
		}
	}
	return issuing, trusted, nil
}

func certificatePEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// lintContext is what the rules need to know about an entry.
func lintContext(c *schedule.Ceremony, e schedule.Entry) lint.Context {
	in := lint.Context{Name: e.Name, Cluster: c.Cluster, Authority: family(c, e.Signer)}
	switch e.Kind {
	case schedule.RootCertificate:
		in.Kind = lint.Root
	case schedule.AuthorityCertificate:
		in.Kind, in.Subject = lint.Intermediate, family(c, e.Name)
	case schedule.LeafCertificate:
		in.Kind, in.Leaf = lint.Leaf, e.Leaf
	}
	return in
}
