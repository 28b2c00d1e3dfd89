package main

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"officiant/bundle/kubeadm"
	"officiant/bundle/kubepki"
	"officiant/bundle/nearest"
	"officiant/bundle/request"
	"officiant/cmd/internal/exit"
	"officiant/cmd/internal/infile"
)

// factFlags are the flags that say what the node is; they go before the files.
type factFlags struct {
	roles                                             []string
	name, address, cluster, endpoint, version, naming string
	first, firstGiven                                 bool
}

// facts is what a request claims, and of what kind its new keys are.
type facts struct {
	cluster   kubepki.Cluster
	node      kubepki.Node
	algorithm string
}

// facts puts together what files, flags and the machine say, and stops at what
// none of them does.
func (r *requestOptions) facts(ctx context.Context) (*facts, error) {
	f := &facts{algorithm: defaultAlgorithm}
	if r.csrDir != "" {
		if err := f.fromFolder(r); err != nil {
			return nil, err
		}
	}
	if len(r.kubeadm) > 0 {
		if err := f.fromKubeadm(ctx, r, r.kubeadm); err != nil {
			return nil, err
		}
	}
	if err := f.fromFlags(r); err != nil {
		return nil, err
	}
	if f.node.Name == "" {
		host, err := r.Hostname()
		if err != nil {
			return nil, fmt.Errorf("the host's name, for want of --name: %w", err)
		}
		f.node.Name = strings.ToLower(strings.TrimSpace(host)) // as the kubelet does
	}
	if err := f.missing(r); err != nil {
		return nil, err
	}
	f.cluster = f.cluster.Complete()
	return f, nil
}

func (f *facts) fromFolder(r *requestOptions) error {
	cluster, node, err := request.Guess(os.DirFS(r.csrDir))
	if err != nil {
		return r.refuseFolder(err)
	}
	f.cluster, f.node = cluster, node
	// The folder does not say which release made it. If it was an old one,
	// the organizations in its CSRs will not be this one's.
	f.cluster.KubernetesVersion = kubepki.Newest()
	return nil
}

// maxKubeadm is what is read of a kubeadm file: its limit as UTF-8, written in UTF-16.
const maxKubeadm = 1 << 19

func (f *facts) fromKubeadm(ctx context.Context, r *requestOptions, names []string) error {
	var files []kubeadm.File
	for _, name := range names {
		data, err := infile.ReadFile(ctx, name, maxKubeadm)
		if err != nil {
			return fmt.Errorf("--kubeadm: %w", err)
		}
		files = append(files, kubeadm.File{Name: name, Data: data})
	}
	c, err := r.flags.given().ParseFiles(files...)
	if err != nil {
		return &exit.Error{Code: exit.Refused, Err: err, Hints: append(r.flags.waysOn(err), nothingMade)}
	}
	for _, note := range c.Notes {
		fmt.Fprintln(r.Stderr, exit.Plain(note.Error()))
	}
	if c.HasCluster {
		f.cluster = kubepki.Cluster{
			Name:                 cmp.Or(c.ClusterName, kubepki.Cluster{}.Complete().Name),
			ControlPlaneEndpoint: c.ControlPlaneEndpoint, ServiceSubnet: c.ServiceSubnet, DNSDomain: c.DNSDomain,
			CertSANs: c.CertSANs, EtcdServerCertSANs: c.EtcdServerCertSANs, EtcdPeerCertSANs: c.EtcdPeerCertSANs,
			ExternalEtcd: c.ExternalEtcd, KubernetesVersion: f.cluster.KubernetesVersion, Places: placesOf(c),
		}
		if c.KubernetesVersion != "" {
			if f.cluster.KubernetesVersion, err = kubepki.ParseVersion(c.KubernetesVersion); err != nil {
				return &exit.Error{
					Code: exit.Refused,
					Err:  fmt.Errorf("%s: kubernetesVersion: %w", strings.Join(names, ", "), err),
				}
			}
		}
	}
	f.algorithm = cmp.Or(c.EncryptionAlgorithm, f.algorithm)
	f.node.Name = cmp.Or(c.NodeName, f.node.Name)
	f.node.BindPort = cmp.Or(c.BindPort, f.node.BindPort)
	if c.AdvertiseAddress != "" {
		if f.node.Address, err = netip.ParseAddr(c.AdvertiseAddress); err != nil {
			return &exit.Error{Code: exit.Refused, Err: fmt.Errorf("%s: advertiseAddress: %w", strings.Join(names, ", "), err)}
		}
	}
	// Of a ClusterConfiguration alone nobody knows for which node it is.
	f.node.First = !c.Join && (c.NodeName != "" || c.AdvertiseAddress != "" || c.BindPort != 0)
	return nil
}

