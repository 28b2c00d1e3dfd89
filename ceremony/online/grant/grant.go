package grant

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/netip"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/signer"
)

const (
	apiVersion = "officiant/v1"
	kind       = "Grant"
)

// Limits of a grant.
const (
	MaxBytes = 32 << 20
	maxNodes = 20_000
	maxNames = 64 // DNS names, and addresses, of one node
	maxADay  = 10_000
	maxLife  = 366 * 24 * time.Hour
	minLife  = time.Minute
)

// Signer names of the CertificateSigningRequest API.
const (
	KubeletClient = "kubernetes.io/kube-apiserver-client-kubelet"
	KubeletServer = "kubernetes.io/kubelet-serving"
	Client        = "kubernetes.io/kube-apiserver-client"
)

// Grant is what an online signer may sign.
type Grant struct {
	APIVersion    string               `json:"apiVersion"`
	Kind          string               `json:"kind"`
	Cluster       string               `json:"cluster"`
	Sequence      int                  `json:"sequence"`
	NotBefore     time.Time            `json:"notBefore"`
	NotAfter      time.Time            `json:"notAfter"`
	JournalKey    fingerprint.SHA256   `json:"journalKey"`
	Authorities   []Authority          `json:"authorities"`
	KeyAlgorithms []signer.Algorithm   `json:"keyAlgorithms"`
	Reserved      Reserved             `json:"reserved"`
	RefusedKeys   []fingerprint.SHA256 `json:"refusedKeys,omitempty"`
	Nodes         []Node               `json:"nodes"`
	Users         []User               `json:"users"`

	digest  fingerprint.SHA256
	refused map[fingerprint.SHA256]bool
	nodes   map[string]*Node
	users   map[string]*User
}

// Authority signs for one signer name.
type Authority struct {
	SignerName  string `json:"signerName"`
	Name        string `json:"name"` // of its key, in the station
	Certificate string `json:"certificate"`
	Life        string `json:"life"`

	cert *x509.Certificate
	life time.Duration
}

// X509 is the authority's certificate. LongestLife is that of what it signs.
func (a *Authority) X509() *x509.Certificate    { return a.cert }
func (a *Authority) LongestLife() time.Duration { return a.life }

// Reserved are names that no node has.
type Reserved struct {
	DNSNames []string       `json:"dnsNames"`
	Networks []netip.Prefix `json:"networks"`
}

// Node is a node, and what its certificates say.
type Node struct {
	Name             string       `json:"name"`
	Roles            []string     `json:"roles"`
	DNSNames         []string     `json:"dnsNames"`
	IPAddresses      []netip.Addr `json:"ipAddresses"`
	SignaturesPerDay int          `json:"signaturesPerDay"`
	Bootstrap        string       `json:"bootstrap,omitempty"`
}

// User is a person or controller that has a client certificate.
type User struct {
	Name             string   `json:"name"`
	Groups           []string `json:"groups"`
	Requester        string   `json:"requester"`
	SignaturesPerDay int      `json:"signaturesPerDay"`
}

// Invalid says what is wrong with a grant, and where.
type Invalid struct {
	File   string
	Line   int // 0 when not known
	Reason string
}

func (e *Invalid) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Reason
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason)
}

// Parse reads a grant; file is its name in messages. Its error is an *Invalid. Whether
// somebody signed it, Verify says.
func Parse(file string, data []byte) (*Grant, error) {
	if len(data) > MaxBytes {
		return nil, &Invalid{File: file, Reason: fmt.Sprintf("has more than %d bytes", MaxBytes)}
	}
	g := &Grant{digest: fingerprint.Of(data)}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(g); err != nil {
		return nil, &Invalid{file, lineAt(data, int(dec.InputOffset())), "not a grant: " + err.Error()}
	}
	if err := oneSpelling(file, data, g); err != nil {
		return nil, err
	}
	if reason := g.check(); reason != "" {
		return nil, &Invalid{File: file, Reason: reason}
	}
	return g, nil
}

// Marshal writes a grant in its one spelling, indented.
func (g *Grant) Marshal() ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(g)
	return out.Bytes(), err
}

// oneSpelling refuses what another reader could read otherwise: fields that come
// twice or in other letters, and text after the object. White space is free.
func oneSpelling(file string, data []byte, g *Grant) error {
	again, err := g.Marshal()
	if err != nil {
		return &Invalid{File: file, Reason: err.Error()}
	}
	i, j := 0, 0
	for {
		i, j = skip(data, i), skip(again, j)
		if i == len(data) && j == len(again) {
			return nil
		}
		if i == len(data) || j == len(again) || data[i] != again[j] {
			return &Invalid{file, lineAt(data, i),
				"not in its one spelling from here on: each field once, in the order " +
					"of the format, nothing null, times in UTC"}
		}
		if data[i] != '"' { // white space in a string is its own
			i, j = i+1, j+1
			continue
		}
		a, b := quoted(data[i:]), quoted(again[j:])
		if !bytes.Equal(a, b) {
			return &Invalid{file, lineAt(data, i),
				fmt.Sprintf("%.40s is not what stands here in the format's one spelling",
					a)}
		}
		i, j = i+len(a), j+len(b)
	}
}

func skip(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\n' || data[i] == '\t' || data[i] == '\r') {
		i++
	}
	return i
}

// quoted is the JSON string that data begins with.
func quoted(data []byte) []byte {
	for i := 1; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return data[:i+1]
		}
	}
	return data
}

func lineAt(data []byte, offset int) int {
	return 1 + bytes.Count(data[:min(offset, len(data))], []byte("\n"))
}

// Verify says whether release signed the file that data is.
func Verify(release crypto.PublicKey, data, signature []byte) error {
	return signer.VerifyFile(release, fingerprint.Of(data), signature)
}

// Digest is the SHA-256 of the file.
func (g *Grant) Digest() fingerprint.SHA256 { return g.digest }

// Node and User find by name; Authority by signer name. Refuses says whether a key is
// one of those that are never certified.
func (g *Grant) Node(name string) (*Node, bool)      { n, ok := g.nodes[name]; return n, ok }
func (g *Grant) User(name string) (*User, bool)      { u, ok := g.users[name]; return u, ok }
func (g *Grant) Refuses(key fingerprint.SHA256) bool { return g.refused[key] }
func (g *Grant) Holds(at time.Time) bool             { return !at.Before(g.NotBefore) && at.Before(g.NotAfter) }
func (g *Grant) Authority(signer string) (*Authority, bool) {
	for i := range g.Authorities {
		if g.Authorities[i].SignerName == signer {
			return &g.Authorities[i], true
		}
	}
	return nil, false
}

// parse reads the certificate and life of an authority.
func (a *Authority) parse() error {
	block, rest := pem.Decode([]byte(a.Certificate))
	if block == nil || block.Type != "CERTIFICATE" || len(bytes.TrimSpace(rest)) > 0 {
		return fmt.Errorf("certificate is not one certificate in PEM")
	}
	var err error
	if a.cert, err = x509.ParseCertificate(block.Bytes); err != nil {
		return err
	}
	a.life, err = time.ParseDuration(a.Life)
	if err != nil || a.life < minLife || a.life > maxLife || a.life.String() != a.Life || a.life%time.Second != 0 {
		return fmt.Errorf("life is %q; it is from 1m0s to 8784h0m0s, in whole seconds and as Go writes it", a.Life)
	}
	return nil
}
