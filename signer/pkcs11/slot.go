//go:build cgo

package pkcs11

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/miekg/pkcs11"

	"officiant/bundle/fingerprint"
	"officiant/signer"
)

// slot is a PIV slot, by the number that Yubico's module gives it: 1 is 9a, 2 is 9c, 3 is
// 9d, 4 is 9e, and 5 to 24 are 82 to 95.
type slot byte

var firstSlots = []byte{0x9a, 0x9c, 0x9d, 0x9e}

const (
	lastSlot    = 24
	ownSlot     = 25 // f9: the token's own key, which attests the others
	deriving    = 3  // 9d
	withoutAPIN = 4  // 9e
)

func (n slot) id() []byte { return []byte{byte(n)} }

func (n slot) name() byte {
	if int(n) <= len(firstSlots) {
		return firstSlots[n-1]
	}
	return 0x82 + byte(n) - 5
}

func (n slot) String() string { return fmt.Sprintf("slot %x (id=%%%02x)", n.name(), byte(n)) }

// slotLabels are what Yubico's module calls the private keys in the first slots; those of
// the others end with their count.
var slotLabels = []string{
	"Private key for PIV Authentication", "Private key for Digital Signature", "Private key for Key Management",
	"Private key for Card Authentication",
}

func (n slot) label() string {
	if int(n) <= len(slotLabels) {
		return slotLabels[n-1]
	}
	return fmt.Sprintf("Private key for Retired Key %d", n-4)
}

// slot is the one that a URI names, by its number (id) or by the module's label (object).
func (a address) slot() (slot, error) {
	for n := slot(1); n <= lastSlot; n++ {
		byID, byLabel := bytes.Equal(a.id, n.id()), a.object == n.label()
		if byID && (byLabel || a.object == "") || byLabel && len(a.id) == 0 {
			return n, nil
		}
	}
	return 0, signer.BadURI(errors.New("in a YubiKey the URI names the slot: id=%02 is 9c, id=%01 is 9a, and " +
		"id=%05 to id=%18 are the retired ones, 82 to 95"))
}

// slotToMakeIn is a slot whose keys can be what Officiant wants of a key.
func (a address) slotToMakeIn() (slot, error) {
	n, err := a.slot()
	switch {
	case err != nil:
		return 0, err
	case n == deriving:
		return 0, signer.BadURI(fmt.Errorf(
			"%s: its keys derive as well (CKA_DERIVE), and would be %q; name another slot", n, signer.Unproven))
	case n == withoutAPIN:
		return 0, signer.BadURI(fmt.Errorf("%s: its keys sign without a PIN; name another slot", n))
	}
	return n, nil
}

// slotTemplates are the attributes that Yubico's module takes; what a slot's key may do is
// the device's to say.
func slotTemplates(algorithm signer.Algorithm, in slot) (public, private []*pkcs11.Attribute,
	mechanism uint) {
	public = []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_ID, in.id()),
	}
	private = []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true),
		pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true), pkcs11.NewAttribute(pkcs11.CKA_SIGN, true),
		pkcs11.NewAttribute(pkcs11.CKA_ID, in.id()),
	}
	if c, ok := curves[algorithm]; ok {
		return append(public, pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, c.oid)), private, pkcs11.CKM_EC_KEY_PAIR_GEN
	}
	return append(public, pkcs11.NewAttribute(pkcs11.CKA_MODULUS_BITS, bits(algorithm)),
		pkcs11.NewAttribute(pkcs11.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1})), private, pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN
}

// markOrganization tells a mark from every other certificate.
const markOrganization = "officiant key id, no certificate"

// mark is what Create leaves in a slot: a certificate that certifies nothing, with the id
// that is on record as its serial number. Whoever has the management key can write one, as
// whoever has the PIN of another token can give an object any CKA_ID.
type mark struct {
	id    signer.ID
	label string
	spki  []byte
	early bool // it was left before the key was made, and is of no key
}

func (m *mark) isOf(spki []byte) bool { return !m.early && bytes.Equal(m.spki, spki) }

// leaveMark writes the mark of a key, or of one that is about to be made: then pub is nil.
func (s slotted) leaveMark(h pkcs11.SessionHandle, in slot, label string, id signer.ID, pub crypto.PublicKey) error {
	throwAway, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	unit := "key"
	if pub == nil {
		pub, unit = throwAway.Public(), "none yet"
	}
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(id[:]),
		Subject: pkix.Name{CommonName: label, Organization: []string{markOrganization},
			OrganizationalUnit: []string{unit}},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, pub, throwAway)
	if err != nil {
		return fmt.Errorf("its mark: %w", err)
	}
	_, err = s.objects.ctx.CreateObject(h, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_CERTIFICATE), pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
		pkcs11.NewAttribute(pkcs11.CKA_CERTIFICATE_TYPE, pkcs11.CKC_X_509),
		pkcs11.NewAttribute(pkcs11.CKA_ID, in.id()), pkcs11.NewAttribute(pkcs11.CKA_VALUE, der),
	})
	return called("C_CreateObject", err)
}

