package signer

import (
	"context"
	"crypto"
	"errors"
	"strings"
	"time"
)

// Key is a private key that stays where it is. It is safe for concurrent use.
type Key interface {
	crypto.Signer
	// SignContext signs digest and ends at ctx's deadline, even when the device hangs.
	// ECDSA signatures are ASN.1 DER, as with crypto/ecdsa.
	SignContext(ctx context.Context, digest []byte, opts crypto.SignerOpts) ([]byte, error)
	// Info says where the key lives and what proves that it never left.
	Info() Info
}

// Store is an open token or KMS.
type Store interface {
	// Find returns the one key ref names: ErrNotFound when there is none,
	// ErrAmbiguous when there are several.
	Find(ctx context.Context, ref Ref) (Key, error)
	// Create makes the key of ref in the device and refuses a name that exists
	// (ErrExists). The caller has recorded id first, so that after a crash the
	// key can be found again by it (CKA_ID, or a KMS tag). Who is logged in makes it;
	// where that is another role's part (a YubiKey's management key), Create has that
	// role's PIN asked for (Device.Officer), tries it once, and refuses a place that
	// holds anything (ErrExists) before it asks.
	Create(ctx context.Context, ref Ref, spec Spec, id ID) (Key, error)
	Close() error
}

// IDFinder is a Store that finds a key by the id it was created with.
type IDFinder interface {
	FindID(ctx context.Context, ref Ref, id ID) (Key, error)
}

// PublicFinder is a Store that finds a key by the SHA-256 of its public half's DER
// SubjectPublicKeyInfo, whatever its name: ErrNotFound if there is none. ref names only
// the token.
type PublicFinder interface {
	FindPublic(ctx context.Context, ref Ref, spki [32]byte) (Key, error)
}

// Destroyer is a Store that destroys a key. Every backend is one.
type Destroyer interface {
	// Destroy destroys the key that Create made with id, and what a killed process
	// left of it, and nothing else. ErrUnsupported: the device destroys no single key,
	// and has it still. A key whose public half is another one than spki,
	// the SHA-256 of its DER SubjectPublicKeyInfo, is refused (ErrOther). ErrNotFound:
	// there is no such key any more. A KMS only schedules it: gone is when the key is
	// gone, and zero when it is by now. Asked again, it answers the same.
	Destroy(ctx context.Context, ref Ref, id ID, spki [32]byte) (gone time.Time, err error)
}

// Slotted is a Store that makes keys in slots, and cannot destroy one there.
type Slotted interface {
	// Emptied says how people empty the slot that ref names, by its maker's tools.
	Emptied(ref Ref) string
}

// Describer is a Store that says which device it is.
type Describer interface {
	Describe() Device
}

// PINChanger is a Store on a device whose user can give it another PIN.
type PINChanger interface {
	// ChangePIN sets the PIN of the user who is logged in. The caller clears both.
	// ErrPIN: old is not the PIN, or the device does not take pin; it has the old one.
	ChangePIN(ctx context.Context, old, pin []byte) error
}

// Parallel is a Store that says how many signatures it makes at once; more
// callers than that wait for each other.
type Parallel interface {
	Sessions() int
}

// Queued is a Store that needs more concurrent callers than it makes signatures at once,
// so that the next ones already wait where they are made.
type Queued interface {
	Queue() int
}

// Lister is a Store that lists the keys in it. Every backend is one.
type Lister interface {
	// List describes every private key, by label. One that Officiant cannot use
	// has an empty Algorithm, and a Reason that says why. Nothing is signed.
	List(ctx context.Context) ([]Info, error)
}

// Prober is a Store that tries on a throw-away key, a canary, whether the keys
// it makes can be made to leave. Tokens are; a KMS keeps every key for days.
type Prober interface {
	// Probe makes a canary from the template of Create, tries to get it out, lets
	// use have it unless use is nil, and destroys it. ref names only the token. The
	// caller has recorded id first: a canary of this id that a killed process
	// left is destroyed, and a new one tried. An error says that the trials did
	// not come to an end; a canary that leaks is none.
	Probe(ctx context.Context, ref Ref, spec Spec, id ID, use func(context.Context, Key) error) (Canary, error)
}

// CanaryLabel is what a canary's label begins with; its id follows in hex.
const CanaryLabel = "officiant-canary-"

// Canary says what was tried on a throw-away key.
type Canary struct {
	Algorithm  Algorithm
	Attributes map[string]string // raw, as read back before the trials
	Trials     []Trial
}

