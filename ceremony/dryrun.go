package ceremony

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"runtime"
	"time"

	"officiant/bundle/kubepki"
	"officiant/ceremony/issue"
	"officiant/ceremony/lint"
	"officiant/ceremony/plan"
	"officiant/ceremony/profile"
	"officiant/ceremony/schedule"
	"officiant/signer"
)

// dryRun goes through the whole schedule with throw-away keys, so that what
// lint refuses is refused before anything is written and any key exists. When the ceremony
// goes on, this program did so before it began the record: leaves are not tried again, since
// each that is missing is checked before it is signed, as ever.
func (r *run) dryRun(_ context.Context) error {
	if r.again = triedBefore(r); r.again {
		r.observer.Say("the certificates of nodes were tried before the record began; each that is missing is " +
			"checked before it is signed")
	} else if err := prove(r.Plan, everyone); err != nil {
		return err
	}
	err := tryAll(r.checker, r.Plan, begin(r.Plan, r.now()), r.rand, r.stepCount, !r.again)
	if err != nil || !r.rehearsal {
		return err
	}
	return tryAll(r.checker, r.plan, begin(r.Plan, r.now()), r.rand, r.stepCount, !r.again)
}

// DryRun checks and lints every certificate of the schedule as if it were
// issued at notBefore, with throw-away keys instead of those to be made.
// It returns all refusals, as *Refused.
func DryRun(checker *issue.Checker, c *schedule.Ceremony, notBefore time.Time, random io.Reader) error {
	return tryAll(checker, c, notBefore, random, func(of int) *stepCount { return &stepCount{of: of} }, true)
}

// tryAll is DryRun; all says whether leaves are tried as well.
func tryAll(checker *issue.Checker, c *schedule.Ceremony, notBefore time.Time, random io.Reader,
	count func(of int) *stepCount, all bool) error {
	d := &hierarchy{checker: checker, plan: c, base: notBefore, random: random,
		keys: map[string]crypto.Signer{}, certificates: map[string]*x509.Certificate{}}
	for name, certificate := range c.Certificates {
		d.certificates[name] = certificate
	}
	var reasons []string
	var leaves []int
	for n := range c.Len() {
		kind, _ := c.Of(n + 1)
		if kind == schedule.LeafCertificate {
			if all {
				leaves = append(leaves, n+1)
			}
			continue
		}
		switch e := *c.Entry(n + 1); kind {
		case schedule.RootCertificate, schedule.AuthorityCertificate:
			if err := d.entry(e); err != nil {
				reasons = append(reasons, err.Error())
			}
		case schedule.ExternalCertificate:
			if err := d.external(e); err != nil {
				reasons = append(reasons, err.Error())
			}
		}
	}
	// Authorities came first, and leaves have the keys of their requests: from
	// here on the hierarchy is only read.
	refused, done := make([]error, len(leaves)), count(len(leaves))
	_ = parallel(runtime.GOMAXPROCS(0), len(leaves), func(i int) error {
		refused[i] = d.entry(*c.Entry(leaves[i]))
		done.one()
		return nil
	})
	for _, err := range refused {
		if err != nil {
			reasons = append(reasons, err.Error())
		}
	}
	for e := range c.All(schedule.CRLSignature) {
		if err := d.list(e); err != nil {
			reasons = append(reasons, err.Error())
		}
	}
	reasons = append(append(reasons, d.layout()...), d.grant()...)
	if len(reasons) > 0 {
		return &Refused{reasons}
	}
	return nil
}

// hierarchy is a throw-away hierarchy in memory.
type hierarchy struct {
	checker      *issue.Checker
	plan         *schedule.Ceremony
	base         time.Time
	random       io.Reader
	keys         map[string]crypto.Signer
	certificates map[string]*x509.Certificate
}

func (d *hierarchy) entry(e schedule.Entry) error {
	subject, err := d.subject(e)
	if err != nil {
		return fmt.Errorf("%s: %w", e.Name, err)
	}
	serial, err := profile.Serial(d.random, func(*big.Int) bool { return false })
	if err != nil {
		return err
	}
	issuer := d.certificates[e.Signer]
	var issuerKey crypto.PublicKey = subject
	if e.Kind == schedule.RootCertificate {
		issuer = nil
	} else if issuer == nil {
		return fmt.Errorf("%s: its issuer %s has no certificate", e.Name, e.Signer)
	} else {
		issuerKey = issuer.PublicKey
	}
	checked, err := checkEntry(d.checker, d.plan, e, subject, serial, d.base, issuer, issuerKey)
	if err != nil {
		return err
	}
	if e.IsCA {
		// What the throw-away key of Check signed stands in for the authority.
		d.certificates[e.Name] = checked.Throwaway()
	}
	return nil
}

