package proof

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/chain"
	"officiant/ceremony/online/grant"
	"officiant/ceremony/online/journal"
	"officiant/signer"
)

// Head is a line, and its hash.
type Head struct {
	Seq  int
	Hash fingerprint.SHA256
}

// Verdict is what a journal has, and what is wrong with it.
type Verdict struct {
	Cluster      string
	First        fingerprint.SHA256 // of its first line: which journal it is
	Lines        int
	Certificates int
	Abandoned    int
	Head         Head
	SignedTo     int       // seq of the last line that a signed head is about
	Ended        time.Time // of its last line
	Findings     []Finding
}

// Finding is what is wrong with a line.
type Finding struct {
	Line    int
	Problem string
}

func (f Finding) String() string { return fmt.Sprintf("line %d: %s", f.Line, f.Problem) }

// Against is what a journal is held against.
type Against struct {
	Grants map[fingerprint.SHA256]*grant.Grant // by digest; their signatures were checked
	Kept   []Head                              // what somebody kept of it
	Each   func(*Certificate)                  // gets all its certificates, in the order of their results; may be nil
}

const day = 24 * time.Hour

type check struct {
	Against
	grant   *grant.Grant
	today   map[string][]time.Time // by subject: its signatures of the last day
	verdict *Verdict
	key     fingerprint.SHA256
}

// Check proves a journal. Its error says that the chain is not whole (a *journal.Broken),
// or that the journal cannot be read.
func Check(file string, from io.Reader, against Against) (*Verdict, error) {
	c := &check{Against: against, today: map[string][]time.Time{}, verdict: &Verdict{}}
	r := newReader()
	if err := r.read(file, from, c.line); err != nil {
		return nil, err
	}
	v := c.verdict
	v.First, v.SignedTo, v.Ended = r.first, r.signedTo, r.last
	for _, kept := range c.Kept {
		if kept.Seq > v.Lines {
			c.found(v.Lines, "the head that was kept is of line %d: the lines after this one were cut", kept.Seq)
		}
	}
	return v, nil
}

// Read is Check without any grant: the chain is whole, and who signed what is not asked.
// It stops at line upTo, whose hash has to be that of upTo; zero: it reads to the end.
func Read(file string, from io.Reader, upTo Head, each func(*Certificate)) error {
	r := newReader()
	err := r.read(file, from, func(l chain.Line, c *Certificate) error {
		if c != nil {
			each(c)
		}
		switch {
		case l.Seq < upTo.Seq, upTo == Head{}:
			return nil
		case l.Hash != upTo.Hash:
			return &journal.Broken{File: file, Line: l.Seq, Reason: "it is another line than the one on record"}
		}
		return io.EOF
	})
	switch {
	case err == nil && upTo == Head{}, err == io.EOF:
		return nil
	case err == nil:
		return &journal.Broken{File: file, Line: r.Seq,
			Reason: fmt.Sprintf("the lines after this one are missing, up to line %d", upTo.Seq)}
	}
	return err
}

func (c *check) found(line int, format string, args ...any) {
	c.verdict.Findings = append(c.verdict.Findings, Finding{line, fmt.Sprintf(format, args...)})
}

func (c *check) line(l chain.Line, settled *Certificate) error {
	v := c.verdict
	v.Lines, v.Head = l.Seq, Head{l.Seq, l.Hash}
	for _, kept := range c.Kept {
		if kept.Seq == l.Seq && kept.Hash != l.Hash {
			c.found(l.Seq, "it is another line than the head that was kept says")
		}
	}
	switch r := l.Record.(type) {
	case journal.Open:
		v.Cluster, c.key = r.Cluster, fingerprint.Of(r.PublicKey)
	case journal.Grant:
		c.take(l.Seq, r)
	case journal.Intent:
		c.intent(l, r)
	}
	if settled == nil {
		return nil
	}
	if c.Each != nil {
		c.Each(settled)
	}
	if settled.Signed == nil { // nothing left the signer: it is none of the day's signatures
		of := c.today[settled.Intent.Subject]
		if i := slices.IndexFunc(of, settled.Intended.Equal); i >= 0 {
			c.today[settled.Intent.Subject] = slices.Delete(of, i, i+1)
		}
		v.Abandoned++
		return nil
	}
	v.Certificates++
	if c.grant == nil {
		return nil // said once, at the grant's line
	}
	if err := c.certificate(settled.Intent, settled.Signed); err != nil {
		c.found(l.Seq, "%s: %v", settled.Intent.Subject, err)
	}
	return nil
}

// intent wants the grant to have been valid, and to have allowed its subject one more.
func (c *check) intent(l chain.Line, in journal.Intent) {
	of := c.today[in.Subject]
	for len(of) > 0 && !of[0].After(l.Time.Add(-day)) {
		of = of[1:]
	}
	c.today[in.Subject] = append(of, l.Time)
	if c.grant == nil {
		return
	}
	if !c.grant.Holds(l.Time) {
		c.found(l.Seq, "the grant did not hold at %s", l.Time.Format(time.RFC3339))
	}
	if most, ok := c.aDay(in.Subject); ok && len(of) >= most {
		c.found(l.Seq, "%s had %d signatures in 24 hours, as many as the grant allows", in.Subject, len(of))
	}
}

