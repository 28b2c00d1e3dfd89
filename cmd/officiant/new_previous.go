package main

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
	"officiant/cmd/internal/exit"
	"officiant/signer"
)

// predecessor is a finished ceremony, read from its directory.
type predecessor struct {
	dir    string
	raw    []byte // of the transcript
	record *transcript.Transcript
	open   transcript.Open
	plan   *schedule.Ceremony
	prefix string // of the copies of its files: "previous/CLUSTER-SEQUENCE"
}

// continues makes a plan go on where finished ceremonies ended, and returns the
// plan's sequence. Of another cluster's ceremony only the root is taken.
func continues(p *plan.NewOptions, in *inputs, dirs []string, cluster string, nodes []sender) (int, error) {
	var own, neighbour *predecessor
	for _, dir := range dirs {
		last, err := readPredecessor(dir)
		if err != nil {
			return 0, &exit.Error{Code: exit.Refused, Err: err, Hints: []string{"see what is wrong with: officiant ceremony verify " + dir}}
		}
		place := &neighbour
		if last.open.Cluster == cluster {
			place = &own
		}
		if *place != nil {
			return 0, both(*place, last)
		}
		*place = last
	}
	if err := rootsLast(own, neighbour); err != nil {
		return 0, err
	}
	for _, last := range []*predecessor{own, neighbour} {
		if last == nil {
			continue
		}
		path := last.prefix + ".jsonl"
		if err := in.add(path, last.raw); err != nil {
			return 0, err
		}
		p.Previous = append(p.Previous, plan.Predecessor{
			Cluster: last.open.Cluster, Sequence: last.open.Sequence, Head: last.record.Head(), Transcript: path,
		})
	}
	if own == nil {
		return 1, neighbour.authorities(p, in, false)
	}
	if err := own.authorities(p, in, true); err != nil {
		return 0, err
	}
	if err := own.release(p, in); err != nil {
		return 0, err
	}
	own.vouch(nodes)
	p.People = own.plan.People
	return own.open.Sequence + 1, serviceAccount([]*predecessor{own}, p, in, nodes)
}

// readPredecessor reads a ceremony directory as far as a plan builds on it:
// the whole record, its chain, and the plan it was made by. The signatures are
// `ceremony verify`'s business.
func readPredecessor(dir string) (*predecessor, error) {
	file := filepath.Join(dir, "transcript.jsonl")
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	record, err := transcript.Read(file, raw)
	if err != nil {
		return nil, err
	}
	open := record.Open()
	switch {
	case open.Rehearsal:
		return nil, fmt.Errorf("%s: the record of a rehearsal, which nothing can continue", file)
	case !record.Closed():
		return nil, fmt.Errorf("%s: the ceremony is unfinished", file)
	}
	c, err := schedule.Open(filepath.Join(dir, "plan.yaml"), schedule.Options{Now: open.NotBefore, Held: true})
	if err != nil {
		return nil, err
	}
	if c.Digest != open.Digest {
		return nil, fmt.Errorf("%s: plan and inputs have digest %s, the record says %s", dir, c.Digest, open.Digest)
	}
	prefix := fmt.Sprintf("previous/%s-%d", open.Cluster, open.Sequence)
	return &predecessor{dir, raw, record, open, c, prefix}, nil
}

// authorities carries certificates over: those that were made, out of the
// record, and those that were inputs already.
func (l *predecessor) authorities(p *plan.NewOptions, in *inputs, same bool) error {
	made := map[string]*x509.Certificate{}
	for _, c := range l.record.Certificates() {
		made[c.Name] = c.Certificate
	}
	for _, a := range l.plan.Plan.Authorities {
		if !same && a.Family != kubepki.Root {
			continue
		}
		certificate := l.plan.Certificates[a.Name]
		if certificate == nil {
			certificate = made[a.Name]
		}
		if certificate == nil {
			return fmt.Errorf("%s: authority %s has no certificate on record", l.dir, a.Name)
		}
		spki, err := fingerprint.SPKI(certificate.PublicKey)
		if err != nil {
			return fmt.Errorf("%s: authority %s: %w", l.dir, a.Name, err)
		}
		path := fmt.Sprintf("%s/%s.crt", l.prefix, a.Name)
		if err := in.add(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw})); err != nil {
			return err
		}
		again := plan.Authority{Name: a.Name, Family: a.Family, Use: a.Use, Certificate: path, Evidence: a.Evidence}
		if a.Use == plan.Issue {
			again.Key = plan.Key{Existing: spki}
		}
		if a.Adopted {
			again.Key, again.Evidence, again.Adopted = plan.Key{}, "", true
		}
		if a.External {
			again.Key, again.Evidence, again.External = plan.Key{}, "", true
			if again.Issuers, err = l.issuers(in, same); err != nil {
				return err
			}
		}
		p.Authorities = append(p.Authorities, again)
	}
	return nil
}

// vouch drops the fingerprints of requests that nodes signed with the key of
// the certificate they had from this ceremony, in the same roles. check looks
// again, and closer.
func (l *predecessor) vouch(nodes []sender) {
	issued := map[string]*x509.Certificate{}
	for _, c := range l.record.Certificates() {
		issued[c.Name] = c.Certificate
	}
	roles := map[string][]kubepki.Role{}
	for _, n := range l.plan.Nodes {
		roles[n.Name] = slices.Sorted(slices.Values(n.Roles))
	}
	for i := range nodes {
		n, o := &nodes[i].node, nodes[i].request
		if o.Present == nil || nodes[i].compared {
			continue
		}
		had := issued[n.Name+"/"+o.Request.Previous.Name]
		if o.Present[0].Equal(had) && slices.Equal(roles[n.Name], slices.Sorted(slices.Values(n.Roles))) {
			n.Fingerprint = fingerprint.SHA256{}
		}
	}
}

