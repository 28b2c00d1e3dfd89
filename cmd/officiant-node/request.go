package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"officiant/bundle/install"
	"officiant/bundle/kubepki"
	"officiant/bundle/request"
	"officiant/bundle/seal"
	"officiant/cmd/internal/exit"
)

type requestOptions struct {
	*options
	kubeadm           []string
	csrDir, root, out string
	flags             factFlags
	algorithm         string
	reuse, adopt      bool
	newKeys           bool
	signWith          string
	extra             []string
	identityKey       string
}

func newRequestCommand(o *options) *cobra.Command {
	r := &requestOptions{options: o}
	c := &cobra.Command{
		Use:   "request --kubeadm FILE --roles ROLES --out FILE",
		Short: "Create this node's keys and its request",
		Long: `Request creates a private key for every certificate that the node's roles need, an age
identity, and one request file to take to the ceremony. The keys and the identity stay
on the node, in /var/lib/officiant-node (mode 0700). The request contains no secret.
Existing keys are kept and never overwritten.

Names and addresses come from a kubeadm configuration file (of any version since
v1beta1, with its Cluster-, Init- and JoinConfiguration). Flags override the file. A
worker needs only flags: --name, --cluster, --control-plane-endpoint. A node that joins
takes the cluster's part from the cluster, where kubeadm keeps it. Pass --kubeadm twice,
for that file and for the node's own JoinConfiguration:

  kubectl -n kube-system get cm kubeadm-config -o yaml > cluster.yaml

With --csr-dir, it uses the keys and CSRs that "kubeadm certs generate-csr" created. They
stay where they are, and the keys are copied to /var/lib/officiant-node, where install
finds them.

For a renewal, a node that has a certificate of an earlier ceremony also signs its
request with that certificate's key. A plan that continues that ceremony then needs no
fingerprint from a person. With --reuse-keys, the keys in use below /etc/kubernetes
stay. With --new-keys, every key is new, and existing keys move to keys-1 beside them.

With --adopt, it adopts a node of a running cluster that kubeadm created, with its CA
keys on disk. The node keeps its keys. Its current certificates go into the request, so
that the first bundle carries them over. The authorities' private keys are not opened.

With --sign-with, the machine's SSH host key signs the request. This is for fleets: the
plan names a known_hosts file, and nobody has to compare words.

The request's fingerprint is printed as hex and as words. Whoever writes the plan must
hear it from you, and not from whoever carries the file.`,
		Example: "  officiant-node request --kubeadm kubeadm.yaml --roles control-plane,etcd --out cp-1.req\n" +
			"  officiant-node request --roles worker --name worker-1 --cluster demo \\\n" +
			"    --control-plane-endpoint api.demo.test:6443 --out worker-1.req\n" +
			"  officiant-node request --roles worker --kubeadm cluster.yaml --kubeadm join.yaml --out worker-2.req\n" +
			"  officiant-node request --csr-dir /etc/kubernetes --kubeadm kubeadm.yaml --out cp-1.req\n" +
			"  officiant-node request --adopt --kubeadm cluster.yaml --kubeadm join.yaml --roles worker --out worker-1.req",
		Args: exit.ExactArgs(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			r.flags.firstGiven = c.Flags().Changed("first")
			return r.run(c.Context())
		},
	}
	f := c.Flags()
	f.StringArrayVar(
		&r.kubeadm,
		"kubeadm",
		nil,
		"kubeadm configuration `FILE` of the node, or the cluster's kubeadm-config ConfigMap;\nmay be given twice",
	)
	f.StringVar(&r.csrDir, "csr-dir", "", "folder that `kubeadm certs generate-csr` wrote, used instead of new keys")
	f.BoolVar(&r.reuse, "reuse-keys", false, "keep the keys in use in /etc/kubernetes; for a renewal")
	f.BoolVar(
		&r.newKeys,
		"new-keys",
		false,
		"create new keys and set existing ones aside; after a key was\ncompromised, or for another "+
			"machine under the same name",
	)
	f.BoolVar(
		&r.adopt,
		"adopt",
		false,
		"adopt this node of a running cluster that kubeadm created:\nkeep its keys, and send its "+
			"certificates",
	)
	f.StringSliceVar(
		&r.extra,
		"extra",
		nil,
		"certificates the plan allows this node beyond Kubernetes' own: kubelet-server,\nkube-proxy.conf, "+
			"etcd/monitoring, alice.conf; separate with commas",
	)
	f.StringVar(
		&r.signWith,
		"sign-with",
		"",
		"SSH host key `FILE` to sign the request with, such as /etc/ssh/ssh_host_ed25519_key",
	)
	f.StringVar(&r.root, "root", "/", "keep the node's state below this directory")
	f.StringVar(&r.out, "out", "", "the request file to write; it must not exist")
	f.StringSliceVar(&r.flags.roles, "roles", nil,
		"the node's `ROLES`, separated by commas: control-plane, etcd or worker")
	f.StringVar(&r.flags.name, "name", "",
		"the node's name (default: kubeadm's nodeRegistration.name, or the host name)")
	f.StringVar(
		&r.flags.address,
		"address",
		"",
		"IP address where other nodes reach it (default: kubeadm's advertiseAddress)",
	)
	f.BoolVar(
		&r.flags.first,
		"first",
		false,
		"this is the first control-plane node (default: if there is an InitConfiguration)",
	)
	f.StringVar(&r.flags.cluster, "cluster", "", "the cluster's name (default: kubeadm's clusterName)")
	f.StringVar(
		&r.flags.endpoint,
		"control-plane-endpoint",
		"",
		"host or host:port of the API servers (default: kubeadm's)",
	)
	f.StringVar(
		&r.flags.version,
		"kubernetes-version",
		"",
		"release of Kubernetes (default: kubeadm's kubernetesVersion)",
	)
	f.StringVar(
		&r.flags.naming,
		"naming",
		string(kubepki.NamingKubeadm),
		"naming of the certificates: kubeadm or docs",
	)
	f.StringVar(
		&r.identityKey,
		"identity",
		"",
		"SSH private key, such as /etc/ssh/ssh_host_ed25519_key, that opens what is sealed "+
			"to\nthis node (default: a new "+
			"age identity)",
	)
	f.StringVar(
		&r.algorithm,
		"key-algorithm",
		"",
		"of new keys: "+strings.Join(
			algorithmNames(),
			", ",
		)+"\n(default: kubeadm's encryptionAlgorithm, or "+defaultAlgorithm+")",
	)
	return c
}

