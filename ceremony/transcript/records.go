package transcript

import (
	"strings"
	"time"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/chain"
)

// Type says what a line records. Each type has one record struct below.
type Type = chain.Type

// Record is the body ("data") of one line.
type Record = chain.Record

// Open is the first line. It binds everything the ceremony starts from.
type Open struct {
	Format       string             `json:"format"` // "officiant-transcript/v1"
	Name         string             `json:"name"`   // the plan's
	Cluster      string             `json:"cluster"`
	Sequence     int                `json:"sequence"`            // ordinal along the cluster's chain, from 1
	Digest       fingerprint.SHA256 `json:"digest"`              // of the ceremony
	Station      fingerprint.SHA256 `json:"station"`             // SHA-256 of the station file
	Rehearsal    bool               `json:"rehearsal,omitempty"` // throw-away tokens; never for use
	People       []Person           `json:"people,omitempty"`    // the plan's, in its order; none: nobody had to approve
	Threshold    int                `json:"threshold,omitempty"` // how many of them had to
	Approvals    []Approval         `json:"approvals"`
	Program      Program            `json:"program"`
	Modules      []Module           `json:"modules"`
	Host         Host               `json:"host"`
	Predecessors []Predecessor      `json:"predecessors"`   // empty: the first of its chain
	Lost         *Lost              `json:"lost,omitempty"` // the records before are gone; there are no predecessors
	Journals     []Journal          `json:"journals,omitempty"`
	NotBefore    time.Time          `json:"notBefore"` // of every certificate; UTC, whole seconds
	Steps        int                `json:"steps"`     // how many the ceremony has
}

// Person is one of those the plan names to approve or to witness.
type Person struct {
	Name string `json:"name"`
	Role string `json:"role"` // administrator, officer, witness
	Key  string `json:"key"`  // SSH public key: kind and base64
}

// Approval is one person's signature over the digest.
type Approval struct {
	Person    string             `json:"person"`
	Key       string             `json:"key"`       // SSH fingerprint
	Signature fingerprint.SHA256 `json:"signature"` // SHA-256 of the file in approvals/
}

// Attendance says who is present when a process begins.
type Attendance struct {
	Present []string `json:"present"` // names of people in the first line, in their order there
}

// Program identifies the running program.
type Program struct {
	Version string             `json:"version"`
	SHA256  fingerprint.SHA256 `json:"sha256"`
	Go      string             `json:"go"`
	Airgap  bool               `json:"airgap"`
}

// Module identifies a PKCS#11 module.
type Module struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
}

// Host holds facts of the machine in the room.
type Host struct {
	Name       string   `json:"name"`
	Kernel     string   `json:"kernel"`
	Interfaces []string `json:"interfaces"` // network interfaces that are up, loopback left out
}

// Journal says how far the journal of an online signer is on record.
type Journal struct {
	First        fingerprint.SHA256 `json:"first"`                  // of its first line: which journal it is
	Line         int                `json:"line"`                   // the last one that was taken in
	Head         fingerprint.SHA256 `json:"head"`                   // the hash of that line
	File         string             `json:"file,omitempty"`         // the copy; none: earlier ceremonies took it in
	Since        int                `json:"since,omitempty"`        // up to this line, earlier ceremonies took it in
	Certificates int                `json:"certificates,omitempty"` // in the lines after that
	Abandoned    int                `json:"abandoned,omitempty"`    // likewise
}

// Lost says that the chain begins again, because the records of its previous ceremonies
// are gone.
type Lost struct {
	Sequence int    `json:"sequence"` // the highest that was known of
	Reason   string `json:"reason"`   // as the plan gives it
}

// Predecessor names a ceremony this one continues.
type Predecessor struct {
	Cluster  string             `json:"cluster"`
	Sequence int                `json:"sequence"`
	Head     fingerprint.SHA256 `json:"head"`
}

// Resumed is the first line a later process writes.
type Resumed struct {
	Head    fingerprint.SHA256  `json:"head"`          // of what was found
	Cut     *fingerprint.SHA256 `json:"cut,omitempty"` // SHA-256 of an unterminated last line that was cut off
	Program Program             `json:"program"`
	Host    Host                `json:"host"`
	Removed []string            `json:"removed"` // leftovers of the interrupted process
	// What the clock said when it stood behind the last line, whose time lines then
	// have until it has caught up.
	Clock *time.Time `json:"clock,omitempty"`
}

