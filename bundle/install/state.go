package install

import (
	"bytes"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
	"officiant/bundle/privatekey"
	"officiant/bundle/seal"
	"officiant/bundle/tree"
)

// StateDir is where a node keeps what it needs between request and install, below the root.
const StateDir = "var/lib/officiant-node"

// Files of the state directory.
const (
	rolledBackFile = "previous/rolled-back.tar"
	identityFile   = "identity.txt"
	recipientFile  = "recipient.txt"
	keysDir        = "keys"
	pinsFile       = "pins.json"
	installedFile  = "installed.tar"
	originsFile    = "origins.json"
	previousFile   = "previous/tree.tar"
	journalFile    = "journal.json"
)

const (
	secretMode fs.FileMode = 0o600
	stateMode  fs.FileMode = 0o700
	apiVersion             = "officiant/v1"
)

// State is a node's own directory: its age identity, its keys, its pins. Mode 0700.
type State struct {
	dir   string
	disk  *durable.Disk
	files *tree.Root
}

// OpenState names the state directory below root; nothing is read or made yet.
func OpenState(root string, disk *durable.Disk) *State {
	return stateBelow(root, disk, tree.At(root))
}

func stateBelow(root string, disk *durable.Disk, files *tree.Root) *State {
	return &State{dir: filepath.Join(root, filepath.FromSlash(StateDir)), disk: disk.In(files), files: files}
}

// Dir is the path of the directory.
func (s *State) Dir() string { return s.dir }

func (s *State) path(name string) string { return filepath.Join(s.dir, filepath.FromSlash(name)) }

// Absent says that there is no such directory.
func (s *State) Absent() bool {
	_, err := s.files.Lstat(s.dir)
	return errors.Is(err, fs.ErrNotExist)
}

// Init makes the directory with mode 0700 if it is not there. The folders above
// it that are missing get 0755.
func (s *State) Init() error {
	if err := s.disk.MkdirAll(filepath.Dir(s.dir), 0o755); err != nil {
		return fmt.Errorf("node state: %w", err)
	}
	if err := s.disk.MkdirAll(s.dir, stateMode); err != nil {
		return fmt.Errorf("node state: %w", err)
	}
	return nil
}

func (s *State) write(name string, data []byte) error {
	at := s.path(name)
	if err := s.disk.MkdirAll(filepath.Dir(at), stateMode); err != nil {
		return fmt.Errorf("node state: %w", err)
	}
	if err := s.disk.Create(at, data, secretMode); err != nil {
		return fmt.Errorf("node state: %w", err)
	}
	return nil
}

// WriteIdentity stores the age identity and its recipient; it never overwrites
// an identity. identity.txt has the form of age-keygen's files and names the
// recipient too, so that the two cannot part when the process is killed;
// recipient.txt repeats it for people.
func (s *State) WriteIdentity(identity, recipient string) error {
	text := []byte(recipientComment + recipient + "\n" + identity + "\n")
	defer clear(text)
	if err := s.write(identityFile, text); err != nil {
		return err
	}
	if err := s.disk.Replace(s.path(recipientFile), []byte(recipient+"\n"), secretMode); err != nil {
		return fmt.Errorf("node state: %w", err)
	}
	return nil
}

const (
	recipientComment = "# public key: "
	sshKeyPrefix     = "ssh-key: "
)

// WriteSSHIdentity makes the SSH private key at a path, such as a host key, the
// node's identity; the key itself stays where it is.
func (s *State) WriteSSHIdentity(keyFile, recipient string) error {
	if err := s.write(identityFile, []byte(recipientComment+recipient+"\n"+sshKeyPrefix+keyFile+"\n")); err != nil {
		return err
	}
	if err := s.disk.Replace(s.path(recipientFile), []byte(recipient+"\n"), secretMode); err != nil {
		return fmt.Errorf("node state: %w", err)
	}
	return nil
}

// Identity reads the age identity; fs.ErrNotExist when there is none.
func (s *State) Identity() (string, error) {
	identity, _, err := s.identity()
	return identity, err
}

// Recipient reads the recipient the identity opens for; fs.ErrNotExist when there is none.
func (s *State) Recipient() (string, error) {
	_, recipient, err := s.identity()
	return recipient, err
}

func (s *State) identity() (identity, recipient string, err error) {
	data, err := s.files.ReadFile(s.path(identityFile))
	if err != nil {
		return "", "", fmt.Errorf("node state: %w", err)
	}
	defer clear(data)
	for line := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), recipientComment); ok {
			recipient = value
		}
	}
	if identity, err = seal.IdentityIn(string(data)); err != nil {
		return "", "", fmt.Errorf("%s %w", s.path(identityFile), err) // it repeats nothing of it
	}
	if identity == "" {
		return "", "", fmt.Errorf("%s holds no identity", s.path(identityFile))
	}
	if keyFile, ok := strings.CutPrefix(identity, sshKeyPrefix); ok {
		key, err := os.ReadFile(keyFile)
		if err != nil {
			return "", "", fmt.Errorf(
				"the SSH key that %s names: %v",
				s.path(identityFile),
				err,
			) // its absence is not the identity's
		}
		identity = string(key)
	}
	return identity, recipient, nil
}

