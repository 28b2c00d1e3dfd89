package journal

import (
	"fmt"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/chain"
)

// Format is what the open line's format says.
const Format = "officiant-journal/v1"

// Open is the first line.
type Open struct {
	Format    string `json:"format"`
	Cluster   string `json:"cluster"`
	PublicKey []byte `json:"publicKey"` // DER SubjectPublicKeyInfo of the journal key
	Program   string `json:"program"`   // its version
}

// Resumed is the first line that a later process writes.
type Resumed struct {
	Head    fingerprint.SHA256  `json:"head"`          // of what was found
	Cut     *fingerprint.SHA256 `json:"cut,omitempty"` // SHA-256 of an unterminated last line that was cut off
	Program string              `json:"program"`
}

// Grant names the grant that holds from here on.
type Grant struct {
	Sequence int                `json:"sequence"`
	SHA256   fingerprint.SHA256 `json:"sha256"` // of the file
}

// Intent is on disk before an authority's key signs.
type Intent struct {
	Authority  string             `json:"authority"`  // its key's name
	SignerName string             `json:"signerName"` // of the CertificateSigningRequest API
	Subject    string             `json:"subject"`    // "node worker-1", "user ann"
	Requester  string             `json:"requester"`
	Bootstrap  bool               `json:"bootstrap,omitempty"` // the requester had its one certificate for the subject
	Content    fingerprint.SHA256 `json:"content"`             // of what was asked for
	SPKI       fingerprint.SHA256 `json:"spki"`
	TBS        []byte             `json:"tbs"` // the whole DER TBSCertificate
}

// Issued holds the certificate of an intent.
type Issued struct {
	Intent      int    `json:"intent"` // seq
	Certificate []byte `json:"certificate"`
}

// Abandoned closes an intent whose result is not known.
type Abandoned struct {
	Intent int    `json:"intent"` // seq
	Reason string `json:"reason"`
}

// Head is the journal key's word for the line before, and all before that.
type Head struct {
	Seq       int                `json:"seq"`
	Head      fingerprint.SHA256 `json:"head"`
	Signature []byte             `json:"signature"`
}

func (Open) Type() chain.Type      { return "open" }
func (Resumed) Type() chain.Type   { return "resumed" }
func (Grant) Type() chain.Type     { return "grant" }
func (Intent) Type() chain.Type    { return "intent" }
func (Issued) Type() chain.Type    { return "issued" }
func (Abandoned) Type() chain.Type { return "abandoned" }
func (Head) Type() chain.Type      { return "head" }

// Records are those of a journal, by type.
var Records = chain.Of(Open{}, Resumed{}, Grant{}, Intent{}, Issued{}, Abandoned{}, Head{})

// Statement is what the journal key signs of a line.
func Statement(cluster string, seq int, head fingerprint.SHA256) fingerprint.SHA256 {
	return fingerprint.Of(fmt.Appendf(nil, "officiant journal head v1\n%s\n%d\n%s\n", cluster, seq, head))
}