// aDay is how many signatures a subject may have in a day.
func (c *check) aDay(subject string) (int, bool) {
	kind, name, _ := strings.Cut(subject, " ")
	if node, ok := c.grant.Node(name); ok && kind == "node" {
		return node.SignaturesPerDay, true
	}
	if user, ok := c.grant.User(name); ok && kind == "user" {
		return user.SignaturesPerDay, true
	}
	return 0, false // its certificate is a finding
}

func (c *check) take(line int, r journal.Grant) {
	c.grant = c.Grants[r.SHA256]
	switch {
	case c.grant == nil:
		c.found(line, "no signed grant has the SHA-256 %s: what follows cannot be held against it", r.SHA256)
	case c.grant.Sequence != r.Sequence || c.grant.Cluster != c.verdict.Cluster:
		c.found(line, "the grant is of another sequence or cluster")
	case c.grant.JournalKey != c.key:
		c.found(line, "the grant names another journal key")
	}
}

// certificate holds a certificate against the grant.
func (c *check) certificate(in journal.Intent, cert *x509.Certificate) error {
	authority, ok := c.grant.Authority(in.SignerName)
	if !ok || authority.Name != in.Authority {
		return fmt.Errorf("the grant has no authority %s for %s", in.Authority, in.SignerName)
	}
	issuer := authority.X509()
	if err := cert.CheckSignatureFrom(issuer); err != nil {
		return fmt.Errorf("it is not signed by %s: %w", in.Authority, err)
	}
	algorithm, err := signer.AlgorithmOf(cert.PublicKey)
	switch {
	case err != nil || !slices.Contains(c.grant.KeyAlgorithms, algorithm):
		return errors.New("its key is of no kind that the grant has")
	case c.grant.Refuses(fingerprint.Of(cert.RawSubjectPublicKeyInfo)):
		return errors.New("its key is one that the grant refuses")
	case cert.IsCA || cert.KeyUsage&^(x509.KeyUsageDigitalSignature|x509.KeyUsageKeyEncipherment) != 0:
		return errors.New("it may sign")
	case !slices.Equal(cert.ExtKeyUsage, issuer.ExtKeyUsage) || len(cert.UnknownExtKeyUsage) > 0:
		return errors.New("its extended key usage is not its authority's")
	case cert.NotAfter.Sub(cert.NotBefore) > authority.LongestLife():
		return fmt.Errorf("it lives longer than %s", authority.LongestLife())
	case cert.NotAfter.After(issuer.NotAfter):
		return errors.New("it outlives its authority")
	case len(cert.EmailAddresses)+len(cert.URIs) > 0:
		return errors.New("it has names that are neither DNS names nor addresses")
	}
	return c.subject(in, cert)
}

func (c *check) subject(in journal.Intent, cert *x509.Certificate) error {
	kind, name, _ := strings.Cut(in.Subject, " ")
	var commonName string
	var groups, dns []string
	var addresses []netip.Addr
	node, isNode := c.grant.Node(name)
	user, isUser := c.grant.User(name)
	switch {
	case kind == "node" && isNode && in.SignerName != grant.Client:
		commonName, groups = "system:node:"+name, []string{"system:nodes"}
		if in.SignerName == grant.KubeletServer {
			dns, addresses = node.DNSNames, node.IPAddresses
		}
		if in.Requester != commonName && (in.Requester != node.Bootstrap || !in.Bootstrap) {
			return fmt.Errorf("%s asked for it", in.Requester)
		}
	case kind == "user" && isUser && in.SignerName == grant.Client:
		commonName, groups = user.Name, user.Groups
		if in.Requester != user.Requester {
			return fmt.Errorf("%s asked for it", in.Requester)
		}
	default:
		return errors.New("the grant has no such node or user")
	}
	if want := subjectOf(commonName, groups); !bytes.Equal(want, cert.RawSubject) {
		return fmt.Errorf("its subject is %s", cert.Subject)
	}
	var have []netip.Addr
	for _, ip := range cert.IPAddresses {
		a, _ := netip.AddrFromSlice(ip)
		have = append(have, a.Unmap())
	}
	if !slices.Equal(cert.DNSNames, dns) || !slices.Equal(have, addresses) {
		return fmt.Errorf("its names are %q and %v, and the grant has %q and %v", cert.DNSNames, have, dns, addresses)
	}
	return nil
}

// subjectOf is a subject as certificates of ours have it: each O and the CN in an RDN of
// its own.
func subjectOf(commonName string, groups []string) []byte {
	type attribute struct {
		Type  asn1.ObjectIdentifier
		Value string
	}
	var name []asn1.RawValue
	add := func(oid asn1.ObjectIdentifier, value string) {
		der, _ := asn1.Marshal(attribute{oid, value})
		name = append(name, asn1.RawValue{Class: asn1.ClassUniversal, Tag: asn1.TagSet, IsCompound: true, Bytes: der})
	}
	for _, g := range groups {
		add(asn1.ObjectIdentifier{2, 5, 4, 10}, g)
	}
	add(asn1.ObjectIdentifier{2, 5, 4, 3}, commonName)
	der, _ := asn1.Marshal(name)
	return der
}
