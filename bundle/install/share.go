package install

import (
	"errors"
	"fmt"

	"officiant/bundle/kubepki"
	"officiant/bundle/privatekey"
	"officiant/bundle/seal"
)

// ErrNotShared says that this node has no service-account key to share.
var ErrNotShared = errors.New("this node has no service-account key")

// Share seals the node's service-account key to another node's recipient. It
// shares only the key that belongs to the installed bundle's sa.pub. Nothing on
// the node changes.
func (n *Node) Share(recipient string) (sealed []byte, err error) {
	b, err := n.record().installed()
	if err != nil {
		return nil, err
	}
	if b == nil {
		return nil, fmt.Errorf("%w: no bundle is installed below %s", ErrNotShared, n.Root)
	}
	below := n.below()
	files, err := filesOf(b)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if f.Kind != kubepki.ServiceAccountKey {
			continue
		}
		path := kubernetesDir + "/" + f.Path
		now, err := below.read(path)
		if err != nil {
			return nil, err
		}
		if now == nil {
			return nil, fmt.Errorf("%w: %s is missing", ErrNotShared, below.at(path))
		}
		defer clear(now.data)
		key, err := privatekey.Parse(now.data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", below.at(path), err)
		}
		public, err := b.ServiceAccountPublic()
		if err != nil {
			return nil, err
		}
		if !sameKey(key.Public(), public) {
			return nil, refusedf(nameOf(b), path, "does not belong to sa.pub; it is not shared")
		}
		return seal.Seal([]string{recipient}, now.data)
	}
	return nil, fmt.Errorf("%w: node %s is no control-plane node", ErrNotShared, b.Node)
}
