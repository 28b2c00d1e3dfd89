package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"officiant/bundle/durable"
	"officiant/bundle/fingerprint"
	"officiant/bundle/kubeadm"
	"officiant/bundle/kubepki"
	"officiant/ceremony/plan"
	"officiant/cmd/internal/exit"
	"officiant/signer"
)

type newOptions struct {
	*options
	kubeadm, requests     string
	previous              []string
	knownHosts            string
	name, cluster, naming string
	grade                 string
	list                  string
	external              string
	adopt                 bool // a cluster that runs already, and that no ceremony made
	crls                  string
	out                   string
}

func newNewCommand(o *options) *cobra.Command {
	n := &newOptions{options: o}
	c := &cobra.Command{
		Use:   "new --kubeadm FILE --requests DIR --out plan.yaml",
		Short: "Write a commented plan from a kubeadm file and node requests",
		Long: `Write a commented plan from a kubeadm configuration file and a folder of node
requests. What the plan names has to lie below its folder; what does not is
copied there. Nothing is overwritten. Of a cluster that runs, the kubeadm file may be
what "kubectl -n kube-system get cm kubeadm-config -o yaml" prints.

With --nodes the plan has the nodes of a list, in its order: CSV with the columns
name, roles, address and fingerprint (name alone has to be there; roles are joined
by +), or what "kubectl get nodes -o json" prints. Each of them has to have sent a
request, nobody else may have, and no request may say otherwise than the list.
Fingerprints in the list stand for those read out by the nodes' operators: the
list must not have come with the requests.

With --previous the plan continues a finished ceremony: its authorities, release
key and service-account pair stay, and the root is not opened. Another cluster's
ceremony gives its root alone: name the last one that opened the root's key, and
the plan makes a new cluster's own authorities below it (docs/clusters.md).

With --crls every authority that is made signs a revocation list, with nothing on it,
and etcd is told to look at its: what is revoked later is then a new file and no
restart. Lists have to be made anew in time (docs/revocation.md).

With --external-root the root is somebody else's, like a company's: the ceremony
makes the intermediates' keys and asks for their certificates.`,
		Args: exit.ExactArgs(0, "no arguments, only flags"),
		RunE: func(*cobra.Command, []string) error { return n.run() },
	}
	f := c.Flags()
	n.flags(c)
	f.StringArrayVar(&n.previous, "previous", nil, "finished ceremony `DIR` to continue; given twice: this cluster's last, and the root's last")
	f.StringVar(&n.external, "external-root", "", "certificate `FILE` of a root that lives elsewhere")
	f.StringVar(&n.crls, "crls", "", "make a revocation list of every authority, the next one due in `TIME`, such as 1y")
	f.StringVar(&n.knownHosts, "known-hosts", "", "OpenSSH `FILE` that says which SSH host key is whose; nodes that signed with theirs need no fingerprint")
	return c
}

// flags are those of every command that writes a plan out of requests.
func (o *newOptions) flags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.kubeadm, "kubeadm", "", "kubeadm configuration `FILE` of the cluster, or its kubeadm-config ConfigMap (required)")
	f.StringVar(&o.requests, "requests", "", "`DIR` of the nodes' requests, *.req (required)")
	f.StringVar(&o.list, "nodes", "", "list `FILE` of the nodes: CSV, or JSON of kubectl get nodes")
	f.StringVar(&o.name, "name", "", "the plan's `NAME`, typed to confirm the run (default CLUSTER-SEQUENCE)")
	f.StringVar(&o.cluster, "cluster", "", "the cluster's `NAME`, in place of the kubeadm file's")
	f.StringVar(&o.naming, "naming", "", "whose names certificates carry: kubeadm (default) or docs")
	f.StringVar(&o.grade, "station-grade", string(signer.Consistent), "least evidence `GRADE` accepted of keys: attested, consistent, software")
	f.StringVar(&o.out, "out", "", "plan `FILE` to write (required)")
}

func (o *newOptions) check() error {
	if o.kubeadm == "" || o.requests == "" || o.out == "" {
		return exit.Usagef("this needs --kubeadm FILE, --requests DIR and --out FILE")
	}
	if o.external != "" && len(o.previous) > 0 {
		return exit.Usagef("--external-root is for a cluster's first ceremony; with --previous the root stays")
	}
	if o.crls != "" && len(o.previous) > 0 {
		return exit.Usagef("--crls is for a cluster's first ceremony; later ones make lists with officiant ceremony revoke")
	}
	switch signer.Grade(o.grade) {
	case signer.Attested, signer.Consistent, signer.Software:
	default:
		return exit.Usagef("--station-grade %q: attested, consistent or software", o.grade)
	}
	switch kubepki.Naming(o.naming) {
	case "", kubepki.NamingKubeadm, kubepki.NamingDocs:
	default:
		return exit.Usagef("--naming %q: kubeadm or docs", o.naming)
	}
	return noPlanAt(o.out)
}