// Paused is written when people stop the ceremony.
type Paused struct {
	Reason string `json:"reason"`
}

// Step opens a numbered step. The number is in the line itself.
type Step struct {
	Title string `json:"title"`
}

// Token describes a token or KMS that was opened.
type Token struct {
	Backend      string `json:"backend"`
	Label        string `json:"label"`
	Serial       string `json:"serial"`
	Model        string `json:"model"`
	Manufacturer string `json:"manufacturer"`
	Firmware     string `json:"firmware"`
	Module       string `json:"module,omitempty"`
	ModuleSHA256 string `json:"moduleSha256,omitempty"`
}

// ID tells one token from another, whatever module reaches it and in whatever version.
func (t Token) ID() string {
	return strings.Join([]string{t.Backend, t.Label, t.Serial, t.Model, t.Manufacturer}, "\x00")
}

// CanaryIntent is on disk before a throw-away key is made to try a token on: of
// the template that this ceremony's keys of the algorithm are made from.
type CanaryIntent struct {
	Token     Token  `json:"token"`
	Algorithm string `json:"algorithm"`
	ID        string `json:"id"` // hex, 16 bytes; its label is officiant-canary-ID
}

// Canary says what was tried on the canary. It was destroyed before this line.
type Canary struct {
	Intent     int               `json:"intent"`     // seq of its CanaryIntent
	Attributes map[string]string `json:"attributes"` // before the trials
	Trials     []Trial           `json:"trials"`
}

// Trial is one thing that a token has to refuse.
type Trial struct {
	Name    string `json:"name"`
	Outcome string `json:"outcome"`         // the token's answer
	Leaks   bool   `json:"leaks,omitempty"` // it did what it must not
}

// KeyIntent is on disk before a key is made.
type KeyIntent struct {
	Name      string `json:"name"`  // "root", "kubernetes", …, "release"
	Label     string `json:"label"` // CLUSTER/NAME
	Algorithm string `json:"algorithm"`
	ID        string `json:"id"`              // hex, 16 bytes
	Token     *Token `json:"token,omitempty"` // it is to be made in; absent in records of before it was said
	Salt      []byte `json:"salt,omitempty"`  // from which, with the first line, the id follows (BoundID); absent as well
}

// Key is a key that was made or found, and what the device says of it.
type Key struct {
	Name       string             `json:"name"`
	Label      string             `json:"label"`
	Algorithm  string             `json:"algorithm"`
	ID         string             `json:"id"`
	Made       bool               `json:"made"` // in this ceremony
	SPKI       fingerprint.SHA256 `json:"spki"`
	PublicKey  []byte             `json:"publicKey"` // DER SubjectPublicKeyInfo
	Token      Token              `json:"token"`
	Grade      string             `json:"grade"`
	Reason     string             `json:"reason,omitempty"`
	Attributes map[string]string  `json:"attributes"`
}

