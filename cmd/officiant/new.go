package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"officiant/bundle/kubepki"
	"officiant/bundle/nearest"
	"officiant/bundle/phrase"
	"officiant/ceremony/next"
	"officiant/ceremony/plan"
	"officiant/cmd/internal/exit"
	"officiant/signer"
)

type newOptions struct {
	*options
	journal               journalFlags
	kubeadm, requests     string
	previous              []string
	knownHosts            string
	name, cluster, naming string
	grade                 string
	list                  string
	external              string
	crls                  string
	online                bool
	out                   string
}

func newNewCommand(o *options) *cobra.Command {
	n := &newOptions{options: o}
	c := &cobra.Command{
		Use:   "new --kubeadm FILE --requests DIR --out plan.yaml",
		Short: "Write a commented plan from a kubeadm file and node requests",
		Long: `Write a commented plan from a kubeadm configuration file and a folder of node requests.
The plan's inputs must be below its folder; others are copied there. Nothing is
overwritten. For a running cluster, the kubeadm file may be the output of
"kubectl -n kube-system get cm kubeadm-config -o yaml".

With --nodes, the plan has the nodes of a list, in its order: CSV with the columns name,
roles, address and fingerprint (only name is required; roles are joined by +), or the
output of "kubectl get nodes -o json". Each of these nodes must have sent a request, no
other node may have, and no request may contradict the list. Fingerprints in the list
replace those that the nodes' operators read out, so the list must not have come with the
requests.

With --previous, the plan continues finished ceremonies: this cluster's authorities,
release key and service-account key pair stay, and the root is not opened. Give one
folder that holds all ceremonies, including those of other clusters. If all are other
clusters', the plan creates a new cluster's own authorities below their root, and
continues the ceremony that opened the root's key last (docs/clusters.md).

With --crls, etcd's authority signs an empty revocation list, and etcd is configured to
check it. A later revocation is then a new file, without a restart. The list must be
renewed in time (docs/revocation.md).

With --online-signer, the ceremony creates two more authorities, kubelet-serving and
kubelet-client, valid for 90 days. officiant-signer signs with their keys what kubelets ask
for, and bundles configure the cluster for it (docs/signer.md).

With --external-root, somebody else has the root, such as your company. The ceremony
creates the intermediates' keys and requests their certificates.`,
		Args: exit.ExactArgs(0, "no arguments, only flags"),
		RunE: func(*cobra.Command, []string) error { return n.run() },
	}
	f := c.Flags()
	n.flags(c)
	f.StringArrayVar(
		&n.previous,
		"previous",
		nil,
		"`DIR` of a finished ceremony to continue, or a folder that holds ceremonies; repeatable",
	)
	n.journal.flags(c)
	f.StringVar(&n.external, "external-root", "", "certificate `FILE` of an external root")
	f.StringVar(&n.crls, "crls", "", "make a revocation list for etcd, with the next one due in `TIME`, such as 1y")
	f.BoolVar(&n.online, "online-signer", false, "make the authorities of an online signer, which kubelets ask")
	f.StringVar(
		&n.knownHosts,
		"known-hosts",
		"",
		"known_hosts `FILE` with the nodes' SSH host keys; nodes that signed with theirs need no fingerprint",
	)
	return c
}

// flags are those of every command that writes a plan out of requests.
func (o *newOptions) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(
		&o.kubeadm,
		"kubeadm",
		"",
		"kubeadm configuration `FILE` of the cluster, or its kubeadm-config ConfigMap (required)",
	)
	f.StringVar(&o.requests, "requests", "", "`DIR` of the nodes' requests, *.req (required)")
	f.StringVar(&o.list, "nodes", "", "list `FILE` of the nodes: CSV, or JSON of kubectl get nodes")
	f.StringVar(&o.name, "name", "", "the plan's `NAME`, typed to confirm the run (default CLUSTER-SEQUENCE)")
	f.StringVar(&o.cluster, "cluster", "", "the cluster's `NAME`, instead of the kubeadm file's")
	f.StringVar(&o.naming, "naming", "", "naming of the certificates: kubeadm (default) or docs")
	f.StringVar(
		&o.grade,
		"station-grade",
		string(signer.Consistent),
		"lowest evidence `GRADE` accepted for keys: attested, consistent or software",
	)
	f.StringVar(&o.out, "out", "", "plan `FILE` to write (required)")
}

