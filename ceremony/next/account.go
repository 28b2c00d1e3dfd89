package next

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
	"officiant/ceremony/transcript"
	"officiant/signer"
)

// SharedSuffix ends the name of the file that `officiant-node share` makes for a
// node; it lies beside the node's request.
const SharedSuffix = ".sa.key.age"

// serviceAccount carries the sealed pair over from the newest ceremony that had
// it, and refuses a control-plane node that could not open it.
func (c Chain) serviceAccount(p *plan.NewOptions, in *inputs, nodes []requester) error {
	if !slices.ContainsFunc(nodes, requester.controlPlane) {
		return nil
	}
	for _, l := range c.all {
		if l.Accounts != nil {
			return l.serviceAccount(p, in, nodes, c)
		}
	}
	if err := c.Whole(); err != nil {
		return &Refused{
			Err:   fmt.Errorf("none of these ceremonies says anything of the service-account key; an earlier one may: %w", err),
			Hints: plainly(allOfThem),
		}
	}
	// No control-plane node before: this ceremony makes the cluster's first pair.
	p.ServiceAccount.Create = signer.ECDSAP256
	return nil
}

// serviceAccount carries the sealed pairs over, and refuses a control-plane node
// that could not open the one in use.
func (l *Previous) serviceAccount(p *plan.NewOptions, in *inputs, nodes []requester, chain Chain) error {
	keys := l.Accounts
	if err := chain.opens(in, nodes, keys.InUse); err != nil {
		return err
	}
	sa := &p.ServiceAccount
	var err error
	if sa.Sealed, sa.Public, err = l.pair(in, keys.InUse, "sa"); err != nil {
		return err
	}
	if keys.Next != nil {
		if sa.Next.Sealed, sa.Next.Public, err = l.pair(in, *keys.Next, "sa.next"); err != nil {
			return err
		}
	}
	for i, der := range keys.InUse.Former {
		file := fmt.Sprintf("%s/sa.former-%d.pub", l.prefix, i+1)
		if err := in.add(file, publicPEM(der)); err != nil {
			return err
		}
		sa.Former = append(sa.Former, file)
	}
	return nil
}

// pair copies a pair's two files, as NAME.key.age and NAME.pub.
func (l *Previous) pair(in *inputs, s transcript.Sealed, name string) (sealed, public string, err error) {
	file := filepath.Join(l.Dir, filepath.FromSlash(s.File))
	data, err := fs.ReadFile(l.folder, s.File)
	if err != nil {
		return "", "", fmt.Errorf("%s: %w", l.Dir, err)
	}
	if got := fingerprint.Of(data); got != s.SHA256 {
		return "", "", fmt.Errorf("%s: SHA-256 %s, the record says %s", file, got, s.SHA256)
	}
	sealed, public = l.prefix+"/"+name+".key.age", l.prefix+"/"+name+".pub"
	return sealed, public, errors.Join(in.add(sealed, data), in.add(public, publicPEM(s.PublicKey)))
}

// opens finds for each control-plane node a sealed file that it can open: the
// cluster's own, or one of a peer.
func (c Chain) opens(in *inputs, nodes []requester, pair transcript.Sealed) error {
	for i := range nodes {
		n := &nodes[i]
		if !slices.Contains(n.node.Roles, kubepki.ControlPlane) || slices.Contains(pair.Recipients, n.recipient()) {
			n.node.Sealed = "" // it opens the cluster's own file
			continue
		}
		if err := c.shared(in, n, pair.PublicKey); err != nil {
			return err
		}
	}
	return nil
}

// shared finds the file a peer sealed to n: in the folder of requests, or among
// those a previous ceremony passed on: of the pair with that public key.
func (c Chain) shared(in *inputs, n *requester, public []byte) error {
	if n.node.Sealed != "" {
		return nil // it lies beside its request
	}
	for _, l := range c.all {
		for _, s := range l.Shared {
			if s.Node != n.node.Name || s.Recipient != n.recipient() || !bytes.Equal(s.PublicKey, public) {
				continue
			}
			n.node.Sealed = fmt.Sprintf("%s/%s%s", l.prefix, s.Node, SharedSuffix)
			return in.add(n.node.Sealed, l.plan.Inputs[s.File])
		}
	}
	return &Refused{
		Err: fmt.Errorf(
			"node %s cannot open the sealed service-account key of %s: its recipient %s is not among those it was sealed to",
			n.node.Name,
			c.last().Dir,
			fingerprint.Recipient(n.recipient()),
		),
		Hints: append(plainly("a node that kept its identity sends the same recipient: officiant-node request"),
			Hint{Way: ShareJoining, Of: []string{filepath.Base(n.node.Request), n.node.Name + SharedSuffix}}),
	}
}