// KeyAbandoned names a key an interrupted process may have left behind.
type KeyAbandoned struct {
	Name   string `json:"name"`
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

// ChallengeIntent is on disk before a key signs a challenge.
type ChallengeIntent struct {
	Name  string             `json:"name"`
	Nonce []byte             `json:"nonce"`
	SPKI  fingerprint.SHA256 `json:"spki"`
	Clone *Token             `json:"clone,omitempty"` // asked is the key's clone in this token; absent: the key itself
}

// Challenge is the key's answer.
type Challenge struct {
	Name      string `json:"name"`
	Intent    int    `json:"intent"` // seq of its ChallengeIntent
	Signature []byte `json:"signature"`
}

// Intent is on disk before a CA key signs a certificate.
type Intent struct {
	Entry  int    `json:"entry"` // line of the schedule
	Name   string `json:"name"`  // the entry's name
	Signer string `json:"signer"`
	TBS    []byte `json:"tbs"` // the whole DER TBSCertificate
}

// Issued holds the certificate of an intent.
type Issued struct {
	Intent      int    `json:"intent"` // seq
	Certificate []byte `json:"certificate"`
}

// CSRIntent is on disk before an authority's key signs a certificate request for itself.
type CSRIntent struct {
	Entry int    `json:"entry"` // line of the schedule
	Name  string `json:"name"`  // the entry's: "csr kubernetes"
	TBS   []byte `json:"tbs"`   // the whole DER CertificationRequestInfo
}

// CSR holds the certificate request of an intent, which goes to an external root.
type CSR struct {
	Intent  int    `json:"intent"` // seq of its CSRIntent
	Request []byte `json:"request"`
}

// Received are the certificates that came back for all requests, checked
// against the schedule. Before it there is no Intent.
type Received struct {
	NotBefore    time.Time             `json:"notBefore"` // of every certificate issued after it, in place of the open line's; UTC, whole seconds
	Certificates []ReceivedCertificate `json:"certificates"`
}

// ReceivedCertificate is an authority's certificate that others signed.
type ReceivedCertificate struct {
	Entry       int      `json:"entry"`
	Name        string   `json:"name"` // the entry's: "kubernetes"
	Certificate []byte   `json:"certificate"`
	Issuers     [][]byte `json:"issuers"` // the CAs between it and the root, its own issuer first; empty: the root signed it
}

// Abandoned closes an intent whose result is not known. Its serial counts as issued,
// its CRL number as used.
type Abandoned struct {
	Intent int    `json:"intent"` // seq, of an Intent, CRLIntent, ChallengeIntent or SignatureIntent
	Reason string `json:"reason"`
}

// What a sealed file holds.
const (
	ServiceAccount     = "service-account"      // the private key that nodes sign tokens with
	NextServiceAccount = "service-account-next" // the one they will sign with after a later ceremony; sa.pub has its public key already
)

// Sealed is a secret made in memory and sealed to nodes; written after the sealed file is on disk.
type Sealed struct {
	Secret     string             `json:"secret"` // ServiceAccount or NextServiceAccount
	File       string             `json:"file"`   // in the ceremony directory
	SHA256     fingerprint.SHA256 `json:"sha256"` // of the sealed file
	Recipients []string           `json:"recipients"`
	PublicKey  []byte             `json:"publicKey"`        // DER SubjectPublicKeyInfo
	Former     [][]byte           `json:"former,omitempty"` // of a ServiceAccount: those before it, which sa.pub keeps while their tokens live
}

// Carried is a secret that a previous ceremony sealed, carried over as it is: its
// file, and what that ceremony's record says of it.
type Carried Sealed

// Shared is a secret that a peer sealed to a node that joined later. The content of
// the file is not known here: the node that opens it requires PublicKey's key.
type Shared struct {
	Secret    string             `json:"secret"` // "service-account"
	Node      string             `json:"node"`
	File      string             `json:"file"`   // in the ceremony directory
	SHA256    fingerprint.SHA256 `json:"sha256"` // of the sealed file
	Recipient string             `json:"recipient"`
	PublicKey []byte             `json:"publicKey"` // DER SubjectPublicKeyInfo
}

// Adopted is a certificate that no ceremony made, of a cluster that is adopted:
// that of its self-signed authority, or, in the first ceremony, one that a node had
// and keeps until the next.
type Adopted struct {
	Name        string `json:"name"` // the authority's in the plan, or a leaf's in schedules: "cp-1/apiserver"
	Certificate []byte `json:"certificate"`
}

// NodeKeys are the keys of a node that cannot make its own: made in memory and
// sealed; written after the sealed file is on disk, before any of them is certified.
type NodeKeys struct {
	Node      string             `json:"node"`
	Algorithm string             `json:"algorithm"`
	File      string             `json:"file"`   // in the ceremony directory
	SHA256    fingerprint.SHA256 `json:"sha256"` // of the sealed file
	Recipient string             `json:"recipient"`
	Keys      []NodeKey          `json:"keys"`
}

// NodeKey is one key of a node that was made in the ceremony.
type NodeKey struct {
	Name      string `json:"name"`      // the certificate's: "kubelet.conf"
	PublicKey []byte `json:"publicKey"` // DER SubjectPublicKeyInfo
}

// IssuingClosed says that no CA key signs any more. Every bundle has its line's hash.
type IssuingClosed struct {
	Certificates int        `json:"certificates"`
	Abandoned    int        `json:"abandoned"`
	Authorities  []Standing `json:"authorities,omitempty"` // that the cluster goes on with; absent in records of before there were several of a family
	Left         []string   `json:"left,omitempty"`        // nodes that the plan says have left the cluster for good
}

// Standing is an authority that a ceremony leaves a cluster with. What former
// ceremonies made and is not among them, nodes trust no more.
type Standing struct {
	Name   string `json:"name"`
	Family string `json:"family"`
	Use    string `json:"use"` // issue, or trust beside the one of its family that does
}

// SignatureIntent is on disk before the release key signs a file.
type SignatureIntent struct {
	Entry  int                `json:"entry"`
	Name   string             `json:"name"` // the entry's: "bundle cp-1"
	SHA256 fingerprint.SHA256 `json:"sha256"`
}

// Signature is the release key's signature over a file.
type Signature struct {
	Intent    int    `json:"intent"`
	Signature []byte `json:"signature"`
}

// Preflight is what was seen of the room before a token was opened.
type Preflight struct {
	Checks []RoomCheck `json:"checks"`
}

// RoomCheck is one check of the room. If it refuses the room, nothing is made until
// another Preflight passes it, or a Deviation waives it.
type RoomCheck struct {
	Name  string `json:"name"`
	Seen  string `json:"seen"`
	Wrong string `json:"wrong,omitempty"` // empty: it is as it should be
	Level string `json:"level"`           // "record", "warn" or "refuse": what the station makes of it when it is wrong
	// Files are what the check was of, where that is files: modules, and libraries
	// that they loaded. Records of before have them in Seen alone.
	Files []File `json:"files,omitempty"`
}

// File is a file of the room's machine; SHA256 is empty when it cannot be read.
type File struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256,omitempty"`
}