// WriteKey stores a private key as keys/NAME.key, PKCS #8 PEM, mode 0600; it
// never overwrites. name is a Leaf.Name ("apiserver", "etcd/server", "admin.conf").
func (s *State) WriteKey(name string, key crypto.Signer) error {
	if err := plainKeyName(name); err != nil {
		return err
	}
	data, err := privatekey.PEM(key)
	if err != nil {
		return fmt.Errorf("key %s: %w", name, err)
	}
	defer clear(data)
	return s.write(keyName(name), data)
}

// plainKeyName refuses names that would lead out of keys/.
func plainKeyName(name string) error {
	if name == "." || !fs.ValidPath(name) {
		return fmt.Errorf("node state: %q is no name of a key", name)
	}
	return nil
}

func keyName(name string) string { return path.Join(keysDir, name) + ".key" }

// Key reads keys/NAME.key; fs.ErrNotExist when there is none.
func (s *State) Key(name string) (crypto.Signer, error) {
	if err := plainKeyName(name); err != nil {
		return nil, err
	}
	return readKey(s.files, s.path(keyName(name)), privatekey.Parse)
}

// mostAside is more often than a node gets new keys.
const mostAside = 1000

// SetKeysAside moves keys/ to keys-1/, or the next that is free, so that new ones are
// made; empty when there were none. The former ones stay for what is in use by them.
func (s *State) SetKeysAside() (to string, err error) {
	if _, err := s.files.Lstat(s.path(keysDir)); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	for n := 1; n <= mostAside; n++ {
		to = s.path(fmt.Sprintf("%s-%d", keysDir, n))
		if _, err := s.files.Lstat(to); errors.Is(err, fs.ErrNotExist) {
			if err := s.disk.RenameNoReplace(s.path(keysDir), to); err != nil {
				return "", fmt.Errorf("node state: %w", err)
			}
			return to, s.disk.SyncDirs([]string{s.dir})
		}
	}
	return "", fmt.Errorf("node state: %s has %d folders of former keys; take away what nothing uses", s.dir, mostAside)
}

// readKey reads a key's file with parse, which is stricter for our own than for others'.
func readKey(files *tree.Root, at string, parse func([]byte) (crypto.Signer, error)) (crypto.Signer, error) {
	data, err := files.ReadFile(at)
	if err != nil {
		return nil, err
	}
	defer clear(data)
	key, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	return key, nil
}

func sameKey(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

// WriteRequest keeps the request as it was sent, NODE.req; it never overwrites.
func (s *State) WriteRequest(node string, req []byte) error { return s.write(node+".req", req) }

// Request reads NODE.req back; fs.ErrNotExist when there is none.
func (s *State) Request(node string) ([]byte, error) {
	data, err := s.files.ReadFile(s.path(node + ".req"))
	if err != nil {
		return nil, fmt.Errorf("node state: %w", err)
	}
	return data, nil
}

// asked lists the nodes this machine has made a request for.
func (s *State) asked() ([]string, error) {
	entries, err := s.files.ReadDir(s.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("node state: %w", err)
	}
	var found []string
	for _, e := range entries {
		if node, ok := strings.CutSuffix(e.Name(), ".req"); ok {
			found = append(found, node)
		}
	}
	return found, nil
}

// Keep writes a document of another package into the directory, and replaces one of that
// name.
func (s *State) Keep(name string, v any) error {
	data, err := document(v)
	if err != nil {
		return err
	}
	if err := s.disk.Replace(s.path(name), data, secretMode); err != nil {
		return fmt.Errorf("node state: %w", err)
	}
	return nil
}

// Kept reads what Keep wrote, strictly; fs.ErrNotExist when there is none, a *Damaged
// with wayOn when it is not that.
func (s *State) Kept(name string, into any, wayOn string) error {
	data, err := s.files.ReadFile(s.path(name))
	if err != nil {
		return fmt.Errorf("node state: %w", err)
	}
	if err := strict(data, into); err != nil {
		return &Damaged{s.path(name), err, wayOn}
	}
	return nil
}

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

const pinsKind = "NodePins"

// Pins reads pins.json; nil without error when nothing was installed yet.
func (s *State) Pins() (*Pins, error) {
	var p Pins
	if err := s.document(pinsFile, &p); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, err
	}
	if p.APIVersion != apiVersion || p.Kind != pinsKind || p.HighestSequence < 1 {
		return nil, &Damaged{s.path(pinsFile), fmt.Errorf("is not %s %s", apiVersion, pinsKind), wayOn[pinsFile]}
	}
	return &p, nil
}

// document reads a JSON file of the state directory, strictly.
func (s *State) document(name string, into any) error {
	data, err := s.files.ReadFile(s.path(name))
	if err != nil {
		return fmt.Errorf("node state: %w", err)
	}
	if err := strict(data, into); err != nil {
		return &Damaged{s.path(name), err, wayOn[name]}
	}
	return nil
}

func strict(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if d.More() {
		return errors.New("text after the document")
	}
	return nil
}

func document(v any) ([]byte, error) {
	data, err := json.MarshalIndent(v, "", "  ")
	return append(data, '\n'), err
}