// Trial is one thing tried on a canary that a token has to refuse.
type Trial struct {
	Name    string // "set CKA_EXTRACTABLE to true", "wrap with CKM_AES_KEY_WRAP_PAD"
	Outcome string // the token's answer: "CKR_ATTRIBUTE_READ_ONLY", "accepted"
	Leaks   bool   // the token did what it must not
}

// Leak says in words which trials the canary failed; empty when it failed none.
func (c Canary) Leak() string {
	var leaks []string
	for _, t := range c.Trials {
		if t.Leaks {
			leaks = append(leaks, t.Name+": "+t.Outcome)
		}
	}
	return strings.Join(leaks, ", ")
}

// Opener opens the token or KMS that ref names. A token is logged in to once,
// with one try of the one PIN that ask returns.
type Opener func(ctx context.Context, ref Ref, ask PINFunc) (Store, error)

// PINFunc returns the PIN of the device that is about to be logged in to. The
// caller of PINFunc clears the slice after use. Devices with a PIN pad do not ask.
type PINFunc func(ctx context.Context, d Device) ([]byte, error)

// ID is chosen at random and recorded before a key is made.
type ID [16]byte

// Ref names a key: where it lives, and what it is called there.
type Ref struct {
	URI   string // "pkcs11:token=…;object=…?module-path=…", without any PIN
	Label string // CLUSTER/NAME; used when the URI names no object
}

// Algorithm is a kind and size of key.
type Algorithm string

const (
	ECDSAP256 Algorithm = "ECDSA-P256"
	ECDSAP384 Algorithm = "ECDSA-P384"
	ECDSAP521 Algorithm = "ECDSA-P521"
	RSA2048   Algorithm = "RSA-2048"
	RSA3072   Algorithm = "RSA-3072"
	RSA4096   Algorithm = "RSA-4096"
)

// Spec says what key to make.
type Spec struct {
	Algorithm Algorithm
}

// Grade is how well it is shown that a key was made inside and cannot leave.
type Grade string

const (
	Attested   Grade = "attested"   // the maker vouches for it
	Consistent Grade = "consistent" // hardware, and its attributes agree
	Software   Grade = "software"   // attributes agree, but the token is software
	Unproven   Grade = "unproven"   // something is missing or disagrees
)

// Device describes a token or KMS. Empty fields are unknown.
type Device struct {
	Backend      string // "pkcs11"
	Label        string
	Serial       string
	Model        string
	Manufacturer string
	Firmware     string
	Module       string // path of the PKCS#11 module
	ModuleSHA256 string // lower-case hex
	Software     bool   // SoftHSM and its like
	// The PIN's state as the token tells it before a login.
	PINCountLow, PINFinalTry, PINLocked, PINPad bool
	// PINWrong is how many wrong PINs this machine remembers since the last right one.
	PINWrong int
	// PINRecorded is how many the record of the ceremony that goes on has, counted so.
	PINRecorded int
	// Officer: not the user's PIN is asked for, but that of who makes keys: a YubiKey's
	// management key.
	Officer bool
	// PINFor is the label of the key whose next signature a PIN is asked for
	// (CKA_ALWAYS_AUTHENTICATE); empty when it is for the login.
	PINFor string
}

// Info describes one key.
type Info struct {
	Device     Device
	Label      string
	ID         []byte // CKA_ID or what stands for it
	Algorithm  Algorithm
	Grade      Grade
	Reason     string            // why the grade is not better; empty for Attested
	Attributes map[string]string // raw, as read back: "CKA_SENSITIVE": "true", "CKA_LOCAL": "absent"
}

// Errors a caller branches on. Backends wrap them with the token's and key's names.
var (
	ErrNotFound    = errors.New("no such key")
	ErrAmbiguous   = errors.New("more than one key of this name")
	ErrExists      = errors.New("a key of this name exists")
	ErrOther       = errors.New("it is another key than the one that is meant")
	ErrUnavailable = errors.New("token or KMS unavailable")
	ErrPIN         = errors.New("PIN not accepted")
	ErrOfficer     = errors.New("the management key, as the PIN of who makes keys, is not accepted")
	ErrFinalTry    = errors.New("one more wrong PIN locks it") // no PIN was tried
	ErrUnsupported = errors.New("not supported by this token or KMS")
	ErrAbsent      = error(absent{}) // an ErrUnavailable: a token that people can put in is not there
)

// PINRefused is an ErrPIN, with the device that did not take the PIN.
type PINRefused struct {
	Device Device
	Cause  error // wraps ErrPIN
}

func (e *PINRefused) Error() string { return e.Cause.Error() }
func (e *PINRefused) Unwrap() error { return e.Cause }

type absent struct{}

func (absent) Error() string { return ErrUnavailable.Error() }
func (absent) Unwrap() error { return ErrUnavailable }