// Note is text people dictate.
type Note struct {
	Text string `json:"text"`
	By   string `json:"by,omitempty"`
}

// Deviation is a departure from script or policy, with who agreed to it.
type Deviation struct {
	Text   string   `json:"text"`
	By     []string `json:"by"`
	Waives string   `json:"waives,omitempty"` // name of the RoomCheck that is not heeded; By are two or more then
}

// Closed is the last line. The release key then signs the file (transcript.sig).
type Closed struct {
	Signer    fingerprint.SHA256  `json:"signer"`              // SPKI of the release key
	Successor *fingerprint.SHA256 `json:"successor,omitempty"` // of the one that follows it, announced in every bundle
}

func (Open) Type() Type            { return "open" }
func (Attendance) Type() Type      { return "attendance" }
func (Resumed) Type() Type         { return "resumed" }
func (Paused) Type() Type          { return "paused" }
func (Step) Type() Type            { return "step" }
func (Token) Type() Type           { return "token" }
func (CanaryIntent) Type() Type    { return "canary-intent" }
func (Canary) Type() Type          { return "canary" }
func (KeyIntent) Type() Type       { return "key-intent" }
func (Key) Type() Type             { return "key" }
func (KeyAbandoned) Type() Type    { return "key-abandoned" }
func (ChallengeIntent) Type() Type { return "challenge-intent" }
func (Challenge) Type() Type       { return "challenge" }
func (Intent) Type() Type          { return "intent" }
func (Issued) Type() Type          { return "issued" }
func (CSRIntent) Type() Type       { return "csr-intent" }
func (CSR) Type() Type             { return "csr" }
func (Received) Type() Type        { return "received" }
func (Abandoned) Type() Type       { return "abandoned" }
func (Sealed) Type() Type          { return "sealed" }
func (Carried) Type() Type         { return "carried" }
func (Shared) Type() Type          { return "shared" }
func (Adopted) Type() Type         { return "adopted" }
func (NodeKeys) Type() Type        { return "node-keys" }
func (IssuingClosed) Type() Type   { return "issuing-closed" }
func (SignatureIntent) Type() Type { return "signature-intent" }
func (Signature) Type() Type       { return "signature" }
func (Preflight) Type() Type       { return "preflight" }
func (Note) Type() Type            { return "note" }
func (Deviation) Type() Type       { return "deviation" }
func (Closed) Type() Type          { return "closed" }
