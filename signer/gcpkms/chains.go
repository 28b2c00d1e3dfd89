package gcpkms

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"cloud.google.com/go/kms/apiv1/kmspb"

	"officiant/signer/attestation/roots"
)

// The bounds of what is read as certificates.
const (
	maxRoots = 64 << 10 // bytes of a file
	maxChain = 8        // certificates
	maxCert  = 16 << 10 // bytes of PEM
)

// anchors are the certificates an attestation has to lead to: one of the HSM's
// maker and one of Google's.
type anchors []*x509.Certificate

// anchorsOf reads the file that the URI names, or the built-in roots.
func (a address) anchorsOf() (anchors, error) {
	if a.roots == "" {
		return parseAnchors(roots.Google)
	}
	f, err := os.Open(a.roots)
	if err != nil {
		return nil, fmt.Errorf("attestation-roots: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxRoots+1))
	if err != nil {
		return nil, fmt.Errorf("attestation-roots: %w", err)
	}
	roots, err := parseAnchors(text)
	if err != nil {
		return nil, fmt.Errorf("attestation-roots: %s: %w", a.roots, err)
	}
	return roots, nil
}

func parseAnchors(text []byte) (anchors, error) {
	if len(text) > maxRoots {
		return nil, fmt.Errorf("more than %d bytes", maxRoots)
	}
	var out anchors
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("holds a %.40q, not certificates alone", block.Type)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		if !issued(c, c) {
			return nil, fmt.Errorf("%q is not a root: it is not signed by itself", c.Subject)
		}
		out, text = append(out, c), rest
	}
	if len(out) < 2 {
		return nil, errors.New("two roots are needed, the HSM maker's and Google's")
	}
	return out, nil
}

// String tells the roots by their SHA-256.
func (a anchors) String() string {
	var out []string
	for _, c := range a {
		sum := sha256.Sum256(c.Raw)
		out = append(out, hex.EncodeToString(sum[:]))
	}
	return strings.Join(out, " ")
}

// chains are the certificates that come with an attestation. The maker signed
// the card's key, and the card that of its partition; Google signed both keys
// once more. The partition's key signs attestations.
type chains struct{ maker, googleCard, googlePartition []*x509.Certificate }

func parseChains(in *kmspb.KeyOperationAttestation_CertificateChains) (c chains, err error) {
	for _, one := range []struct {
		name string
		pem  []string
		to   *[]*x509.Certificate
	}{
		{"caviumCerts", in.GetCaviumCerts(), &c.maker},
		{"googleCardCerts", in.GetGoogleCardCerts(), &c.googleCard},
		{"googlePartitionCerts", in.GetGooglePartitionCerts(), &c.googlePartition},
	} {
		if len(one.pem) == 0 || len(one.pem) > maxChain {
			return chains{}, fmt.Errorf("%s has %d certificates", one.name, len(one.pem))
		}
		for _, text := range one.pem {
			block, rest := pem.Decode([]byte(text[:min(len(text), maxCert)]))
			if block == nil || block.Type != "CERTIFICATE" || len(bytes.TrimSpace(rest)) > 0 {
				return chains{}, fmt.Errorf("%s holds what is not one certificate", one.name)
			}
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return chains{}, fmt.Errorf("%s: %w", one.name, err)
			}
			*one.to = append(*one.to, cert)
		}
	}
	return c, nil
}

// errNoAnchor is a statement that is sound in itself, by an HSM of which nobody
// whom we know says that it is one.
var errNoAnchor = errors.New("its certificates end at no root that is known")

// verify holds the statement's signature against the maker's chain and Google's,
// up to roots. The certificates have no CA bit to check, so each chain has the
// one length there is. Their dates are not judged: cards outlive the maker's
// root, which ended in 2025, and a statement does not grow old.
func (c chains) verify(s *statement, roots anchors) error {
	digest := sha256.Sum256(s.signed)
	partition := find(c.maker, func(p *x509.Certificate) bool {
		pub, ok := p.PublicKey.(*rsa.PublicKey)
		return ok && rsa.VerifyPKCS1v15(pub, crypto.SHA256, digest[:], s.signature) == nil
	})
	if partition == nil {
		return errors.New("its signature is by none of the maker's certificates (caviumCerts)")
	}
	card := find(c.maker, func(p *x509.Certificate) bool { return p != partition && issued(p, partition) })
	if card == nil {
		return errors.New("no card of the maker's (caviumCerts) signed the partition's key")
	}
	googles := find(c.googlePartition, func(p *x509.Certificate) bool { return sameKey(p, partition) })
	if googles == nil {
		return errors.New("its signature is by none of Google's partitions (googlePartitionCerts)")
	}
	googleCard := find(c.googleCard, func(p *x509.Certificate) bool { return sameKey(p, card) })
	if googleCard == nil {
		return errors.New("the card is none of Google's (googleCardCerts)")
	}
	maker := find(roots, func(r *x509.Certificate) bool { return issued(r, card) })
	google := find(roots, func(r *x509.Certificate) bool { return issued(r, googles) && issued(r, googleCard) })
	switch {
	case maker == nil:
		return fmt.Errorf("%w: the card's is by %.200q", errNoAnchor, card.Issuer)
	case google == nil:
		return fmt.Errorf("%w: Google's are by %.200q and %.200q", errNoAnchor, googleCard.Issuer, googles.Issuer)
	case sameKey(maker, google):
		return fmt.Errorf("%w: maker and Google have one root, so only one of them vouches", errNoAnchor)
	}
	return nil
}

func find(in []*x509.Certificate, is func(*x509.Certificate) bool) *x509.Certificate {
	if i := slices.IndexFunc(in, is); i >= 0 {
		return in[i]
	}
	return nil
}

// issued says whether by signed c.
func issued(by, c *x509.Certificate) bool {
	return bytes.Equal(by.RawSubject, c.RawIssuer) && by.CheckSignature(c.SignatureAlgorithm, c.RawTBSCertificate, c.Signature) == nil
}

func sameKey(a, b *x509.Certificate) bool {
	return bytes.Equal(a.RawSubjectPublicKeyInfo, b.RawSubjectPublicKeyInfo)
}

// text is a chain for the record: one certificate a word, its DER in base64, or
// whatever stands there instead.
func text(chain []string) string {
	var out []string
	for _, one := range chain[:min(len(chain), maxChain)] {
		data := []byte(one[:min(len(one), maxCert)])
		if block, _ := pem.Decode(data); block != nil {
			data = block.Bytes
		}
		out = append(out, base64.StdEncoding.EncodeToString(data))
	}
	if len(out) == 0 {
		return "absent"
	}
	return strings.Join(out, " ")
}