// placesOf is where a kubeadm file has certificates lie.
func placesOf(c *kubeadm.Config) kubepki.Places {
	return kubepki.Places{CertificatesDir: c.CertificatesDir, EtcdCAFile: c.EtcdCAFile, EtcdCertFile: c.EtcdCertFile,
		EtcdKeyFile: c.EtcdKeyFile}.Plain()
}

const nothingMade = "no key was made and nothing was written"

// ways are flags that say better what is wrong in a file, by the fact's name.
var ways = map[string]string{
	"name": "--cluster NAME overrides the file's clusterName; it names the authorities and the cluster in " +
		"kubeconfigs, " +
		"and the plan has to have the same (ceremony new --cluster NAME)",
	"controlPlaneEndpoint": "--control-plane-endpoint HOST:PORT overrides the file's",
	"kubernetesVersion":    "--kubernetes-version VERSION overrides the file's",
	"address":              "--address IP overrides the file's advertiseAddress",
	"node":                 "--name NAME overrides the file's nodeRegistration.name",
}

// waysOn are the hints for what is wrong with facts that no flag has said yet. Those that
// are a node's say so around them.
func (in factFlags) waysOn(err error) []string { return in.waysOf(err, false) }

func (in factFlags) waysOf(err error, node bool) []string {
	var hints []string
	add := func(fact string) {
		if way, ok := ways[fact]; ok && !in.said(fact) {
			hints = append(hints, way)
		}
	}
	switch e := err.(type) {
	case *kubepki.FieldError:
		if node && e.Field == "name" {
			add("node")
		} else {
			add(e.Field)
		}
	case *kubepki.FactsError:
		hints = in.waysOf(e.Err, e.Node)
	case *kubeadm.Error:
		for end, fact := range map[string]string{
			".kubernetesVersion": "kubernetesVersion", ".controlPlaneEndpoint": "controlPlaneEndpoint",
			".clusterName": "name", ".advertiseAddress": "address", ".nodeRegistration.name": "node",
		} {
			if strings.HasSuffix(e.Field, end) {
				add(fact)
			}
		}
	case interface{ Unwrap() []error }:
		for _, part := range e.Unwrap() {
			hints = append(hints, in.waysOf(part, node)...)
		}
	case interface{ Unwrap() error }:
		hints = in.waysOf(e.Unwrap(), node)
	}
	return hints
}

// said says whether a flag gave that fact: what is wrong is the flag's own value then.
func (in factFlags) said(fact string) bool {
	return map[string]string{"name": in.cluster, "controlPlaneEndpoint": in.endpoint, "kubernetesVersion": in.version,
		"address": in.address, "node": in.name}[fact] != ""
}

// given are the fields of kubeadm's files that a flag goes before.
func (in factFlags) given() kubeadm.Given {
	var g kubeadm.Given
	for value, fields := range map[string][]string{
		in.version:  {"ClusterConfiguration.kubernetesVersion"},
		in.cluster:  {"ClusterConfiguration.clusterName"},
		in.endpoint: {"ClusterConfiguration.controlPlaneEndpoint"},
		in.name:     {"InitConfiguration.nodeRegistration.name", "JoinConfiguration.nodeRegistration.name"},
		in.address: {"InitConfiguration.localAPIEndpoint.advertiseAddress",
			"JoinConfiguration.controlPlane.localAPIEndpoint.advertiseAddress"},
	} {
		if value != "" {
			g = append(g, fields...)
		}
	}
	return g
}