// noPlanAt refuses to write a plan over what is there.
func noPlanAt(file string) error {
	_, err := os.Lstat(file)
	switch {
	case err == nil:
		return &exit.Error{Code: exit.Failure, Err: fmt.Errorf("%s: there already; plans are not overwritten", file)}
	case errors.Is(err, fs.ErrNotExist):
		return nil
	}
	return err
}

func (o *newOptions) run() error {
	if err := o.check(); err != nil {
		return err
	}
	in := &inputs{folder: filepath.Dir(o.out)}
	data, config, err := clusterConfig(o.kubeadm)
	if err != nil {
		return err
	}
	p := plan.NewOptions{Cluster: plan.Cluster{Name: o.cluster, Naming: kubepki.Naming(o.naming)}, Evidence: signer.Grade(o.grade)}
	if p.Cluster.Kubeadm, err = in.place(o.kubeadm, data, "kubeadm.yaml"); err != nil {
		return err
	}
	cluster := kubepki.Cluster{Name: o.cluster}
	if cluster.Name == "" {
		cluster.Name = config.ClusterName
	}
	cluster = cluster.Complete()
	nodes, err := o.nodes(in)
	if err != nil {
		return err
	}
	if nodes, err = o.listed(nodes); err != nil {
		return err
	}
	sequence := 1
	if len(o.previous) > 0 {
		if sequence, err = continues(&p, in, o.previous, cluster.Name, nodes); err != nil {
			return err
		}
	}
	if o.external != "" {
		if err := o.externalRoot(&p, in); err != nil {
			return err
		}
	}
	if o.crls != "" {
		if err := o.lists(&p); err != nil {
			return err
		}
	}
	if o.knownHosts != "" {
		if p.KnownHosts, err = o.hostKeys(in, nodes); err != nil {
			return err
		}
	}
	if o.adopt {
		if err := holdsSeveral(config.KubernetesVersion); err != nil {
			return err
		}
		if err := o.bringIn(&p, in, nodes); err != nil {
			return err
		}
	}
	if p.Name = o.name; p.Name == "" {
		p.Name = planName(cluster.Name, sequence)
	}
	return o.save(p, in, nodes)
}

// save writes the plan and what it names.
func (o *newOptions) save(p plan.NewOptions, in *inputs, nodes []sender) error {
	for _, n := range nodes {
		p.Nodes = append(p.Nodes, n.node)
	}
	if err := in.writePlan(o.options, o.out, p); err != nil {
		return err
	}
	return o.tell(nodes, p.Name)
}

// lists has every authority that is made sign a list.
func (o *newOptions) lists(p *plan.NewOptions) error {
	var next plan.Duration
	if err := next.UnmarshalText([]byte(o.crls)); err != nil {
		return exit.Usagef("--crls: %v", err)
	}
	for _, f := range []kubepki.Authority{kubepki.Root, kubepki.KubernetesAuthority, kubepki.EtcdAuthority, kubepki.FrontProxyAuthority} {
		if f != kubepki.Root || o.external == "" {
			p.CRLs = append(p.CRLs, plan.CRL{Authority: string(f), NextUpdate: next})
		}
	}
	return nil
}

// listed holds the nodes against the list of them, when there is one.
func (o *newOptions) listed(nodes []sender) ([]sender, error) {
	if o.list == "" {
		return nodes, nil
	}
	data, err := os.ReadFile(o.list)
	if err != nil {
		return nil, err
	}
	list, err := parseList(o.list, data)
	if err != nil {
		return nil, err
	}
	return hold(list, nodes)
}

// tell prints what has to be compared before the plan means anything.
func (o *newOptions) tell(nodes []sender, name string) error {
	fmt.Fprintf(o.Stderr, "Wrote plan %s to %s.\n", name, o.out)
	var compare, known []string
	compared := 0
	for _, n := range nodes {
		if n.compared {
			compared++
			continue
		}
		if n.node.Fingerprint == (fingerprint.SHA256{}) {
			known = append(known, n.node.Name)
			continue
		}
		roles := make([]string, len(n.node.Roles))
		for i, r := range n.node.Roles {
			roles[i] = string(r)
		}
		compare = append(compare, fmt.Sprintf("%s  %s  %s\n%s", n.node.Name, strings.Join(roles, ","), n.node.Request, indentLines(n.node.Fingerprint.Lines())))
	}
	if compared > 0 {
		fmt.Fprintf(o.Stderr, "The fingerprints of %s are those in %s.\n", counted(compared, "request"), o.list)
	}
	if len(known) > 0 {
		fmt.Fprintf(o.Stderr, "Signed by a key that is known already, so with no words to compare: %s\n", some(known))
	}
	if len(compare) > 0 {
		fmt.Fprint(o.Stderr, "Compare these fingerprints with what each node printed, by another way than the requests came:\n\n")
		if _, err := fmt.Fprint(o.Stdout, strings.Join(compare, "")); err != nil {
			return err
		}
	}
	fmt.Fprintf(o.Stderr, "\nNext:  officiant ceremony check %s\n", o.out)
	return nil
}