// markOf is the mark in a slot; nil if there is none.
func (in objects) markOf(h pkcs11.SessionHandle, id []byte) (*mark, error) {
	found, err := in.named(h, pkcs11.CKO_CERTIFICATE, "", id)
	if err != nil {
		return nil, err
	}
	for _, o := range found {
		der, err := in.attribute(h, o, pkcs11.CKA_VALUE)
		if err != nil {
			return nil, err
		}
		c, err := x509.ParseCertificate(der)
		if err != nil || !slices.Equal(c.Subject.Organization, []string{markOrganization}) ||
			c.SerialNumber.Sign() < 0 || c.SerialNumber.BitLen() > 8*len(signer.ID{}) {
			continue
		}
		m := &mark{label: c.Subject.CommonName, spki: c.RawSubjectPublicKeyInfo,
			early: slices.Equal(c.Subject.OrganizationalUnit, []string{"none yet"})}
		c.SerialNumber.FillBytes(m.id[:])
		return m, nil
	}
	return nil, nil
}

// errMarked: the slot has the key that was made there for the id.
var errMarked = errors.New("its key was made for this id")

// vacant says what is in a slot: nil, nothing, or an early mark of the id; errMarked, the
// key of the id; or a signer.ErrExists that names it.
func (s slotted) vacant(h pkcs11.SessionHandle, in slot, id signer.ID) error {
	m, err := s.objects.markOf(h, in.id())
	if err != nil {
		return err
	}
	private, err := s.objects.named(h, pkcs11.CKO_PRIVATE_KEY, "", in.id())
	if err != nil {
		return err
	}
	if len(private) == 0 {
		return s.holdsData(h, in)
	}
	k, err := s.read(h, private[0])
	if away(err) {
		return err
	}
	if k.info.Algorithm == "" { // the module shows an imported key's curve in a form of its own
		return fmt.Errorf("%w: the slot has a key, imported or made by another program, whose public half the "+
			"module does not show; it is neither used nor overwritten", signer.ErrExists)
	}
	spki, err := x509.MarshalPKIXPublicKey(k.public)
	if err != nil {
		return err
	}
	local := k.info.Attributes["CKA_LOCAL"] == isTrue
	switch {
	case m != nil && m.id == id && local && (m.early || m.isOf(spki)):
		return errMarked
	case m != nil && m.id == id && m.early && !local && bytes.Equal(m.spki, spki):
		return nil // the module takes the mark for a key
	}
	return s.occupied(k, m, spki)
}

// occupied names what is in a slot.
func (s slotted) occupied(k *key, m *mark, spki []byte) error {
	what := "a key that was imported, or a certificate alone"
	if k.info.Attributes["CKA_LOCAL"] == isTrue {
		what = "a key that was made in the device"
	}
	whose := "it has no mark of Officiant's. A run that was cut off while the device made the key may have left it, " +
		"or another program made it: nobody can tell, so it is neither used nor overwritten"
	if m != nil {
		whose = fmt.Sprintf("its mark says that it was made as %q for another id, %x", m.label, m.id)
		if !m.early && !bytes.Equal(m.spki, spki) {
			whose = fmt.Sprintf("the mark of %q beside it is another key's", m.label)
		}
	}
	return fmt.Errorf("%w: the slot has %s, %s, public key %s; %s", signer.ErrExists, what, k.info.Algorithm,
		fingerprint.Of(spki), whose)
}

// holdsData refuses a slot without a key that has something else in its certificate's place.
func (s slotted) holdsData(h pkcs11.SessionHandle, in slot) error {
	for _, class := range []uint{pkcs11.CKO_CERTIFICATE, pkcs11.CKO_DATA, pkcs11.CKO_PUBLIC_KEY} {
		found, err := s.objects.named(h, class, "", in.id())
		if err != nil {
			return err
		}
		if len(found) > 0 {
			return fmt.Errorf("%w: the slot has an object that a new key would overwrite", signer.ErrExists)
		}
	}
	return nil
}

// unclaimed is vacant as it shows without a login, which hides private keys. A mark is a
// run's that goes on.
func (s slotted) unclaimed(h pkcs11.SessionHandle, in slot) error {
	m, err := s.objects.markOf(h, in.id())
	if err != nil || m != nil {
		return err
	}
	halves, err := s.objects.named(h, pkcs11.CKO_PUBLIC_KEY, "", in.id())
	if err != nil {
		return err
	}
	if len(halves) == 0 {
		return s.holdsData(h, in)
	}
	what := "a public key that cannot be read"
	if pub, err := s.objects.publicFrom(h, halves[0], halves[0]); err == nil {
		if sum, err := fingerprint.SPKI(pub); err == nil {
			what = "a key, public key " + sum.String()
		}
	}
	return fmt.Errorf("%w: the slot has %s, which a new one would overwrite", signer.ErrExists, what)
}

// Slotted says whether the module of ref makes keys in slots that URIs name, and has its
// maker's word of them: Yubico's, of a YubiKey.
func Slotted(ref signer.Ref) bool {
	a, err := parseURI(ref.URI)
	return err == nil && strings.Contains(a.modulePath+" "+a.moduleName, "ykcs11")
}

// attests tells the private key of slot f9, which attests the others and signs nothing else.
func (in objects) attests(h pkcs11.SessionHandle, o pkcs11.ObjectHandle, t token) (bool, error) {
	if !isPIV(t.info) {
		return false, nil
	}
	id, err := in.attribute(h, o, pkcs11.CKA_ID)
	return bytes.Equal(id, []byte{ownSlot}), err
}
