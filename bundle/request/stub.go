package request

import (
	"errors"
	"io"
	"io/fs"
	"time"

	"officiant/bundle/kubepki"
)

var errLater = errors.New("not written yet")

// Parse reads a request file and checks all that can be checked without a plan.
// Its error is a *Refusal.
func Parse(file string, data []byte) (*Opened, error) { return nil, errLater }

// Make makes a request file: a CSR for each leaf, made and signed with the
// node's key of that name.
func Make(cluster kubepki.Cluster, node kubepki.Node, leaves []kubepki.Leaf, keys Keys, recipient string, created time.Time, rand io.Reader) ([]byte, error) {
	return nil, errLater
}

// Pack makes a request file of CSRs that exist, in PEM by Leaf.Name.
func Pack(cluster kubepki.Cluster, node kubepki.Node, csrs map[string][]byte, keys Keys, recipient string, created time.Time, rand io.Reader) ([]byte, error) {
	return nil, errLater
}

// Folder is what a `kubeadm certs generate-csr` folder holds for one node.
type Folder struct {
	Keys Keys
	CSRs map[string][]byte // PEM, by Leaf.Name
}

// FromCSRDir reads the CSRs and keys of these leaves.
func FromCSRDir(dir fs.FS, leaves []kubepki.Leaf) (*Folder, error) { return nil, errLater }
