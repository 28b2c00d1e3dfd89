package next

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
	"officiant/signer"
)

// Recover begins the cluster's chain again with what survives, or says why that is
// not enough. The reason, one line, is recorded.
func Recover(s *Survivors, reason string) (*Proposal, error) {
	p := &s.draft.p
	if err := s.authorities(); err != nil {
		return nil, err
	}
	release, err := s.pinnedRelease()
	if err != nil {
		return nil, err
	}
	p.Release = plan.Release{
		Name:     release.Name,
		Key:      plan.Key{Existing: release.SPKI},
		Public:   "recovered/" + release.Name + ".pub",
		Evidence: p.Evidence,
	}
	if err := s.account(); err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(release.Public)
	if err != nil {
		return nil, err
	}
	if err := s.draft.in.add(p.Release.Public, publicPEM(der)); err != nil {
		return nil, err
	}
	p.Lost = &plan.Lost{Sequence: s.Sequence, Reason: reason}
	return s.draft.end(s.asked, s.Sequence+1)
}

// Keeps says whether every control-plane node sent the service-account key as it is
// sealed to it, so that the pair stays.
func (s *Survivors) Keeps() bool {
	return !slices.ContainsFunc(s.draft.nodes, func(n requester) bool { return n.controlPlane() && n.node.Sealed == "" })
}

// account keeps the service-account pair where every control-plane node has a file that
// is sealed to it beside its request; else the plan makes a new one.
func (s *Survivors) account() error {
	d := s.draft
	var with, without []string
	for _, n := range d.nodes {
		switch {
		case !n.controlPlane():
		case n.node.Sealed == "":
			without = append(without, n.node.Name)
		default:
			with = append(with, n.node.Name)
		}
	}
	if len(with) == 0 {
		d.p.ServiceAccount.Create = signer.ECDSAP256
		return nil
	}
	if len(without) > 0 {
		return &Refused{
			Err: fmt.Errorf(
				"the service-account key came sealed to %s, and not to %s: all control-plane nodes need it, or none",
				Some(with),
				Some(without),
			),
			Hints: by(ShareKey, without[0]+".req", without[0]+SharedSuffix),
		}
	}
	public, former, err := s.signs()
	if err != nil {
		return err
	}
	sa := &d.p.ServiceAccount
	for i := range d.nodes {
		n := &d.nodes[i].node
		if n.Sealed != "" && sa.Sealed == "" {
			sa.Sealed, n.Sealed = n.Sealed, ""
		}
	}
	sa.Public = "recovered/sa.pub"
	if err := d.in.add(sa.Public, publicPEM(public)); err != nil {
		return err
	}
	for i, der := range former {
		file := fmt.Sprintf("recovered/sa.former-%d.pub", i+1)
		if err := d.in.add(file, publicPEM(der)); err != nil {
			return err
		}
		sa.Former = append(sa.Former, file)
	}
	return nil
}

// signs finds the public key of the pair by which control-plane nodes sign, and those
// that they believe beside it.
func (s *Survivors) signs() (public []byte, former [][]byte, err error) {
	if s.accountKey == (fingerprint.SHA256{}) {
		return nil, nil, refuse("no status of a control-plane node says which service-account key it signs with")
	}
	for _, der := range s.publics {
		if fingerprint.Of(der) == s.accountKey {
			public = der
		} else if slices.Contains(s.believed, fingerprint.Of(der)) {
			former = append(former, der)
		}
	}
	if public == nil {
		return nil, nil, &Refused{
			Err: fmt.Errorf(
				"the public half of the service-account key that nodes sign with, SHA-256 %s, is in none of the places given",
				s.accountKey,
			),
			Hints: by(AddPublic),
		}
	}
	return public, former, nil
}

// authorities puts into the plan those that have a key and a certificate, and the
// root by its certificate alone.
func (s *Survivors) authorities() error {
	p := &s.draft.p
	root, err := s.pinnedRoot()
	if err != nil {
		return err
	}
	for _, family := range plan.Families {
		a := plan.Authority{Name: string(family), Family: family}
		certificate := root
		if family.Online() && !s.survives(family) {
			continue // not every cluster has it, and it can be made anew
		}
		if family != kubepki.Root {
			key, err := s.only(family)
			if err != nil {
				return err
			}
			if certificate = key.Certificate; certificate.Certificate.CheckSignatureFrom(root.Certificate) != nil {
				return refuse(
					"authority %s: its certificate in %s is not by the root that nodes pinned, in %s",
					key.Name,
					oneLine(certificate.File),
					oneLine(root.File),
				)
			}
			a.Name, a.Key.Existing, a.Evidence = key.Name, key.SPKI, p.Evidence
		}
		a.Certificate = "recovered/" + a.Name + ".crt"
		if err := s.draft.in.add(a.Certificate, certificatePEM(certificate.Certificate)); err != nil {
			return err
		}
		p.Authorities = append(p.Authorities, a)
	}
	return nil
}

// survives says whether a key of a family is in the station's tokens.
func (s *Survivors) survives(family kubepki.Authority) bool {
	return slices.ContainsFunc(s.Keys, func(k *SurvivingKey) bool { return k.Of(string(family)) })
}

// pinnedRoot is the certificate of the root that the nodes pinned.
func (s *Survivors) pinnedRoot() (*SurvivingCertificate, error) {
	for _, c := range s.Certificates {
		if fingerprint.Of(c.Certificate.Raw) == s.root {
			return c, nil
		}
	}
	return nil, &Refused{
		Err: fmt.Errorf(
			"the certificate of the root that nodes pinned, SHA-256 %s, is in none of the places given",
			s.root,
		),
		Hints: by(AddRoot),
	}
}

// only is the key of a family that has a certificate; with several there was a
// rollover under way, and nothing here tells which one issues.
func (s *Survivors) only(family kubepki.Authority) (*SurvivingKey, error) {
	var bare []string
	var found []*SurvivingKey
	for _, k := range s.Keys {
		switch {
		case !k.Of(string(family)):
		case k.Certificate == nil:
			bare = append(bare, k.Name)
		default:
			found = append(found, k)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return nil, refuse("authorities %s and %s have both a key and a certificate: a rollover was under way. "+
			"Say in a plan of your own which one issues and which is trusted beside it", found[0].Name, found[1].Name)
	case len(bare) > 0:
		return nil, &Refused{
			Err: fmt.Errorf(
				"authority %s: its key is in the token, and no certificate for it is in the places given; without that "+
					"nobody knows its name, and what it issued has no chain",
				strings.Join(bare, ", "),
			),
			Hints: by(AddAuthorities),
		}
	}
	return nil, &Refused{
		Err: fmt.Errorf(
			"authority %s: no key %s/%s is in the station's tokens, so it can issue nothing",
			family,
			s.Cluster,
			family,
		),
		Hints: plainly(
			"look into the tokens: officiant signer list URI",
			"with the key gone too, the cluster gets a new authority: docs/recovery.md",
		),
	}
}

// pinnedRelease is the release key that nodes pinned: they take bundles by no other.
func (s *Survivors) pinnedRelease() (*SurvivingKey, error) {
	for _, k := range s.Keys {
		if k.Pinned {
			return k, nil
		}
	}
	return nil, &Refused{
		Err: fmt.Errorf(
			"the release key that nodes pinned, SHA-256 %s, is in none of the station's tokens: nodes would take no bundle",
			s.release,
		),
		Hints: plainly("with that key gone a new one is made, and its words are compared on each node: docs/recovery.md"),
	}
}