func (f *facts) fromFlags(r *requestOptions) error {
	in := r.flags
	if len(in.roles) > 0 {
		f.node.Roles = nil
	}
	for _, s := range in.roles {
		role := kubepki.Role(strings.TrimSpace(s))
		if !slices.Contains([]kubepki.Role{kubepki.ControlPlane, kubepki.Etcd, kubepki.Worker}, role) {
			return exit.Usagef("--roles: %q is none of %s, %s, %s%s", s, kubepki.ControlPlane, kubepki.Etcd,
				kubepki.Worker, nearest.Among(role, kubepki.ControlPlane, kubepki.Etcd, kubepki.Worker))
		}
		if slices.Contains(f.node.Roles, role) {
			return exit.Usagef("--roles: %s is there twice", role)
		}
		f.node.Roles = append(f.node.Roles, role)
	}
	f.node.Name = cmp.Or(strings.ToLower(in.name), f.node.Name)
	f.cluster.Name = cmp.Or(in.cluster, f.cluster.Name)
	f.cluster.ControlPlaneEndpoint = cmp.Or(in.endpoint, f.cluster.ControlPlaneEndpoint)
	var err error
	if in.address != "" {
		if f.node.Address, err = netip.ParseAddr(in.address); err != nil {
			return exit.Usagef("--address: %q is not an IP address", in.address)
		}
	}
	if in.version != "" {
		release, err := kubeadm.Release(in.version)
		if err != nil {
			return exit.Usagef("--kubernetes-version: %w", err)
		}
		if f.cluster.KubernetesVersion, err = kubepki.ParseVersion(release); err != nil {
			return exit.Usagef("--kubernetes-version: %w", err)
		}
	}
	f.cluster.Naming = kubepki.Naming(in.naming)
	if f.cluster.Naming != kubepki.NamingKubeadm && f.cluster.Naming != kubepki.NamingDocs {
		return exit.Usagef("--naming is %s or %s, not %q%s", kubepki.NamingKubeadm, kubepki.NamingDocs, in.naming,
			nearest.Among(f.cluster.Naming, kubepki.NamingKubeadm, kubepki.NamingDocs))
	}
	if in.firstGiven {
		f.node.First = in.first
	}
	f.node.First = f.node.First && (in.firstGiven || f.node.Has(kubepki.ControlPlane))
	if r.algorithm != "" {
		f.algorithm = r.algorithm
	}
	if !slices.Contains(algorithmNames(), f.algorithm) {
		return exit.Usagef("--key-algorithm: %q is none of %s%s", f.algorithm, strings.Join(algorithmNames(), ", "),
			nearest.Among(f.algorithm, algorithmNames()...))
	}
	return nil
}

// extras adds what was asked for beyond Kubernetes' own certificates. Of these
// a node knows the name alone: its CSR says nothing, the plan says it all.
func (r *requestOptions) extras(f *facts, leaves []kubepki.Leaf) ([]kubepki.Leaf, error) {
	for _, name := range r.extra {
		l, err := kubepki.ExtraLeaf(strings.TrimSpace(name))
		if err != nil {
			return nil, exit.Usagef("--extra: %w", err)
		}
		if slices.ContainsFunc(leaves, func(o kubepki.Leaf) bool { return o.Name == l.Name }) {
			return nil, exit.Usagef("--extra: %s is there twice", l.Name)
		}
		leaves = append(leaves, f.cluster.Placed(f.node, l))
	}
	return leaves, nil
}

// missing asks for what nobody has said and no default is good for.
func (f *facts) missing(r *requestOptions) error {
	var flags []string
	add := func(is bool, flag string) {
		if is {
			flags = append(flags, flag)
		}
	}
	serves := f.node.Has(kubepki.ControlPlane) || f.node.Has(kubepki.Etcd)
	add(len(f.node.Roles) == 0, "--roles control-plane,etcd or worker")
	add(f.cluster.Name == "", "--cluster NAME")
	add(serves && !f.node.Address.IsValid(), "--address IP, where other nodes reach it")
	add(serves && f.cluster.KubernetesVersion == kubepki.Version{}, "--kubernetes-version VERSION")
	add(
		f.node.Has(kubepki.Worker) && !serves && f.cluster.ControlPlaneEndpoint == "",
		"--control-plane-endpoint HOST:PORT",
	)
	if len(flags) > 0 {
		where := "neither flags nor a kubeadm configuration say"
		if len(r.kubeadm) > 0 {
			where = strings.Join(r.kubeadm, " and ") + " does not say"
		}
		return exit.Usagef("%s all that is needed; give\n%s", where, strings.Join(flags, "\n"))
	}
	if f.cluster.KubernetesVersion == (kubepki.Version{}) {
		f.cluster.KubernetesVersion = kubepki.Newest() // a worker's certificate is the same in all
	}
	return nil
}