func (o *newOptions) check() error {
	if o.kubeadm == "" || o.requests == "" || o.out == "" {
		return exit.Usagef("ceremony new needs --kubeadm FILE, --requests DIR and --out FILE")
	}
	if o.external != "" && len(o.previous) > 0 {
		return exit.Usagef("--external-root is for a cluster's first ceremony; with --previous the root stays")
	}
	switch signer.Grade(o.grade) {
	case signer.Attested, signer.Consistent, signer.Software:
	default:
		return exit.Usagef("--station-grade %q: attested, consistent or software%s", o.grade,
			nearest.Among(signer.Grade(o.grade), signer.Attested, signer.Consistent, signer.Software))
	}
	switch kubepki.Naming(o.naming) {
	case "", kubepki.NamingKubeadm, kubepki.NamingDocs:
	default:
		return exit.Usagef("--naming %q: kubeadm or docs%s", o.naming,
			nearest.Among(kubepki.Naming(o.naming), kubepki.NamingKubeadm, kubepki.NamingDocs))
	}
	if o.journal.file != "" && len(o.previous) == 0 {
		return exit.Usagef("--journal goes with --previous: a cluster's first ceremony comes before its online signer")
	}
	return noPlanAt(o.out)
}

func (o *newOptions) run() error {
	if err := o.check(); err != nil {
		return err
	}
	asked, err := o.asked()
	if err != nil {
		return err
	}
	var lists plan.Duration
	if o.crls != "" {
		if err := lists.UnmarshalText([]byte(o.crls)); err != nil {
			return exit.Usagef("--crls: %v", err)
		}
	}
	if len(o.previous) == 0 {
		external, err := inputIf(asked.Desk, o.external)
		if err != nil {
			return err
		}
		return o.save(next.First(asked, next.FirstOptions{External: external, Lists: lists}))
	}
	archive, err := find(o.previous)
	if err != nil {
		return err
	}
	return o.save(next.Continue(asked, archive, os.DirFS, lists))
}

// asked reads what the flags name.
func (o *newOptions) asked() (a next.Asked, err error) {
	a = next.Asked{
		Desk:     o.desk(o.out),
		Name:     o.name,
		Cluster:  o.cluster,
		Naming:   kubepki.Naming(o.naming),
		Evidence: signer.Grade(o.grade),

		OnlineSigner: o.online,
	}
	if a.Kubeadm, err = input(a.Desk, o.kubeadm); err != nil {
		return a, err
	}
	if a.Requests, err = requestsIn(a.Desk, o.requests); err != nil {
		return a, err
	}
	if a.Journal, err = o.journal.read(a.Desk); err != nil {
		return a, err
	}
	if a.List, err = inputIf(a.Desk, o.list); err != nil {
		return a, err
	}
	if a.KnownHosts, err = inputIf(a.Desk, o.knownHosts); err != nil {
		return a, fmt.Errorf("--known-hosts: %w", err)
	}
	return a, nil
}

// save writes the plan and what it names, and says what has to be compared before
// it means anything.
func (o *newOptions) save(p *next.Proposal, err error) error {
	if err != nil {
		return err
	}
	o.note(p)
	if err := o.write(o.out, p); err != nil {
		return err
	}
	fmt.Fprintf(o.Stderr, "Wrote plan %s to %s.\n", p.Document.Name, o.out)
	var compare, known []string
	listed := 0
	for _, r := range p.Requests {
		switch r.By {
		case next.Listed:
			listed++
		case next.Known:
			known = append(known, r.Node.Name)
		default:
			compare = append(
				compare,
				fmt.Sprintf(
					"%s  %s  %s\n%s",
					r.Node.Name,
					rolesOf(r.Node.Roles),
					r.Node.Request,
					indentLines(r.Fingerprint.Lines()),
				),
			)
		}
	}
	if listed > 0 {
		fmt.Fprintf(o.Stderr, "The fingerprints of %s are those in %s.\n", phrase.Count(listed, "request"), o.list)
	}
	if len(known) > 0 {
		fmt.Fprintf(o.Stderr, "Signed by a key that is known already, so with no words to compare: %s\n", next.Some(known))
	}
	if len(compare) > 0 {
		fmt.Fprint(
			o.Stderr,
			"Compare these fingerprints with what each node printed, over another channel than the requests:\n\n",
		)
		if _, err := fmt.Fprint(o.Stdout, strings.Join(compare, "")); err != nil {
			return err
		}
	}
	o.thenCheck(o.out)
	return nil
}

func rolesOf(roles []kubepki.Role) string {
	names := make([]string, len(roles))
	for i, r := range roles {
		names[i] = string(r)
	}
	return strings.Join(names, ",")
}
