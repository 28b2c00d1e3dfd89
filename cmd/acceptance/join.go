package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// judgeJoins has the real kubeadm join the second node and the worker with the
// lines of their README.txt, as far as it goes without a kubelet: discovery, the
// certificates and kubeconfigs, the manifests, what the kubelet is started with.
func judgeJoins(ctx context.Context, r *report, c *conduct, s *standIn) {
	data, err := c.completed()
	if err == nil {
		clusterConfiguration, _, _ := strings.Cut(string(data), "---\n")
		err = s.serve(c.root(firstNode), clusterConfiguration)
	}
	r.check("the first node's files serve as an API server's", err)
	if err != nil {
		return
	}
	j := &joiner{c, s}
	for _, join := range []refusal{
		{name: "kubeadm join phase control-plane-prepare all uses every file as it is: " + secondNode, notice: j.controlPlane},
		{name: "kubeadm join phase kubelet-start needs no token and leaves the node's identity: " + worker, notice: j.worker},
	} {
		r.check(join.name, j.onCopy(join.notice, nil)(ctx))
	}
	for _, f := range []refusal{
		{"without apiserver.crt the control-plane node does not join", without("pki/apiserver.crt"), j.controlPlane, "apiserver"},
		{"without sa.key and sa.pub it does not join unchanged", without("pki/sa.key", "pki/sa.pub"), j.controlPlane, "sa.key is new"},
		{"a worker with another authority's certificate does not join", forgedIdentity("kubelet.conf"), j.impatient, "TLS handshake error: tls: failed to verify certificate"},
		{"a worker that trusts another authority does not join", otherTrust("kubelet.conf"), j.impatient, "TLS handshake error: remote error: tls: bad certificate"},
	} {
		err := j.onCopy(f.notice, f.spoil)(ctx)
		switch {
		case err == nil:
			err = errUnexpected
		case strings.Contains(err.Error(), f.says):
			err = nil
		default:
			err = fmt.Errorf("refused, but not for that reason: %w", err)
		}
		r.check(f.name, err)
	}
}

// joiner joins copies of a run's nodes to the stand-in's cluster.
type joiner struct {
	*conduct
	cluster *standIn
}

// onCopy gives a join its own copy of the nodes.
func (j *joiner) onCopy(join func(context.Context, kubeadm, string) error, spoil func(files) error) func(context.Context) error {
	return func(ctx context.Context) error {
		base := j.path("joining")
		if err := os.RemoveAll(base); err != nil {
			return err
		}
		for _, node := range []string{secondNode, worker} {
			tree := filepath.Join(base, node)
			if err := os.CopyFS(tree, os.DirFS(j.root(node))); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(tree, "etc", "hosts"), []byte("127.0.0.1 api.demo.test "+node+"\n"), 0o644); err != nil {
				return err
			}
			if spoil == nil {
				continue
			}
			// A fault is put where its file is.
			if err := spoil(files(filepath.Join(tree, etcKubernetes))); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("putting in the fault: %w", err)
			}
		}
		j.cluster.who()
		return join(ctx, j.judge, base)
	}
}

// phase runs a phase of kubeadm join with the line of README.txt.
func (j *joiner) phase(ctx context.Context, k kubeadm, base, node string, phase ...string) (answer, error) {
	line, err := j.readmeLine(node)
	if err != nil {
		return answer{}, err
	}
	if err := j.joinFile(node, filepath.Join(base, node)); err != nil {
		return answer{}, err
	}
	args, _ := splitIgnored(line[1:]) // preflight is a phase of its own
	return k.run(ctx, filepath.Join(base, node), append(append([]string{"join", "phase"}, phase...), args...)...)
}

// controlPlane joins the second node's control plane: nothing is changed, and
// manifests are all that is new.
func (j *joiner) controlPlane(ctx context.Context, k kubeadm, base string) error {
	tree := filepath.Join(base, secondNode)
	before, err := snapshot(tree)
	if err != nil {
		return err
	}
	a, err := j.phase(ctx, k, base, secondNode, "control-plane-prepare", "all")
	if err != nil {
		return err
	}
	for _, component := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		if err := os.Remove(filepath.Join(tree, etcKubernetes, "manifests", component+".yaml")); err != nil {
			return err
		}
	}
	if err := os.Remove(filepath.Join(tree, etcKubernetes, "manifests")); err != nil {
		return err
	}
	after, err := snapshot(tree)
	if err != nil {
		return err
	}
	return errors.Join(
		unchanged(before, after), j.askedBy("kubernetes-admin"),
		expect(a.stdout, "[certs] Valid certificates and keys now exist in %s", `"/etc/kubernetes/pki"`),
		expect(a.stdout, "[certs] Using the existing %s key", `"sa"`),
		expect(a.stdout, "[kubeconfig] External CA mode: Using user provided %s", "admin.conf", "controller-manager.conf", "scheduler.conf"),
	)
}

// worker goes as far as starting the kubelet, which is not there.
func (j *joiner) worker(ctx context.Context, k kubeadm, base string) error {
	tree := filepath.Join(base, worker)
	before, err := snapshot(tree)
	if err != nil {
		return err
	}
	if _, err := j.phase(ctx, k, base, worker, "kubelet-start"); err != nil {
		return err
	}
	// What the kubelet is started with until kubelet.conf is there, which it is.
	if err := os.Remove(filepath.Join(tree, etcKubernetes, "bootstrap-kubelet.conf")); err != nil {
		return err
	}
	after, err := snapshot(tree)
	if err != nil {
		return err
	}
	return errors.Join(unchanged(before, after), j.askedBy("system:node:"+worker), rotationIs(tree, true))
}

// impatient is worker with short deadlines: kubeadm tries for five minutes.
func (j *joiner) impatient(ctx context.Context, k kubeadm, base string) error {
	tree := filepath.Join(base, worker)
	data, err := os.ReadFile(filepath.Join(tree, config))
	if err != nil {
		return err
	}
	data = append(data, "timeouts: {discovery: 2s, kubernetesAPICall: 2s}\n"...)
	if err := os.WriteFile(filepath.Join(tree, config), data, 0o644); err != nil {
		return err
	}
	j.cluster.log()
	_, err = k.run(ctx, tree, "join", "phase", "kubelet-start", "--config", config)
	if err != nil { // kubeadm may hear no more than that the connection is gone
		err = fmt.Errorf("%w\nthe API server logs: %s", err, j.cluster.log())
	}
	return err
}

// askedBy fails unless the cluster was asked for its configuration by that user,
// and by no other.
func (j *joiner) askedBy(user string) error {
	asked := j.cluster.who()
	if !slices.Contains(asked, user+" /api/v1/namespaces/kube-system/configmaps/kubeadm-config") {
		return fmt.Errorf("%s did not ask for the cluster's configuration; asked was %q", user, asked)
	}
	for _, a := range asked {
		if !strings.HasPrefix(a, user+" ") {
			return fmt.Errorf("somebody else than %s asked: %q", user, a)
		}
	}
	return nil
}

// forgedIdentity replaces a kubeconfig's certificate by the same from an
// authority nobody trusts, with its key.
func forgedIdentity(file string) func(files) error {
	return func(f files) error {
		certificate, _, err := embedded(f.path(file))
		if err != nil {
			return err
		}
		forged, key, err := forgery(file, certificate)
		if err != nil {
			return err
		}
		data, err := keyPEM(key)
		if err != nil {
			return err
		}
		return errors.Join(f.replaceField(file, "client-certificate-data: ", base64Of(forged)),
			f.replaceField(file, "client-key-data: ", base64Of(data)))
	}
}