// release carries the release key over, and the one that it announced.
func (l *predecessor) release(p *plan.NewOptions, in *inputs) error {
	was := l.plan.Plan.Release
	der := l.releaseKey(was.Name, was.Key, was.Public)
	if der == nil {
		return fmt.Errorf("%s: no release key on record", l.dir)
	}
	file := func(name string) string { return l.prefix + "/" + name + ".pub" }
	p.Release = plan.Release{Name: was.Name, Key: plan.Key{Existing: fingerprint.Of(der)}, Public: file(was.Name), Evidence: was.Evidence}
	if err := in.add(p.Release.Public, publicPEM(der)); err != nil || was.Successor.Name == "" {
		return err
	}
	next := was.Successor
	if der = l.releaseKey(next.Name, next.Key, next.Public); der == nil {
		return fmt.Errorf("%s: the release key that it announced, %s, is not on record", l.dir, next.Name)
	}
	p.Release.Successor = plan.Successor{Name: next.Name, Key: plan.Key{Existing: fingerprint.Of(der)}, Public: file(next.Name), Evidence: next.Evidence}
	return in.add(p.Release.Successor.Public, publicPEM(der))
}

// releaseKey is a release key of the ceremony, as DER: on record when it was made or
// signed, else the plan's file. Nil when it is nowhere.
func (l *predecessor) releaseKey(name string, key plan.Key, public string) []byte {
	for _, line := range l.record.Lines {
		if k, ok := line.Record.(transcript.Key); ok && k.Name == name {
			return k.PublicKey
		}
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

// serviceAccount carries the sealed pairs over, and refuses a control-plane
// node that could not open the one in use.
func (l *predecessor) serviceAccount(p *plan.NewOptions, in *inputs, nodes []sender, chain []*predecessor) error {
	keys, ok := l.record.ServiceAccount()
	if !ok {
		// No control-plane node before: this ceremony makes the cluster's first pair.
		p.ServiceAccount.Create = signer.ECDSAP256
		return nil
	}
	if err := opens(chain, in, nodes, keys.InUse); err != nil {
		return err
	}
	sa := &p.ServiceAccount
	var err error
	if sa.Sealed, sa.Public, err = l.pair(in, keys.InUse, "sa"); err != nil {
		return err
	}
	if keys.Next != nil {
		if sa.Next.Sealed, sa.Next.Public, err = l.pair(in, *keys.Next, "sa.next"); err != nil {
			return err
		}
	}
	for i, der := range keys.InUse.Former {
		file := fmt.Sprintf("%s/sa.former-%d.pub", l.prefix, i+1)
		if err := in.add(file, publicPEM(der)); err != nil {
			return err
		}
		sa.Former = append(sa.Former, file)
	}
	return nil
}

// opens finds for each control-plane node a sealed file that it can open: the
// cluster's own, or one of a sister.
func opens(chain []*predecessor, in *inputs, nodes []sender, pair transcript.Sealed) error {
	for i := range nodes {
		n := &nodes[i]
		if !slices.Contains(n.node.Roles, kubepki.ControlPlane) || slices.Contains(pair.Recipients, n.recipient()) {
			n.node.Sealed = "" // it opens the cluster's own file
			continue
		}
		if err := shared(chain, in, n, pair.PublicKey); err != nil {
			return err
		}
	}
	return nil
}

// pair copies a pair's two files, as NAME.key.age and NAME.pub.
func (l *predecessor) pair(in *inputs, s transcript.Sealed, name string) (sealed, public string, err error) {
	file := filepath.Join(l.dir, filepath.FromSlash(s.File))
	data, err := os.ReadFile(file)
	if err != nil {
		return "", "", err
	}
	if got := fingerprint.Of(data); got != s.SHA256 {
		return "", "", fmt.Errorf("%s: SHA-256 %s, the record says %s", file, got, s.SHA256)
	}
	sealed, public = l.prefix+"/"+name+".key.age", l.prefix+"/"+name+".pub"
	return sealed, public, errors.Join(in.add(sealed, data), in.add(public, publicPEM(s.PublicKey)))
}

func publicPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// shared finds the file a sister node sealed to n: in the folder of requests, or
// among those a former ceremony passed on: of the pair with that public key.
func shared(chain []*predecessor, in *inputs, n *sender, public []byte) error {
	if n.node.Sealed != "" {
		return nil // it lies beside its request
	}
	for _, l := range chain {
		for _, line := range l.record.Lines {
			s, ok := line.Record.(transcript.Shared)
			if !ok || s.Node != n.node.Name || s.Recipient != n.recipient() || !bytes.Equal(s.PublicKey, public) {
				continue
			}
			n.node.Sealed = fmt.Sprintf("%s/%s%s", l.prefix, s.Node, sharedSuffix)
			return in.add(n.node.Sealed, l.plan.Inputs[s.File])
		}
	}
	return &exit.Error{Code: exit.Refused,
		Err: fmt.Errorf("node %s cannot open the sealed service-account key of %s: its recipient %s is not among those it was sealed to", n.node.Name, chain[0].dir, n.recipient()),
		Hints: []string{
			"a node that kept its identity sends the same recipient: officiant-node request",
			"for a node that joins: on a control-plane node, officiant-node share --to " + filepath.Base(n.node.Request) + " --out " + n.node.Name + sharedSuffix + ", then put that file beside its request"}}
}