var notInName = regexp.MustCompile(`[^a-z0-9]+`)

// planName is the default, CLUSTER-SEQUENCE as an RFC 1123 label.
func planName(cluster string, sequence int) string {
	label := strings.Trim(notInName.ReplaceAllString(strings.ToLower(cluster), "-"), "-")
	return fmt.Sprintf("%s-%d", label[:min(len(label), 50)], sequence)
}

// clusterConfig reads a kubeadm file that has to describe a cluster.
func clusterConfig(file string) ([]byte, *kubeadm.Config, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, nil, err
	}
	config, err := kubeadm.Parse(file, data)
	if err != nil {
		return nil, nil, &exit.Error{Code: exit.Refused, Err: err}
	}
	if !config.HasCluster {
		return nil, nil, &exit.Error{Code: exit.Refused, Err: fmt.Errorf("%s: has no ClusterConfiguration", file),
			Hints: []string{"a cluster that runs keeps it: kubectl -n kube-system get cm kubeadm-config -o yaml"}}
	}
	return data, config, nil
}

// inputs gathers the files a plan names, which have to lie below its folder.
type inputs struct {
	folder string
	copies []inputCopy
}

type inputCopy struct {
	path string // below the folder, with forward slashes
	data []byte
}

// place returns the path of a file below the plan's folder: its own when it
// lies there already, else want, where write will copy it.
func (in *inputs) place(file string, data []byte, want string) (string, error) {
	if own, ok := in.below(file); ok {
		return own, nil
	}
	return want, in.add(want, data)
}

func (in *inputs) below(file string) (string, bool) {
	folder, err := realPath(in.folder)
	if err != nil {
		return "", false
	}
	real, err := realPath(file)
	if err != nil {
		return "", false
	}
	rel, err := filepath.Rel(folder, real)
	if err != nil {
		return "", false
	}
	rel = filepath.ToSlash(rel)
	return rel, plan.CheckInputPath(rel) == nil
}

func realPath(p string) (string, error) {
	p, err := filepath.Abs(p)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(p)
}

// add plans a copy; a file that is there already has to be the same.
func (in *inputs) add(to string, data []byte) error {
	if err := plan.CheckInputPath(to); err != nil {
		return err
	}
	full := filepath.Join(in.folder, filepath.FromSlash(to))
	found, err := os.ReadFile(full)
	switch {
	case err == nil && bytes.Equal(found, data):
		return nil
	case err == nil:
		return fmt.Errorf("%s: there already, with other content; nothing is overwritten", full)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	for _, c := range in.copies {
		if c.path == to && !bytes.Equal(c.data, data) {
			return fmt.Errorf("two files of different content would be copied to %s", full)
		}
	}
	in.copies = append(in.copies, inputCopy{to, data})
	return nil
}

// writePlan leaves a plan, and before it the inputs it names.
func (in *inputs) writePlan(o *options, file string, p plan.NewOptions) error {
	text, err := plan.New(p)
	if err != nil {
		return err
	}
	if err := in.write(o); err != nil {
		return err
	}
	return o.Disk.Create(file, text, 0o644)
}

// write leaves the copies below the folder, and the schema. There may be thousands, so they are
// synced many at once, and their folders at the end.
func (in *inputs) write(o *options) error {
	var folders []string
	for group := range slices.Chunk(in.copies, 256) {
		files := make([]durable.File, len(group))
		for i, c := range group {
			full := filepath.Join(in.folder, filepath.FromSlash(c.path))
			files[i] = durable.File{Path: full, Data: c.data, Mode: 0o644}
			if folder := filepath.Dir(full); !slices.Contains(folders, folder) {
				if err := o.Disk.MkdirAll(folder, 0o755); err != nil {
					return err
				}
				folders = append(folders, folder)
			}
		}
		staged, err := o.Disk.StageAll(files)
		if err != nil {
			return err
		}
		for i, name := range staged {
			if err := o.Disk.RenameNoReplace(name, files[i].Path); err != nil {
				return err
			}
		}
	}
	if err := o.Disk.SyncDirs(folders); err != nil {
		return err
	}
	return placeSchema(o, in.folder)
}
