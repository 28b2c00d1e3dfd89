package policy

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/online/grant"
	"officiant/signer"
)

// MaxCSR is how long a request may be, in bytes of PEM.
const MaxCSR = 16 << 10

// Backdate is how long before now a certificate begins, for clocks that are behind; of a
// short-lived one a quarter.
const Backdate = 5 * time.Minute

// leastLife is what a certificate has to live to be worth signing.
const leastLife = time.Minute

// Reason is why nothing is signed. The texts are a promise.
type Reason string

const (
	GrantTime      Reason = "grant-not-valid"
	SignerName     Reason = "signer-name"
	Usages         Reason = "usages"
	Size           Reason = "csr-size"
	Malformed      Reason = "csr-malformed"
	Signature      Reason = "csr-signature"
	Extension      Reason = "csr-extension"
	KeyAlgorithm   Reason = "key-algorithm"
	KeyRefused     Reason = "key-refused"
	KeyOfAnother   Reason = "key-of-another"
	Subject        Reason = "subject"
	Unknown        Reason = "not-in-grant"
	Requester      Reason = "requester"
	Group          Reason = "requester-group"
	SANKind        Reason = "san-kind"
	SANMissing     Reason = "san-missing"
	SANName        Reason = "san-not-in-grant"
	SANClient      Reason = "san-of-client"
	Lifetime       Reason = "lifetime"
	AuthorityEnds  Reason = "authority-ends"
	BootstrapSpent Reason = "bootstrap-spent"
	Rate           Reason = "rate"
)

// Reasons are all the reasons there are, for callers that count them.
func Reasons() []Reason {
	return []Reason{GrantTime, SignerName, Usages, Size, Malformed, Signature, Extension, KeyAlgorithm, KeyRefused,
		KeyOfAnother, Subject, Unknown, Requester, Group, SANKind, SANMissing, SANName, SANClient, Lifetime,
		AuthorityEnds, BootstrapSpent, Rate}
}

// Refusal says why nothing is signed.
type Refusal struct {
	Reason Reason
	Detail string
	Later  bool // a matter of time: the same request may be signed later
}

func (r *Refusal) Error() string { return string(r.Reason) + ": " + r.Detail }

