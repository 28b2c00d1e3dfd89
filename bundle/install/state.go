package install

import (
	"crypto"
	"path/filepath"

	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
)

// StateDir is where a node keeps what it needs between request and install, below the root.
const StateDir = "var/lib/officiant-node"

// State is a node's own directory: its age identity, its keys, its pins. Mode 0700.
type State struct {
	dir  string
	disk *durable.Disk
}

// OpenState names the state directory below root; nothing is read or made yet.
func OpenState(root string, disk *durable.Disk) *State {
	return &State{dir: filepath.Join(root, filepath.FromSlash(StateDir)), disk: disk}
}

// Dir is the path of the directory.
func (s *State) Dir() string { return s.dir }

// Init makes the directory with mode 0700 if it is not there.
func (s *State) Init() error { return errLater }

// WriteIdentity stores the age identity (identity.txt, 0600) and its recipient; it never overwrites.
func (s *State) WriteIdentity(identity, recipient string) error { return errLater }

// Identity reads the age identity; fs.ErrNotExist when there is none.
func (s *State) Identity() (string, error) { return "", errLater }

// Recipient reads recipient.txt.
func (s *State) Recipient() (string, error) { return "", errLater }

// WriteKey stores a private key as keys/NAME.key, PKCS#8 PEM, mode 0600; it never overwrites.
// name is a Leaf.Name ("apiserver", "etcd/server", "admin.conf").
func (s *State) WriteKey(name string, key crypto.Signer) error { return errLater }

// Key reads keys/NAME.key; fs.ErrNotExist when there is none.
func (s *State) Key(name string) (crypto.Signer, error) { return nil, errLater }

// WriteRequest keeps the request as it was sent, NODE.req.
func (s *State) WriteRequest(node string, req []byte) error { return errLater }

// Request reads NODE.req back.
func (s *State) Request(node string) ([]byte, error) { return nil, errLater }

// Pins is pins.json: what the node's first install pinned, and the newest bundle it saw.
type Pins struct {
	APIVersion      string             `json:"apiVersion"` // officiant/v1
	Kind            string             `json:"kind"`       // NodePins
	Cluster         string             `json:"cluster"`
	Node            string             `json:"node"`
	Root            fingerprint.SHA256 `json:"rootSHA256"`      // of the DER root certificate
	Release         fingerprint.SHA256 `json:"releaseSPKI"`     // of the release key
	HighestSequence int                `json:"highestSequence"` // rollback does not lower it
	HighestBundle   fingerprint.SHA256 `json:"highestBundle"`   // SHA-256 of its SHA256SUMS
}

// Pins reads pins.json; nil without error when nothing was installed yet.
func (s *State) Pins() (*Pins, error) { return nil, errLater }
