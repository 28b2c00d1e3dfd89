package bundle

import (
	"crypto"
	"errors"
	"time"

	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
)

var errLater = errors.New("not written yet")

// Build makes a node's bundle, all but its signature. A zero h.NotAfter becomes
// the time at which the first certificate in it expires.
func Build(h Header, p Parts) (*Bundle, error) { return nil, errLater }

// WriteDir writes the bundle as directory dir; SHA256SUMS.sig comes last.
// Files that are there with the same content stay; others are never overwritten.
func (b *Bundle) WriteDir(d *durable.Disk, dir string) error { return errLater }

// WriteTar writes the bundle as one file.
func (b *Bundle) WriteTar(d *durable.Disk, path string) error { return errLater }

// Tar renders the bundle as a deterministic archive.
func (b *Bundle) Tar() ([]byte, error) { return nil, errLater }

// Open reads a bundle, a directory or a tar, and checks it against its SHA256SUMS.
func Open(path string) (*Bundle, error) { return nil, errLater }

// CheckSignature checks SHA256SUMS.sig with the release key.
func (b *Bundle) CheckSignature(release crypto.PublicKey) error { return errLater }

// Facts reads officiant/node.json.
func (b *Bundle) Facts() (*Facts, error) { return nil, errLater }

// Finding is one thing that is not as it must be.
type Finding struct {
	File    string `json:"file"`
	Problem string `json:"problem"`
}

// CheckOptions says what a bundle is held against.
type CheckOptions struct {
	Now      time.Time                   // zero: validity periods are not judged
	Root     *fingerprint.SHA256         // SHA-256 of the DER root certificate; nil when not pinned
	ValidFor time.Duration               // everything must be valid this much longer
	Keys     map[string]crypto.PublicKey // the node's own keys, by Leaf.Name; nil in the room
}

// Check holds the bundle against what kubepki expects of its node.
func (b *Bundle) Check(o CheckOptions) []Finding { return []Finding{{Problem: errLater.Error()}} }

// ParseReleaseKey reads a PEM public key: ECDSA P-256, or RSA of 2048 bits or more.
func ParseReleaseKey(file string, pemData []byte) (crypto.PublicKey, error) { return nil, errLater }