func (r *requestOptions) run(ctx context.Context) error {
	if err := r.checkOut(); err != nil {
		return err
	}
	f, err := r.facts(ctx)
	if err != nil {
		return err
	}
	leaves, err := kubepki.Leaves(f.cluster, f.node)
	if err != nil {
		return &exit.Error{Code: exit.Refused, Err: err, Hints: append(r.flags.waysOn(err), nothingMade)}
	}
	if leaves, err = r.extras(f, leaves); err != nil {
		return err
	}
	state := install.OpenState(r.root, r.Disk)
	if err := r.ownState(state, f); err != nil {
		return err
	}
	host, err := r.hostKey(ctx)
	if err != nil {
		return err
	}
	in := &request.Folder{}
	standing, err := r.standing(state, f, in)
	if err != nil {
		return err
	}
	if standing != nil {
		defer clear(standing.AccountKey)
	}
	if r.reuse && !r.adopt {
		if in.Keys, err = r.inUse(state, leaves); err != nil {
			return err
		}
	}
	if r.csrDir != "" {
		if in, err = request.FromCSRDir(os.DirFS(r.csrDir), leaves); err != nil {
			return r.refuseFolder(err)
		}
	}
	if err := state.Init(); err != nil {
		return err
	}
	// An interrupted install's staged files look like our own leftovers.
	release, err := r.node().Hold()
	if err != nil {
		return err
	}
	defer release()
	if err := r.removeTemps(state); err != nil {
		return err
	}
	if err := r.setAside(state); err != nil {
		return err
	}
	return r.make(ctx, state, f, leaves, in, host, standing)
}

// setAside moves the keys away that there are, where new ones were asked for.
func (r *requestOptions) setAside(state *install.State) error {
	if !r.newKeys {
		return nil
	}
	to, err := state.SetKeysAside()
	if err == nil && to != "" {
		fmt.Fprintf(r.Stderr, "set aside the keys of an earlier run: %s; the certificates in use belong to them\n", to)
	}
	return err
}

