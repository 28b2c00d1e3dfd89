package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"officiant/bundle/kubepki"
	"officiant/bundle/request"
	"officiant/ceremony/plan"
	"officiant/cmd/internal/exit"
	"officiant/signer"
)

// formerSuffix ends the name of an authority that kubeadm made.
const formerSuffix = "-former"

func newAdoptCommand(o *options) *cobra.Command {
	n := &newOptions{options: o, adopt: true}
	c := &cobra.Command{
		Use:   "adopt --kubeadm FILE --requests DIR --out plan.yaml",
		Short: "Write the plan that brings in a running cluster, whose CA keys are on disk",
		Long: `Write the plan of the first ceremony of a cluster that runs already: one that kubeadm
made, with the keys of its authorities on its control-plane nodes. The plan makes a new
root and new authorities in tokens. Nodes keep their certificates for now, and learn to
trust the new authorities beside the old ones. The two stages after it are those of
every rollover:

  officiant ceremony rollover DIR --authority all --stage issue …
  officiant ceremony rollover DIR… --authority all --stage drop …

Each node's request is made on it by "officiant-node request --adopt". All nodes of the
cluster have to send one, since each has to trust the same. What the plan names is put
below its folder: the certificates of the old authorities, and the service-account key
as each control-plane node sealed it to itself.

No CA key is imported. One that lay on a disk has been where it can be copied, and
nothing makes that unhappen: that is why the cluster moves over to keys made in tokens.`,
		Args: exit.ExactArgs(0, "no arguments, only flags"),
		RunE: func(*cobra.Command, []string) error { return n.run() },
	}
	f := c.Flags()
	n.flags(c)
	f.StringVar(&n.knownHosts, "known-hosts", "", "OpenSSH `FILE` that says which SSH host key is whose; nodes that signed with theirs need no fingerprint")
	return c
}

// holdsSeveral refuses a release whose kubeadm takes no kubeconfig of two
// authorities, which every node has until the last stage.
func holdsSeveral(version string) error {
	v, err := kubepki.ParseVersion(version)
	if err != nil || kubepki.SeveralInKubeconfig(v) {
		return nil // none is said where the plan is checked
	}
	return &exit.Error{Code: exit.Refused,
		Err: fmt.Errorf("the cluster is of Kubernetes %s, whose kubeadm takes a kubeconfig with exactly one authority in it; "+
			"until the last stage kubeconfigs hold two", v),
		Hints: []string{"upgrade the cluster to v1.31.0 or later first, then make the requests and this plan anew"}}
}

// bringIn puts the nodes' old authorities into the plan, each with its successor,
// and the service-account key as the nodes sealed it.
func (o *newOptions) bringIn(p *plan.NewOptions, in *inputs, nodes []sender) error {
	for i := range nodes {
		if nodes[i].request.Adoption == nil {
			return &exit.Error{Code: exit.Refused,
				Err:   fmt.Errorf("%s: does not bring along what node %s has", nodes[i].node.Request, nodes[i].node.Name),
				Hints: []string{"on the node: officiant-node request --adopt …", "for a node that is not part of the cluster yet: bring the cluster in first, then let it join"}}
		}
	}
	for _, spec := range kubepki.Authorities(kubepki.Cluster{}) {
		former, err := formerOf(nodes, spec.Authority)
		if err != nil {
			return err
		}
		if former == nil {
			continue
		}
		name := string(spec.Authority)
		path := "adopted/" + name + ".crt"
		if err := in.add(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: former.Raw})); err != nil {
			return err
		}
		p.Authorities = append(p.Authorities,
			plan.Authority{Name: name + formerSuffix, Family: spec.Authority, Adopted: true, Certificate: path},
			plan.Authority{Name: name, Family: spec.Authority, Use: plan.Trust, Key: plan.Key{Create: signer.ECDSAP256},
				Validity: plan.Duration(10 * 365 * 24 * time.Hour), Evidence: signer.Grade(o.grade)})
	}
	return adoptedAccount(p, in, nodes)
}

// formerOf is the authority of a family that the nodes trust now; nil when none
// has a trust file of it. They have to trust the same.
func formerOf(nodes []sender, family kubepki.Authority) (*x509.Certificate, error) {
	var former *x509.Certificate
	from := ""
	for _, n := range nodes {
		c := n.request.Adoption.Authorities[family]
		switch {
		case c == nil:
		case former == nil:
			former, from = c, n.node.Name
		case !former.Equal(c):
			return nil, &exit.Error{Code: exit.Refused,
				Err: fmt.Errorf("nodes %s and %s trust different %s authorities: %s (serial number %x) and %s (%x)", from, n.node.Name, family,
					exit.Plain(former.Subject.String()), former.SerialNumber, exit.Plain(c.Subject.String()), c.SerialNumber),
				Hints: []string{"a node that is of another cluster, or was missed by an earlier change, has to be put right first"}}
		}
	}
	return former, nil
}

// adoptedAccount puts the service-account key into the plan as its nodes sealed
// it to themselves: the first one's as the plan's, each other's as its own.
func adoptedAccount(p *plan.NewOptions, in *inputs, nodes []sender) error {
	var first *request.Adoption
	for i := range nodes {
		n := &nodes[i]
		if !slices.Contains(n.node.Roles, kubepki.ControlPlane) {
			continue
		}
		a := n.request.Adoption
		path := "adopted/" + n.node.Name + sharedSuffix
		if err := in.add(path, a.AccountSealed); err != nil {
			return err
		}
		n.node.Sealed = path
		if first != nil {
			if string(first.AccountPublic) != string(a.AccountPublic) {
				return &exit.Error{Code: exit.Refused, Err: fmt.Errorf("node %s has another service-account key than %s: tokens one of them signs, the other refuses", n.node.Name, nodes[0].node.Name)}
			}
			continue
		}
		first, n.node.Sealed = a, ""
		p.ServiceAccount = plan.ServiceAccount{Sealed: path, Public: "adopted/sa.pub"}
		if err := in.add(p.ServiceAccount.Public, a.AccountPublic); err != nil {
			return err
		}
	}
	return nil
}

// newSignerImportCommand is for those who look for it.
func newSignerImportCommand() *cobra.Command {
	return &cobra.Command{
		Use: "import FILE", Hidden: true, DisableFlagParsing: true,
		Short: "Refused: no CA key is imported into a token",
		RunE: func(_ *cobra.Command, args []string) error {
			return refuseImport("signer import " + strings.Join(args, " "))
		},
	}
}

// refuseImport tells those who would bring a CA key into a token why there is no
// way to do it, and what there is in its place.
func refuseImport(what string) error {
	return &exit.Error{Code: exit.Refused,
		Err: fmt.Errorf("%s: no CA key is imported into a token. One that lay on a disk, in a backup or in a file has been where it can be copied, "+
			"and nothing makes that unhappen; the token would only make it look as if it had never left", strings.TrimSpace(what)),
		Hints: []string{
			"bring the cluster in: new keys are made in the token, and the cluster moves over to them while it runs",
			"on each node: officiant-node request --adopt …; then: officiant ceremony adopt (docs/adoption.md)"}}
}
