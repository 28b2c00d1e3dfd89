package statement

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"time"

	"officiant/bundle"
	"officiant/bundle/fingerprint"
	"officiant/bundle/install"
	"officiant/bundle/kubepki"
)

const (
	apiVersion = "officiant/v1"
	signedKind = "SignedNodeStatus"
	kind       = "NodeStatement"
	domain     = "officiant node status v1\n"
)

// MaxBytes is above what any node says of itself.
const MaxBytes = 4 << 20

// Life is how long a statement counts, unless its reader knows better.
const Life = 7 * 24 * time.Hour

// skew is how far a node's clock may be ahead of its reader's.
const skew = time.Hour

// State is what the last sync of a node came to.
type State string

const (
	Current    State = "current"     // the newest bundle it could have is in place
	Installed  State = "installed"   // now, and what it restarted is well
	Waiting    State = "waiting"     // for others: nothing was begun
	RolledBack State = "rolled-back" // what it restarted was not well
	Refused    State = "refused"     // what the place holds is not this node's newest bundle
	Absent     State = "absent"      // the place did not answer, or has none
	Failed     State = "failed"      // another failure
)

// Outcome is the last sync.
type Outcome struct {
	State    State               `json:"state"`
	Reason   string              `json:"reason,omitempty"`
	Sequence int                 `json:"sequence,omitempty"` // of the bundle it was about, where there was one
	Bundle   *fingerprint.SHA256 `json:"bundle,omitempty"`   // SHA-256 of that one's SHA256SUMS
	Verified time.Time           `json:"verified,omitzero"`  // when the newest bundle was last read whole from the place
}

// Well says whether nothing is amiss.
func (o Outcome) Well() bool { return o.State == Current || o.State == Installed }

// Statement is what is signed.
type Statement struct {
	APIVersion string             `json:"apiVersion"`
	Kind       string             `json:"kind"`
	Time       time.Time          `json:"time"`
	Cluster    string             `json:"cluster"`
	Node       string             `json:"node"`
	Sequence   int                `json:"sequence"`
	Bundle     fingerprint.SHA256 `json:"bundle"` // SHA-256 of SHA256SUMS of the one in place
	Sync       Outcome            `json:"sync"`
	Status     *install.Status    `json:"status"`
}

// Signed is a statement with its signature.
type Signed struct {
	Statement
	text        []byte
	certificate *x509.Certificate
	signature   []byte
}

type envelope struct {
	APIVersion  string `json:"apiVersion"`
	Kind        string `json:"kind"`
	Statement   string `json:"statement"`
	Certificate string `json:"certificate"`
	Signature   []byte `json:"signature"`
}

// Signer is the leaf by whose key a node signs; false when it has neither.
func Signer(leaves []kubepki.Leaf) (kubepki.Leaf, bool) {
	for _, name := range []string{"kubelet.conf", "etcd/server"} {
		for _, l := range leaves {
			if l.Name == name {
				return l, true
			}
		}
	}
	return kubepki.Leaf{}, false
}

// Of is what a node says of itself now, and the node's name.
func Of(n *install.Node, o Outcome, rand io.Reader) (node string, data []byte, err error) {
	b, err := n.Bundle()
	if err != nil {
		return "", nil, err
	}
	if b == nil {
		return "", nil, errors.New("the bundle in place is damaged or gone: install it again")
	}
	facts, err := b.Facts()
	if err != nil {
		return "", nil, err
	}
	leaves, err := kubepki.Leaves(facts.Cluster, facts.Node)
	if err != nil {
		return "", nil, err
	}
	leaf, ok := Signer(leaves)
	if !ok {
		return "", nil, errors.New("this node has no key to sign a status with")
	}
	used, err := n.InUse(leaf)
	if err != nil {
		return "", nil, err
	}
	status, err := n.Status()
	if err != nil {
		return "", nil, err
	}
	data, err = Make(b, status, o, n.Now(), used, rand)
	return b.Node, data, err
}

