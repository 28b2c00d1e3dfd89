package main

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"officiant/bundle/fingerprint"
	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
	"officiant/cmd/internal/exit"
	"officiant/signer"
)

type recoverOptions struct {
	newOptions
	station  string
	finalTry string
	from     []string
	status   string
	reason   string
}

func newRecoverCommand(o *options) *cobra.Command {
	r := &recoverOptions{newOptions: newOptions{options: o}}
	c := &cobra.Command{
		Use:   "recover --station STATION --kubeadm FILE --requests DIR --from PATH --status DIR --reason TEXT --out plan.yaml",
		Short: "Write the plan that begins a cluster's chain anew, when its records are lost",
		Long: `Write the plan that begins a cluster's chain anew: its keys are in the station's tokens,
and the directories of its ceremonies are gone. Keys are found by their labels,
CLUSTER/NAME, and each is held against the certificates that are left: --from takes
certificate files and folders, such as /etc/kubernetes of a control-plane node, bundles
and authorities/ of a ceremony. What nodes say of themselves (officiant-node status -o
json) tells the highest sequence they have seen, the root they pinned, and the release
key. It is printed what is found, and what nobody can know any more.

The plan opens a chain that says that it begins anew, and why. Every node sends a new
request, and gets all its certificates. The service-account pair is made anew, too: tokens
signed so far end when the bundles are installed. Tokens are opened, so a PIN is asked
for as in a ceremony; nothing is signed and nothing is made in them.`,
		Args: exit.ExactArgs(0, "no arguments, only flags"),
		RunE: func(c *cobra.Command, _ []string) error { return r.run(c.Context()) },
	}
	f := c.Flags()
	r.flags(c)
	f.StringVar(&r.station, "station", "", "station `FILE` that says where the keys are (required)")
	f.StringArrayVar(&r.from, "from", nil, "`PATH` of certificates that are left: a file, or a folder with all below it (required; may be given again)")
	f.StringVar(&r.status, "status", "", "`DIR` of what nodes say of themselves, *.json (required)")
	f.StringVar(&r.reason, "reason", "", "what happened to the records, for the new one: one line of `TEXT` (required)")
	finalTryFlag(c, &r.finalTry)
	return c
}

func (o *recoverOptions) run(ctx context.Context) error {
	if o.station == "" || len(o.from) == 0 || o.status == "" || o.reason == "" {
		return exit.Usagef("this needs --station FILE, --from PATH, --status DIR and --reason TEXT, besides --kubeadm FILE, --requests DIR and --out FILE")
	}
	if err := plan.CheckLostReason(o.reason); err != nil {
		return exit.Usagef("--reason: %v", err)
	}
	if err := o.check(); err != nil {
		return err
	}
	in := &inputs{folder: filepath.Dir(o.out)}
	data, config, err := clusterConfig(o.kubeadm)
	if err != nil {
		return err
	}
	p := plan.NewOptions{Cluster: plan.Cluster{Name: o.cluster, Naming: kubepki.Naming(o.naming)}, Evidence: signer.Grade(o.grade), OnlyThese: true}
	if p.Cluster.Kubeadm, err = in.place(o.kubeadm, data, "kubeadm.yaml"); err != nil {
		return err
	}
	cluster := kubepki.Cluster{Name: o.cluster}
	if cluster.Name == "" {
		cluster.Name = config.ClusterName
	}
	left := remains{cluster: cluster.Complete().Name}
	nodes, err := o.nodes(in)
	if err != nil {
		return err
	}
	if nodes, err = o.listed(nodes); err != nil {
		return err
	}
	if err := left.seen(o.status); err != nil {
		return err
	}
	if err := left.certificatesIn(o.from); err != nil {
		return err
	}
	if err := left.keysOf(ctx, o); err != nil {
		return err
	}
	if err := left.write(o.Stdout); err != nil {
		return err
	}
	fmt.Fprint(o.Stderr, left.unknown())
	if err := left.plan(&p, in); err != nil {
		return err
	}
	p.Lost = &plan.Lost{Sequence: left.sequence, Reason: o.reason}
	if p.Name = o.name; p.Name == "" {
		p.Name = planName(left.cluster, left.sequence+1)
	}
	return o.save(p, in, nodes)
}

