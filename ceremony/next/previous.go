package next

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io/fs"
	"slices"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/history"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
)

// Previous is a finished ceremony that a plan may continue: what its record says,
// and the plan it was made by.
type Previous struct {
	*history.Record
	Dir    string // its directory's name, for messages
	folder fs.FS
	plan   *schedule.Ceremony
	prefix string // of the copies of its files: "previous/CLUSTER-SEQUENCE"
}

// readPrevious reads the plan that a ceremony was made by. The signatures are
// `ceremony verify`'s business. Records that are known are not read again.
func readPrevious(r *history.Record, folder fs.FS, known *history.History) (*Previous, error) {
	c, err := schedule.OpenFS(folder, plan.File,
		schedule.Options{Now: r.Open.NotBefore, Held: true, Past: known, Lean: true})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.Source.Dir, err)
	}
	if c.Digest != r.Open.Digest {
		return nil, fmt.Errorf(
			"%s: plan and inputs have digest %s, the record says %s",
			r.Source.Dir,
			c.Digest,
			r.Open.Digest,
		)
	}
	prefix := fmt.Sprintf("previous/%s-%d", r.Open.Cluster, r.Open.Sequence)
	return &Previous{r, r.Source.Dir, folder, c, prefix}, nil
}

// named is the entry by which a plan names it.
func (l *Previous) named(in *inputs, earlier ...string) (plan.Predecessor, error) {
	file := l.prefix + ".jsonl"
	return plan.Predecessor{
			Cluster:    l.Open.Cluster,
			Sequence:   l.Open.Sequence,
			Head:       l.Head,
			Transcript: file,
			Earlier:    earlier,
		},
		in.addFrom(file, l.folder, history.RecordFile, l.SHA256)
}

// certificate is an authority's, as the ceremony left it; nil when it has none.
func (l *Previous) certificate(name string) *x509.Certificate {
	if c := l.plan.Certificates[name]; c != nil {
		return c
	}
	var made *x509.Certificate
	for c := range l.Named(name) {
		if parsed, err := c.Parse(); err == nil {
			made = parsed
		}
	}
	return made
}

// signer is the name that its plan has for who signed a certificate: a grant that no
// ceremony made may have had another one. It is the certificate's own where none did.
func (l *Previous) signer(c history.Certificate) string {
	for _, a := range l.plan.Plan.Authorities {
		if by := l.certificate(a.Name); by != nil && c.Issuer.By(by) {
			return a.Name
		}
	}
	return c.Signer
}

// authority is what its plan says of one; nil when it has none of that name.
func (l *Previous) authority(name string) *plan.Authority {
	i := slices.IndexFunc(l.plan.Plan.Authorities, func(a plan.Authority) bool { return a.Name == name })
	if i < 0 {
		return nil
	}
	return &l.plan.Plan.Authorities[i]
}

// authorities carries certificates over: those that were made, out of the record,
// and those that were inputs already. Of another cluster's ceremony that is its
// root's alone.
func (l *Previous) authorities(p *plan.NewOptions, in *inputs, same bool) error {
	for _, a := range l.plan.Plan.Authorities {
		if !same && a.Family != kubepki.Root {
			continue
		}
		again, err := l.again(a, in, same)
		if err != nil {
			return err
		}
		p.Authorities = append(p.Authorities, again)
	}
	return nil
}

// again is an authority as the next plan names it.
func (l *Previous) again(a plan.Authority, in *inputs, same bool) (plan.Authority, error) {
	certificate := l.certificate(a.Name)
	if certificate == nil {
		return a, fmt.Errorf("%s: authority %s has no certificate on record", l.Dir, a.Name)
	}
	spki, err := fingerprint.SPKI(certificate.PublicKey)
	if err != nil {
		return a, fmt.Errorf("%s: authority %s: %w", l.Dir, a.Name, err)
	}
	file := fmt.Sprintf("%s/%s.crt", l.prefix, a.Name)
	if err := in.add(file, certificatePEM(certificate)); err != nil {
		return a, err
	}
	next := plan.Authority{Name: a.Name, Family: a.Family, Use: a.Use, Certificate: file, Evidence: a.Evidence}
	if a.Use == plan.Issue {
		next.Key = plan.Key{Existing: spki}
	}
	if a.Adopted {
		next.Key, next.Evidence, next.Adopted = plan.Key{}, "", true
	}
	if a.External {
		next.Key, next.Evidence, next.External = plan.Key{}, "", true
		if next.Issuers, err = l.issuers(in, same); err != nil {
			return a, err
		}
	}
	return next, nil
}

// issuers carries the CAs over that stand between an external root and the
// authorities. Another cluster's authorities have their own.
func (l *Previous) issuers(in *inputs, same bool) (string, error) {
	list := l.plan.Issuers
	if l.Received != nil {
		for _, c := range l.Received.Certificates {
			_, issuers, err := c.Parse()
			if err != nil {
				return "", err
			}
			for _, i := range issuers {
				if !slices.ContainsFunc(list, i.Equal) {
					list = append(list, i)
				}
			}
		}
	}
	if len(list) == 0 || !same {
		return "", nil
	}
	var data []byte
	for _, c := range list {
		data = append(data, certificatePEM(c)...)
	}
	return l.prefix + "/issuers.crt", in.add(l.prefix+"/issuers.crt", data)
}

// release carries the release key over, and the one that it announced.
func (l *Previous) release(p *plan.NewOptions, in *inputs) error {
	was := l.plan.Plan.Release
	der := l.releaseKey(was.Name, was.Key, was.Public)
	if der == nil {
		return fmt.Errorf("%s: no release key on record", l.Dir)
	}
	file := func(name string) string { return l.prefix + "/" + name + ".pub" }
	p.Release = plan.Release{
		Name:     was.Name,
		Key:      plan.Key{Existing: fingerprint.Of(der)},
		Public:   file(was.Name),
		Evidence: was.Evidence,
	}
	if err := in.add(p.Release.Public, publicPEM(der)); err != nil || was.Successor.Name == "" {
		return err
	}
	next := was.Successor
	if der = l.releaseKey(next.Name, next.Key, next.Public); der == nil {
		return fmt.Errorf("%s: the release key that it announced, %s, is not on record", l.Dir, next.Name)
	}
	p.Release.Successor = plan.Successor{
		Name:     next.Name,
		Key:      plan.Key{Existing: fingerprint.Of(der)},
		Public:   file(next.Name),
		Evidence: next.Evidence,
	}
	return in.add(p.Release.Successor.Public, publicPEM(der))
}

// releaseKey is a release key of the ceremony, as DER: on record when it was made
// or signed, else the plan's file. Nil when it is nowhere.
func (l *Previous) releaseKey(name string, key plan.Key, public string) []byte {
	i := slices.IndexFunc(l.Openings, func(o history.Opening) bool { return o.Name == name })
	if i >= 0 {
		return l.Openings[i].PublicKey
	}
	if key.Create != "" {
		return nil
	}
	block, _ := pem.Decode(l.plan.Inputs[public])
	if block == nil {
		return nil
	}
	return block.Bytes
}

func publicPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func certificatePEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}