func (d *hierarchy) list(e schedule.Entry) error {
	issuer := d.certificates[e.Signer]
	if issuer == nil {
		return fmt.Errorf("%s: its issuer %s has no certificate", e.Name, e.Signer)
	}
	_, err := checkList(d.checker, d.plan, e, e.Number, d.base, issuer)
	return err
}

// external stands in for what an external root will have signed.
func (d *hierarchy) external(e schedule.Entry) error {
	root := d.plan.RootNameOf(e.Name)
	certificate := d.certificates[root]
	if certificate == nil {
		return fmt.Errorf("%s: its root %s has no certificate", e.Name, root)
	}
	e.Kind, e.Signer, e.SignatureAlgorithm = schedule.AuthorityCertificate, root, d.plan.SignatureAlgorithm(root)
	e.Duration = min(e.Duration, certificate.NotAfter.Sub(d.base))
	return d.entry(e)
}

// subject is the entry's public key, or a throw-away one for a key to be made.
func (d *hierarchy) subject(e schedule.Entry) (crypto.PublicKey, error) {
	if e.Made != "" {
		k, err := throwaway(e.Made)
		if err != nil {
			return nil, err
		}
		return k.Public(), nil
	}
	if old := d.plan.Renewed[e.Name]; old != nil {
		return old.PublicKey, nil
	}
	if e.SubjectKey == "" {
		return d.plan.PublicKey(e)
	}
	if k, ok := d.keys[e.SubjectKey]; ok {
		return k.Public(), nil
	}
	k, err := throwaway(keyOf(d.plan, e.SubjectKey).Create)
	if err != nil {
		return nil, err
	}
	d.keys[e.SubjectKey] = k
	return k.Public(), nil
}

// clientTrust is the file that says whose clients the API server lets in.
func clientTrust(files []lint.TrustFile) lint.TrustFile {
	f := lint.TrustFile{Path: "pki/client-ca.crt", Kind: kubepki.ClientTrustFile,
		Families: []kubepki.Authority{kubepki.KubernetesAuthority, kubepki.KubeletClientAuthority}}
	for _, family := range f.Families {
		for _, of := range files {
			if of.Authority == family {
				f.Certificates = append(f.Certificates, of.Certificates...)
			}
		}
	}
	return f
}

// layout lints which certificate goes into which trust file.
func (d *hierarchy) layout() []string {
	var files []lint.TrustFile
	for _, spec := range kubepki.Authorities(d.plan.Cluster) {
		issuing := d.plan.Plan.Issuing(spec.Authority)
		if spec.File == "" || issuing == nil || d.certificates[issuing.Name] == nil {
			continue
		}
		f := lint.TrustFile{Path: spec.File, Kind: kubepki.TrustFile, Authority: spec.Authority,
			Certificates: []*x509.Certificate{d.certificates[issuing.Name]}}
		for _, a := range d.plan.Plan.Authorities {
			if a.Family == spec.Authority && a.Adopted {
				f.Adopted = d.certificates[a.Name]
			}
			if a.Family == spec.Authority && a.Use == plan.Trust && d.certificates[a.Name] != nil {
				f.Certificates, f.Beside = append(f.Certificates, d.certificates[a.Name]), f.Beside+1
			}
		}
		files = append(files, f)
	}
	if d.plan.Cluster.KubeletClient {
		files = append(files, clientTrust(files))
	}
	var reasons []string
	for _, f := range lint.Layout(files) {
		reasons = append(reasons, f.String())
	}
	return reasons
}

// checkEntry makes an entry's template and checks it.
func checkEntry(checker *issue.Checker, c *schedule.Ceremony, e schedule.Entry, subject crypto.PublicKey,
	serial *big.Int, base time.Time,
	issuer *x509.Certificate, issuerKey crypto.PublicKey) (*issue.Checked, error) {
	template, err := profile.Certificate(e, subject, serial, base, issuer)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.Name, err)
	}
	return checker.Check(template, issuer, issuerKey, subject, lintContext(c, e))
}

// throwaway makes a key in memory that only ever stands in for another. The size
// of an RSA key changes nothing that lint looks at, and larger ones take seconds to
// make.
func throwaway(a signer.Algorithm) (crypto.Signer, error) {
	if a == signer.RSA3072 || a == signer.RSA4096 {
		a = signer.RSA2048
	}
	return newKey(a, rand.Reader)
}