// make makes what is missing in the state directory, then the request. in has
// the keys that are elsewhere, and the CSRs when kubeadm made them.
func (r *requestOptions) make(
	ctx context.Context,
	state *install.State,
	f *facts,
	leaves []kubepki.Leaf,
	in *request.Folder,
	host ssh.Signer,
	standing *install.Standing,
) error {
	recipient, err := r.identity(ctx, state)
	if err != nil {
		return err
	}
	if !f.node.Has(kubepki.ControlPlane) {
		recipient = seal.Plain(recipient) // nothing is sealed to it, and the other one is large
	}
	keys, err := rememberKeys(state, in.Keys)
	if err != nil {
		return err
	}
	if in.CSRs == nil {
		if err := r.makeKeys(ctx, state, leaves, f.algorithm, keys); err != nil {
			return err
		}
	}
	var with []request.Enclosure
	var present *request.Present
	var why error
	if standing == nil { // no record knows the certificates of a cluster that is adopted
		present, why = r.voucher(f, leaves)
	}
	if present != nil {
		with = append(with, present)
	}
	if host != nil {
		with = append(with, request.HostKey{Signer: host})
	}
	if standing != nil {
		a, err := adoption(standing, recipient)
		if err != nil {
			return err
		}
		with = append(with, a)
	}
	var data []byte
	if in.CSRs != nil {
		data, err = request.Pack(f.cluster, f.node, in.CSRs, keys.all, recipient, r.Now(), r.Rand, with...)
	} else {
		data, err = request.Make(f.cluster, f.node, leaves, keys.all, recipient, r.Now(), r.Rand, with...)
	}
	if err != nil {
		return err
	}
	if err := r.write(state, f.node.Name, data); err != nil {
		return err
	}
	opened, err := request.Parse(r.out, data)
	if err != nil {
		return err
	}
	r.say(state, f, keys, in, opened)
	r.sayVouched(present, why, host)
	if opened.Adoption != nil {
		sayAdopted(r.Stderr, opened.Adoption, standing, r.node().AuthorityKeyFiles(f.cluster.Places))
	}
	printRequestFingerprint(r.Stderr, opened.Fingerprint)
	return nil
}

// checkOut finds before any key is made what would stop us after.
func (r *requestOptions) checkOut() error {
	if r.reuse && r.csrDir != "" {
		return exit.Usagef("--csr-dir has keys of its own: leave --reuse-keys out")
	}
	if r.newKeys && (r.reuse || r.adopt || r.csrDir != "") {
		return exit.Usagef("--new-keys makes all keys anew: leave --reuse-keys, --adopt and --csr-dir out")
	}
	if r.adopt && r.csrDir != "" {
		return exit.Usagef("--adopt takes the keys in use, and --csr-dir brings others: leave one out")
	}
	if r.adopt && len(r.extra) > 0 {
		return exit.Usagef("--adopt sends the certificates there are; " +
			"ask for more (--extra) once the cluster is adopted")
	}
	if len(r.extra) > 0 && r.csrDir != "" {
		return exit.Usagef("--csr-dir has kubeadm's certificates alone: leave --extra out, or --csr-dir")
	}
	if r.out == "" {
		return exit.Usagef("request needs --out, the request file to write")
	}
	if _, err := os.Lstat(r.out); err == nil {
		return r.taken()
	}
	dir := filepath.Dir(r.out)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return exit.Usagef("--out %s: there is no folder %s", r.out, dir)
	}
	return nil
}

func (r *requestOptions) taken() error {
	return &exit.Error{
		Code:  exit.Usage,
		Err:   fmt.Errorf("%s: exists already, and a request is never overwritten", r.out),
		Hints: []string{"give another --out, or move the file away; keys that were made are kept and used again"},
	}
}

// ownState refuses a state directory that is another node's, or this node's in
// another cluster: its keys must not get a second meaning.
func (r *requestOptions) ownState(state *install.State, f *facts) error {
	hint := []string{"each node has a state directory of its own: --root DIR puts it elsewhere"}
	names, err := filepath.Glob(filepath.Join(state.Dir(), "*.req"))
	if err != nil {
		return err
	}
	for _, name := range names {
		if other := strings.TrimSuffix(filepath.Base(name), ".req"); other != f.node.Name {
			return &exit.Error{Code: exit.Refused, Hints: hint,
				Err: fmt.Errorf("%s: belongs to node %s, not %s", state.Dir(), other, f.node.Name)}
		}
	}
	pins, err := state.Pins()
	if err != nil {
		return err
	}
	if pins != nil && (pins.Cluster != f.cluster.Name || pins.Node != f.node.Name) {
		return &exit.Error{Code: exit.Refused, Hints: hint,
			Err: fmt.Errorf("%s: a bundle of cluster %s is installed on node %s, this would be cluster %s, node %s",
				state.Dir(), pins.Cluster, pins.Node, f.cluster.Name, f.node.Name)}
	}
	return nil
}

func (r *requestOptions) refuseFolder(err error) error {
	hints := []string{"no request was made, and nothing in " + r.csrDir + " was changed"}
	if len(r.kubeadm) == 0 {
		hints = append(
			hints,
			"names were taken from the folder alone; with --kubeadm FILE they come from where kubeadm had them",
		)
	}
	return &exit.Error{Code: exit.Refused, Err: fmt.Errorf("%s: %w", r.csrDir, err), Hints: hints}
}

// removeTemps takes away what a run that was killed has left.
func (r *requestOptions) removeTemps(state *install.State) error {
	return filepath.WalkDir(state.Dir(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		_, err = r.Disk.RemoveTemps(path)
		return err
	})
}