func refuse(reason Reason, format string, args ...any) *Refusal {
	return &Refusal{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

// Request is what somebody asks for, as an API server hands it on. Neither the object's
// name nor spec.uid is in it: both are whatever the requester makes of them.
type Request struct {
	SignerName string
	Username   string   // spec.username, by the API server
	Groups     []string // spec.groups
	Usages     []string
	Seconds    int64  // spec.expirationSeconds; 0: not said
	CSR        []byte // PEM
}

// Claim is a request that is within the grant.
type Claim struct {
	SignerName    string
	Authority     *grant.Authority
	Subject       string // "node NAME" or "user NAME"
	CommonName    string
	Organization  []string
	DNSNames      []string
	IPAddresses   []netip.Addr
	KeyUsage      x509.KeyUsage
	ExtKeyUsage   x509.ExtKeyUsage
	Key           crypto.PublicKey
	SPKI          fingerprint.SHA256
	Content       fingerprint.SHA256 // of what is asked for, its key included, and by whom
	Begin         time.Time
	Life          time.Duration
	Bootstrap     string // the user who asks for a first certificate; empty: the subject itself
	SignaturesDay int
}

// State is what was signed before.
type State struct {
	Again        bool   // the same content has a certificate that is valid
	Today        int    // signatures of the claim's subject in the last 24 hours
	KeySubject   string // whose certificate the key is in; empty: nobody's
	KeySigner    string // signer name of that certificate
	Bootstrapped bool   // the claim's bootstrap user had a certificate for the subject
}

// Allow holds a claim against what was signed before.
func (c *Claim) Allow(s State) *Refusal {
	switch {
	case s.KeySubject != "" && s.KeySubject != c.Subject:
		return refuse(KeyOfAnother, "the key is that of a certificate of %s", s.KeySubject)
	case s.KeySigner != "" && s.KeySigner != c.SignerName:
		return refuse(KeyOfAnother, "the key is that of a certificate by %s", s.KeySigner)
	case s.Again:
		return nil
	case c.Bootstrap != "" && s.Bootstrapped:
		return refuse(BootstrapSpent, "%s had its one certificate for %s", c.Bootstrap, c.Subject)
	case s.Today >= c.SignaturesDay:
		return &Refusal{Rate, fmt.Sprintf("%s had %d signatures in 24 hours, as many as the grant allows",
			c.Subject, s.Today), true}
	}
	return nil
}

const (
	nodePrefix     = "system:node:"
	nodesGroup     = "system:nodes"
	bootstrappers  = "system:bootstrappers"
	encipherment   = "key encipherment"
	signatureUsage = "digital signature"
)

// Read holds a request against the grant.
func Read(g *grant.Grant, r Request, now time.Time) (*Claim, *Refusal) {
	if !g.Holds(now) {
		return nil, &Refusal{GrantTime, fmt.Sprintf("the grant holds from %s until %s",
			g.NotBefore.Format(time.RFC3339),
			g.NotAfter.Format(time.RFC3339)), true}
	}
	authority, ok := g.Authority(r.SignerName)
	if !ok {
		return nil, refuse(SignerName, "the grant has no authority for %.100q", r.SignerName)
	}
	c := &Claim{SignerName: r.SignerName, Authority: authority, ExtKeyUsage: authority.X509().ExtKeyUsage[0]}
	if refusal := c.usages(r.Usages); refusal != nil {
		return nil, refusal
	}
	csr, refusal := parse(r.CSR)
	if refusal != nil {
		return nil, refusal
	}
	for _, step := range []func() *Refusal{
		func() *Refusal { return c.key(g, csr) },
		func() *Refusal { return c.who(g, r, csr) },
		func() *Refusal { return c.names(g, csr) },
		func() *Refusal { return c.life(r.Seconds, now) },
	} {
		if refusal := step(); refusal != nil {
			return nil, refusal
		}
	}
	c.Content = content(r, csr)
	return c, nil
}

// usages are exactly those that the signer name has: kube-controller-manager's own
// signers take the same two lists.
func (c *Claim) usages(asked []string) *Refusal {
	own := "client auth"
	if c.ExtKeyUsage == x509.ExtKeyUsageServerAuth {
		own = "server auth"
	}
	want := []string{signatureUsage, own}
	c.KeyUsage = x509.KeyUsageDigitalSignature
	if slices.Contains(asked, encipherment) {
		want = append(want, encipherment)
		c.KeyUsage |= x509.KeyUsageKeyEncipherment
	}
	have := slices.Clone(asked)
	slices.Sort(have)
	slices.Sort(want)
	if !slices.Equal(have, want) {
		return refuse(Usages, "usages are %.200q, and have to be %q, with or without %q", asked,
			[]string{signatureUsage, own}, encipherment)
	}
	return nil
}

func (c *Claim) key(g *grant.Grant, csr *x509.CertificateRequest) *Refusal {
	algorithm, err := signer.AlgorithmOf(csr.PublicKey)
	if err != nil || !slices.Contains(g.KeyAlgorithms, algorithm) {
		return refuse(KeyAlgorithm, "the key is %s, and the grant has %q", keyName(csr), g.KeyAlgorithms)
	}
	c.Key, c.SPKI = csr.PublicKey, fingerprint.Of(csr.RawSubjectPublicKeyInfo)
	if g.Refuses(c.SPKI) {
		return refuse(KeyRefused, "the key is an authority's, the journal's, or one that the grant refuses")
	}
	return nil
}

func keyName(csr *x509.CertificateRequest) string {
	if a, err := signer.AlgorithmOf(csr.PublicKey); err == nil {
		return string(a)
	}
	return csr.PublicKeyAlgorithm.String()
}

// who holds subject and requester against each other and the grant.
func (c *Claim) who(g *grant.Grant, r Request, csr *x509.CertificateRequest) *Refusal {
	if refusal := plainSubject(csr.Subject); refusal != nil {
		return refusal
	}
	cn := csr.Subject.CommonName
	if c.SignerName == grant.Client {
		return c.user(g, r, csr)
	}
	name, ok := strings.CutPrefix(cn, nodePrefix)
	if !ok || !slices.Equal(csr.Subject.Organization, []string{nodesGroup}) {
		return refuse(Subject, "the subject is not CN=%sNAME and O=%s", nodePrefix, nodesGroup)
	}
	node, ok := g.Node(name)
	if !ok {
		return refuse(Unknown, "the grant has no node %.253q", name)
	}
	c.Subject, c.CommonName, c.Organization = "node "+name, cn, []string{nodesGroup}
	c.SignaturesDay = node.SignaturesPerDay
	group := nodesGroup
	switch {
	case r.Username == cn:
	case c.SignerName == grant.KubeletClient && node.Bootstrap != "" && r.Username == node.Bootstrap:
		group, c.Bootstrap = bootstrappers, r.Username
	default:
		return refuse(Requester, "%.253q asks for a certificate of %s", r.Username, cn)
	}
	if !slices.Contains(r.Groups, group) {
		return refuse(Group, "%s is not in group %s", r.Username, group)
	}
	return nil
}

func (c *Claim) user(g *grant.Grant, r Request, csr *x509.CertificateRequest) *Refusal {
	u, ok := g.User(csr.Subject.CommonName)
	if !ok {
		return refuse(Unknown, "the grant has no user %.253q", csr.Subject.CommonName)
	}
	have, want := slices.Sorted(slices.Values(csr.Subject.Organization)), slices.Sorted(slices.Values(u.Groups))
	if !slices.Equal(have, want) {
		return refuse(Subject, "groups are %.200q, and the grant has %q for user %s", have, want, u.Name)
	}
	if r.Username != u.Requester {
		return refuse(Requester, "%.253q asks for a certificate of user %s", r.Username, u.Name)
	}
	c.Subject, c.CommonName, c.Organization, c.SignaturesDay = "user "+u.Name, u.Name, u.Groups, u.SignaturesPerDay
	return nil
}

// plainSubject wants one CN, and nothing but it and O.
func plainSubject(n pkix.Name) *Refusal {
	names := 0
	for _, a := range n.Names {
		if _, text := a.Value.(string); !text { // x509 passes over it
			return refuse(Subject, "the subject's attribute %s is no text", a.Type)
		}
		switch a.Type.String() {
		case "2.5.4.3":
			names++
		case "2.5.4.10":
		default:
			return refuse(Subject, "the subject has the attribute %s", a.Type)
		}
	}
	if names != 1 {
		return refuse(Subject, "the subject has %d common names", names)
	}
	return nil
}

// names are the grant's, all of them; each that is asked for has to be among them.
func (c *Claim) names(g *grant.Grant, csr *x509.CertificateRequest) *Refusal {
	if c.ExtKeyUsage == x509.ExtKeyUsageClientAuth {
		if len(csr.DNSNames)+len(csr.IPAddresses) > 0 {
			return refuse(SANClient, "a client's certificate has no alternative names")
		}
		return nil
	}
	if len(csr.DNSNames)+len(csr.IPAddresses) == 0 {
		return refuse(SANMissing, "a server's certificate needs alternative names")
	}
	node, _ := g.Node(strings.TrimPrefix(c.CommonName, nodePrefix)) // who has found it
	for _, name := range csr.DNSNames {
		if !slices.Contains(node.DNSNames, name) {
			return refuse(SANName, "the DNS name %.253q is not the grant's for %s", name, c.Subject)
		}
	}
	for _, ip := range csr.IPAddresses {
		if a, ok := netip.AddrFromSlice(ip); !ok || !slices.Contains(node.IPAddresses, a.Unmap()) {
			return refuse(SANName, "the address %s is not the grant's for %s", ip, c.Subject)
		}
	}
	c.DNSNames, c.IPAddresses = node.DNSNames, node.IPAddresses
	return nil
}

// life is what was asked for, the grant's longest at most, and ends with the authority.
func (c *Claim) life(seconds int64, now time.Time) *Refusal {
	c.Life = c.Authority.LongestLife()
	if seconds < 0 || seconds > 0 && seconds < int64(leastLife/time.Second) {
		return refuse(Lifetime, "expirationSeconds is %d, less than %s", seconds, leastLife)
	}
	if seconds > 0 && seconds < int64(c.Life/time.Second) {
		c.Life = time.Duration(seconds) * time.Second
	}
	issuer := c.Authority.X509()
	c.Begin = now.UTC().Truncate(time.Second).Add(-min(Backdate, (c.Life / 4).Truncate(time.Second)))
	if c.Begin.Before(issuer.NotBefore) {
		c.Begin = issuer.NotBefore.UTC()
	}
	if left := issuer.NotAfter.Sub(c.Begin); left < c.Life {
		c.Life = left.Truncate(time.Second)
	}
	// What was asked for may be less.
	if issuer.NotAfter.Sub(now) < min(leastLife, c.Authority.LongestLife()/2) || now.Before(issuer.NotBefore) {
		return &Refusal{AuthorityEnds, fmt.Sprintf("the authority is valid from %s to %s",
			issuer.NotBefore.UTC().Format(time.RFC3339), issuer.NotAfter.UTC().Format(time.RFC3339)), true}
	}
	return nil
}

// content identifies what is asked for: by whom, of which signer, for how long, and all
// that the key signs. The signature itself is another one each time.
func content(r Request, csr *x509.CertificateRequest) fingerprint.SHA256 {
	h := sha256.New()
	part := func(b []byte) {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(b))))
		h.Write(b)
	}
	usages := slices.Sorted(slices.Values(r.Usages))
	for _, s := range []string{"officiant csr v1", r.SignerName, r.Username, fmt.Sprint(r.Seconds),
		strings.Join(usages, ",")} {
		part([]byte(s))
	}
	part(csr.RawTBSCertificateRequest)
	return fingerprint.SHA256(h.Sum(nil))
}