// plan puts what is found into the plan, or says why it is not enough.
func (r *remains) plan(p *plan.NewOptions, in *inputs) error {
	root, err := r.pinnedRoot()
	if err != nil {
		return err
	}
	for _, family := range []kubepki.Authority{kubepki.Root, kubepki.KubernetesAuthority, kubepki.EtcdAuthority, kubepki.FrontProxyAuthority} {
		a := plan.Authority{Name: string(family), Family: family}
		certificate := root
		if family != kubepki.Root {
			key, err := r.only(family)
			if err != nil {
				return err
			}
			if certificate = key.certificate; certificate.cert.CheckSignatureFrom(root.cert) != nil {
				return refuse("authority %s: its certificate in %s is not by the root that nodes pinned, in %s", key.name, exit.Line(certificate.file), exit.Line(root.file))
			}
			a.Name, a.Key.Existing, a.Evidence = key.name, key.spki, p.Evidence
		}
		a.Certificate = "recovered/" + a.Name + ".crt"
		if err := in.add(a.Certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.cert.Raw})); err != nil {
			return err
		}
		p.Authorities = append(p.Authorities, a)
	}
	release, err := r.pinnedRelease()
	if err != nil {
		return err
	}
	p.Release = plan.Release{Name: release.name, Key: plan.Key{Existing: release.spki}, Public: "recovered/" + release.name + ".pub", Evidence: p.Evidence}
	p.ServiceAccount.Create = signer.ECDSAP256
	der, err := x509.MarshalPKIXPublicKey(release.public)
	if err != nil {
		return err
	}
	return in.add(p.Release.Public, publicPEM(der))
}

// pinnedRoot is the certificate of the root that the nodes pinned.
func (r *remains) pinnedRoot() (*leftCertificate, error) {
	for _, c := range r.certificates {
		if fingerprint.Of(c.cert.Raw) == r.root {
			return c, nil
		}
	}
	return nil, &exit.Error{Code: exit.Refused,
		Err:   fmt.Errorf("the certificate of the root that nodes pinned, SHA-256 %s, is in none of the places given", r.root),
		Hints: []string{"a control-plane node has it in etc/kubernetes/pki/server-ca.crt; add the folder: --from"}}
}

// only is the key of a family that has a certificate; with several there was a
// rollover under way, and nothing here tells which one issues.
func (r *remains) only(family kubepki.Authority) (*leftKey, error) {
	var bare []string
	var found []*leftKey
	for _, k := range r.keys {
		switch {
		case !k.of(string(family)):
		case k.certificate == nil:
			bare = append(bare, k.name)
		default:
			found = append(found, k)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return nil, refuse("authorities %s and %s have both a key and a certificate: a rollover was under way. "+
			"Say in a plan of your own which one issues and which is trusted beside it", found[0].name, found[1].name)
	case len(bare) > 0:
		return nil, &exit.Error{Code: exit.Refused,
			Err:   fmt.Errorf("authority %s: its key is in the token, and no certificate for it is in the places given; without that nobody knows its name, and what it issued has no chain", strings.Join(bare, ", ")),
			Hints: []string{"nodes trust it, so they have it: add etc/kubernetes of a control-plane node with --from"}}
	}
	return nil, &exit.Error{Code: exit.Refused,
		Err:   fmt.Errorf("authority %s: no key %s/%s is in the station's tokens, so it can issue nothing", family, r.cluster, family),
		Hints: []string{"look into the tokens: officiant signer list URI", "with the key gone too, the cluster gets a new authority: docs/recovery.md"}}
}

// pinnedRelease is the release key that nodes pinned: they take bundles by no other.
func (r *remains) pinnedRelease() (*leftKey, error) {
	for _, k := range r.keys {
		if k.spki == r.release {
			return k, nil
		}
	}
	return nil, &exit.Error{Code: exit.Refused,
		Err:   fmt.Errorf("the release key that nodes pinned, SHA-256 %s, is in none of the station's tokens: nodes would take no bundle", r.release),
		Hints: []string{"with that key gone a new one is made, and its words are compared on each node: docs/recovery.md"}}
}

// valid says until when a certificate is.
func valid(c *x509.Certificate) string {
	return "valid until " + c.NotAfter.UTC().Format(time.DateOnly)
}

// of says whether a key is a family's, by its name: "etcd", "etcd-2".
func (k *leftKey) of(family string) bool {
	return k.name == family || strings.HasPrefix(k.name, family+"-")
}
