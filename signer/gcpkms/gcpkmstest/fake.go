package gcpkmstest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"hash/crc32"
	"net"
	"sync"
	"testing"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Fault is what the service does wrong.
type Fault string

// The faults. Those of an answer concern AsymmetricSign, or GetPublicKey where
// the name begins with Public.
const (
	FlippedBit       Fault = "a bit of the signature flipped before its CRC32C was made"
	FlippedOnTheWay  Fault = "a bit of the signature flipped after its CRC32C was made"
	AnotherKey       Fault = "signed by another key"
	WrongCRC         Fault = "wrong CRC32C of the signature"
	NoCRC            Fault = "no CRC32C of the signature"
	DigestUnverified Fault = "digest's CRC32C not verified"
	AnotherVersion   Fault = "answers for another version"
	AnotherLevel     Fault = "answers for another protection level"
	PublicWrongCRC   Fault = "wrong CRC32C of the public key"
	PublicNoCRC      Fault = "no CRC32C of the public key"
	PublicOther      Fault = "the public key of another version"
	PublicLevel      Fault = "public key at another protection level"
	PublicAlgorithm  Fault = "public key of another algorithm"
	PublicGarbage    Fault = "a public key that is none"
	PublicNoKey      Fault = "a certificate where the public key belongs"
	// Those of an attestation concern what is said of versions.
	AttestMissing      Fault = "no attestation"
	AttestNoChains     Fault = "an attestation without certificates"
	AttestTruncated    Fault = "half an attestation"
	AttestBadSignature Fault = "an attestation with a flipped bit in its signature"
	AttestOther        Fault = "the attestation of another key"
	AttestExtractable  Fault = "the attestation of a key that can leave"
	AttestImported     Fault = "the attestation of a key that was imported"
	// Those of the service concern every call.
	Endless         Fault = "a list of keys without an end"
	Throttled       Fault = "quota used up"
	Denied          Fault = "permission denied"
	Unauthenticated Fault = "credentials expired"
	Slow            Fault = "does not answer"
	Cut             Fault = "cuts the connection"
	LostAnswer      Fault = "cuts the connection once it is done"
	Internal        Fault = "fails"
	SwitchedOff     Fault = "the API is switched off in the project"
	Unknown         Fault = "knows no such project"
	// What is made, found or destroyed is another thing than was asked for.
	OtherName      Fault = "answers about another resource"
	OtherAlgorithm Fault = "makes a key of P-384"
	NotDone        Fault = "answers that a version is enabled still"
)

// Fake is the service. It is safe for concurrent use.
type Fake struct {
	kmspb.UnimplementedKeyManagementServiceServer
	server   *grpc.Server
	listener *listener
	done     chan struct{}

	mu    sync.Mutex
	fault Fault
	only  string // the one method with a fault of the service's; "": all
	rings map[string]bool
	keys  map[string]*cryptoKey
	calls map[string]int
	// How often a new version is answered as not yet generated.
	pending int
}

type cryptoKey struct {
	proto    *kmspb.CryptoKey
	versions map[string]*version
}

type version struct {
	proto   *kmspb.CryptoKeyVersion
	private crypto.Signer
	pending int
}

// New starts the service; it ends with the test.
func New(t testing.TB) *Fake {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &Fake{
		listener: &listener{Listener: l, open: map[net.Conn]bool{}}, done: make(chan struct{}),
		rings: map[string]bool{}, keys: map[string]*cryptoKey{}, calls: map[string]int{},
	}
	f.server = grpc.NewServer(grpc.UnaryInterceptor(f.intercept))
	kmspb.RegisterKeyManagementServiceServer(f.server, f)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = f.server.Serve(f.listener)
	}()
	t.Cleanup(func() {
		close(f.done)
		f.server.Stop()
		<-ended
	})
	return f
}

// Endpoint is where the service listens.
func (f *Fake) Endpoint() string { return f.listener.Addr().String() }

// Ring is the URI of a key ring in the service.
func (f *Fake) Ring(name string) string { return f.URI(ringOf(name)) }

func ringOf(name string) string {
	return "projects/officiant-test/locations/europe-west3/keyRings/" + name
}

// URI is that of any resource in the service.
func (f *Fake) URI(resource string) string {
	return "gcpkms://" + resource + "?endpoint=" + f.Endpoint()
}

// Break switches a fault on; there is one at a time.
func (f *Fake) Break(fault Fault) { f.BreakOnly("", fault) }

// BreakOnly switches a fault of the service on in one method.
func (f *Fake) BreakOnly(method string, fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault, f.only = fault, method
}

// Mend switches the fault off.
func (f *Fake) Mend() { f.Break("") }

// Delay makes versions pending for so many looks after they are made.
func (f *Fake) Delay(looks int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pending = looks
}

// Calls is how often a method was called, faults included.
func (f *Fake) Calls(method string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[method]
}

// Edit changes what the service says of a version, by its resource name.
func (f *Fake) Edit(t testing.TB, name string, edit func(*kmspb.CryptoKey, *kmspb.CryptoKeyVersion)) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, k := range f.keys {
		if v, ok := k.versions[name]; ok {
			edit(k.proto, v.proto)
			return
		}
	}
	t.Fatalf("no version %s in the fake", name)
}

// AddVersion makes another version of a crypto key, as its owner may, and
// returns its name.
func (f *Fake) AddVersion(t testing.TB, key string) string {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	k := f.keys[key]
	if k == nil {
		t.Fatalf("no key %s in the fake", key)
	}
	name, err := f.addVersion(k)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// now is the fault that is on, if it is one of these.
func (f *Fake) now(faults ...Fault) bool {
	for _, one := range faults {
		if f.fault == one {
			return true
		}
	}
	return false
}

// listener remembers connections, so that they can be cut.
type listener struct {
	net.Listener
	mu   sync.Mutex
	open map[net.Conn]bool
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.mu.Lock()
		l.open[c] = true
		l.mu.Unlock()
	}
	return c, err
}

func (l *listener) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.open {
		_ = c.Close()
		delete(l.open, c)
	}
}

func generate(a kmspb.CryptoKeyVersion_CryptoKeyVersionAlgorithm) (crypto.Signer, error) {
	switch a {
	case kmspb.CryptoKeyVersion_EC_SIGN_P256_SHA256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case kmspb.CryptoKeyVersion_EC_SIGN_P384_SHA384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case kmspb.CryptoKeyVersion_RSA_SIGN_PKCS1_2048_SHA256:
		return rsa.GenerateKey(rand.Reader, 2048)
	case kmspb.CryptoKeyVersion_RSA_SIGN_PKCS1_3072_SHA256:
		return rsa.GenerateKey(rand.Reader, 3072)
	case kmspb.CryptoKeyVersion_RSA_SIGN_PKCS1_4096_SHA256:
		return rsa.GenerateKey(rand.Reader, 4096)
	}
	return nil, status.Errorf(codes.InvalidArgument, "algorithm %s", a)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(data []byte) int64 { return int64(crc32.Checksum(data, castagnoli)) }