// Make signs what a node says, by the key of what is in use. b is the bundle in place.
func Make(
	b *bundle.Bundle,
	s *install.Status,
	o Outcome,
	now time.Time,
	u *install.InUse,
	rand io.Reader,
) ([]byte, error) {
	if u.Key == nil || len(u.Chain) == 0 {
		return nil, fmt.Errorf("%s: no certificate or key to sign a status with", u.File)
	}
	text, err := json.Marshal(&Statement{
		APIVersion: apiVersion, Kind: kind, Time: now.UTC().Truncate(time.Second), Cluster: b.Cluster, Node: b.Node,
		Sequence: b.Sequence, Bundle: fingerprint.Of(b.Sums), Sync: o, Status: s,
	})
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(append([]byte(domain), text...))
	signature, err := u.Key.Sign(rand, digest[:], crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("%s: signing a status: %w", u.File, err)
	}
	out, err := json.MarshalIndent(
		&envelope{apiVersion, signedKind, string(text), string(certificatePEM(u.Chain[0])), signature},
		"",
		"  ",
	)
	return append(out, '\n'), err
}

func certificatePEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// Is says whether a file claims to be a signed status.
func Is(data []byte) bool {
	var e struct{ Kind string }
	return json.Unmarshal(data, &e) == nil && e.Kind == signedKind
}

// Parse reads a file and verifies its signature by the certificate that is in it.
// Whose certificate that is, Check says.
func Parse(data []byte) (*Signed, error) {
	if len(data) > MaxBytes {
		return nil, errors.New("is too long for a node's status")
	}
	var e envelope
	if err := strict(data, &e); err != nil {
		return nil, fmt.Errorf("is no signed status: %w", err)
	}
	s := &Signed{text: []byte(e.Statement), signature: e.Signature}
	if err := strict(s.text, &s.Statement); err != nil {
		return nil, fmt.Errorf("its statement: %w", err)
	}
	if e.APIVersion != apiVersion || e.Kind != signedKind || s.APIVersion != apiVersion || s.Kind != kind {
		return nil, fmt.Errorf("is not %s %s", apiVersion, signedKind)
	}
	block, rest := pem.Decode([]byte(e.Certificate))
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("has not one certificate")
	}
	var err error
	if s.certificate, err = x509.ParseCertificate(block.Bytes); err != nil {
		return nil, fmt.Errorf("its certificate: %w", err)
	}
	i := s.Statement.Status
	if i == nil || i.Installed == nil || i.Installed.Node != s.Node || i.Installed.Cluster != s.Cluster ||
		i.Installed.Sequence != s.Sequence {
		return nil, errors.New("the status in it is of another node, or of another bundle")
	}
	return s, s.signed()
}

func (s *Signed) signed() error {
	digest := sha256.Sum256(append([]byte(domain), s.text...))
	ok := false
	switch key := s.certificate.PublicKey.(type) {
	case *ecdsa.PublicKey:
		ok = ecdsa.VerifyASN1(key, digest[:], s.signature)
	case *rsa.PublicKey:
		ok = rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], s.signature) == nil
	}
	if !ok {
		return errors.New("its signature is not by the certificate in it")
	}
	return nil
}

// Old says whether a statement counts as absent at a time: older than life, or made by
// a clock that is far ahead.
func (s *Signed) Old(now time.Time, life time.Duration) bool {
	return s.Time.Before(now.Add(-life)) || s.Time.After(now.Add(skew))
}

// Check compares a statement with the bundle that the ceremony of its sequence made for
// the node: they must be the same bundle, and its certificate the signer's.
func (s *Signed) Check(b *bundle.Bundle) error {
	if b.Cluster != s.Cluster || b.Node != s.Node || fingerprint.Of(b.Sums) != s.Bundle {
		return fmt.Errorf("it is about another bundle than ceremony %d made for node %s", b.Sequence, b.Node)
	}
	return s.SignedFor(b)
}

// SignedFor checks that the key that a bundle certifies for its node signed a
// statement. The statement may refer to another, equivalent bundle.
func (s *Signed) SignedFor(b *bundle.Bundle) error {
	if b.Cluster != s.Cluster || b.Node != s.Node {
		return fmt.Errorf("it is of node %.100q of cluster %.100q", s.Node, s.Cluster)
	}
	facts, err := b.Facts()
	if err != nil {
		return err
	}
	leaves, err := kubepki.Leaves(facts.Cluster, facts.Node)
	if err != nil {
		return err
	}
	l, ok := Signer(leaves)
	if !ok {
		return fmt.Errorf("node %s has no certificate to sign a status with", b.Node)
	}
	if c := bundle.FirstCertificate(l.File, b.Files[l.File]); c == nil || !c.Equal(s.certificate) {
		return fmt.Errorf(
			"it is not signed by the key of %s that ceremony %d certified for node %s",
			l.Name,
			b.Sequence,
			b.Node,
		)
	}
	return nil
}

func strict(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("text after the document")
	}
	return nil
}
