package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// ceremonies are those that follow on the cluster that runs: one takes the journal in, and
// three replace kubelet-client.
func (g *signerRoom) ceremonies(m *machine, k *rotatingKubelet) []trial {
	r := &clientRollover{signerRoom: g, api: m, kubelet: k}
	const trust, issue, drop = "signer, rollover, trust: ", "signer, rollover, issue: ", "signer, rollover, drop: "
	return []trial{
		{"signer: the next ceremony takes the journal in, verify finds nothing, and inventory lists what was signed",
			g.takesIn(m, "journal")},
		{"signer: by that ceremony's grant it signs on, in the same journal", r.signsOn},
		{trust + "planned, run, and installed; nothing is restarted", r.stage("trust")},
		{trust + "client-ca.crt has old and new", g.trusts(m, "kubelet-client-ca", "kubelet-client-2")},
		{issue + "planned, run, and installed; drop waits for kubelets, and the new grant is in place by SIGHUP",
			r.stage("issue")},
		{issue + "client-ca.crt has new and old", g.trusts(m, "kubelet-client-2", "kubelet-client-ca")},
		{issue + "a certificate by the old authority still logs in", r.oldLogsIn},
		{issue + "the kubelet has rotated to one by the new authority, and asks with it", k.has("client")},
		{drop + "planned, run, and installed", r.stage("drop")},
		{drop + "client-ca.crt has the new authority alone, and lets nobody in by the old one", r.dropped},
		{drop + "the kubelet rotates on, and asks with what it has", r.rotatesOn},
		{drop + "the API server verifies the kubelet, and asks it", k.answers},
	}
}

// clientRollover replaces kubelet-client.
type clientRollover struct {
	*signerRoom
	api     *machine
	kubelet *rotatingKubelet
	old     *tls.Certificate
}

// hold carries a plan out as a ceremony of its own.
func (g *signerRoom) hold(ctx context.Context, name string) error {
	if err := g.site.perform(ctx, "plan-"+name, "ceremony-"+name, g.site.paths(g.held)...); err != nil {
		return err
	}
	g.held = append([]string{"ceremony-" + name}, g.held...)
	return nil
}

// takesIn stops the signer, so that the journal ends with a signed head, and has the next
// ceremony take it in by the newest head that the relays have kept.
func (g *signerRoom) takesIn(m *machine, name string) func(context.Context) error {
	return func(ctx context.Context) error {
		g.serve.stop()
		head, err := g.head(ctx, m)
		if err != nil {
			return err
		}
		args := append([]string{"ceremony", "renew"}, g.site.paths(g.held)...)
		args = append(args, "--journal", g.path("journal.jsonl"), "--journal-head", head, "--out",
			g.site.path("plan-"+name, "plan.yaml"))
		if _, err := g.site.command(ctx, g.site.officiant, args...); err != nil {
			return err
		}
		if err := g.hold(ctx, name); err != nil {
			return err
		}
		said, err := g.site.command(ctx, g.site.officiant, append([]string{"ceremony", "inventory"},
			g.site.paths(g.held)...)...)
		for _, want := range []string{"worker-2/kubelet-client", "worker-2/kubelet-serving",
			"worker-1/kubelet-client"} {
			if err == nil && !strings.Contains(string(said), want) {
				err = fmt.Errorf("inventory has no %s\n%.2000s", want, said)
			}
		}
		return err
	}
}

// signsOn has the signer start with the newest grant, and sign.
func (r *clientRollover) signsOn(ctx context.Context) error {
	if err := errors.Join(r.keys(), r.take(r.held[0]), r.start(ctx)); err != nil {
		return err
	}
	name := "on-" + unguessable()
	if err := r.request(ctx, r.api, asked{name: name, node: "worker-2"}); err != nil {
		return err
	}
	return r.comes(ctx, r.api, name, "Approved Issued", patience)
}

// stage plans and carries out one, and installs it where the API server is. The signer's
// station has a place for the new key from the first stage on, so that a grant by SIGHUP
// is all that the second takes.
func (r *clientRollover) stage(name string) func(context.Context) error {
	return func(ctx context.Context) error {
		if name == "trust" {
			if err := r.site.place("kubelet-client"); err != nil {
				return err
			}
		}
		if name == "issue" {
			if err := r.keepsOld(ctx); err != nil {
				return err
			}
		}
		if err := r.site.plan(ctx, "kubelet-client", name, "plan-"+name, r.held); err != nil {
			return err
		}
		if err := r.hold(ctx, name); err != nil {
			return err
		}
		if next := map[string]string{"trust": "issue", "issue": "drop"}[name]; next != "" {
			if err := r.early(ctx, next, "node cp-1: it has the bundle of"); err != nil {
				return fmt.Errorf("%s, before this one is installed: %w", next, err)
			}
		}
		said, err := r.site.install(ctx, r.api.host, r.held[0])
		if err != nil {
			return err
		}
		if told := restarts(said); len(told) > 0 {
			return fmt.Errorf("install says to restart %q\n%s", told, said)
		}
		if name == "issue" { // the signer still signs by the old authority
			const needs = "node worker-2: its kubelet asks with a certificate by kubelet-client, "
			if err := r.early(ctx, "drop", needs); err != nil {
				return fmt.Errorf("drop, while the kubelet needs the old authority: %w", err)
			}
		}
		if err := r.take(r.held[0]); err != nil {
			return err
		}
		if name == "trust" {
			r.serve.stop()
			return errors.Join(r.keys(), r.start(ctx))
		}
		return r.reload(ctx)
	}
}

// reload has the signer read its grant again.
func (r *clientRollover) reload(ctx context.Context) error {
	count := func() (int, error) {
		text, err := os.ReadFile(r.serve.log)
		return strings.Count(string(text), `"msg":"reloaded"`), err
	}
	before, err := count()
	if err != nil {
		return err
	}
	if err := r.serve.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		return err
	}
	return until(ctx, patience, r.serve, func() error {
		now, err := count()
		if err == nil && now == before {
			err = errors.New("it has not said that it has reloaded")
		}
		return err
	})
}

// keepsOld waits until worker-1 has a certificate that is valid for long enough to be
// tried after the stage.
func (r *clientRollover) keepsOld(ctx context.Context) error {
	return until(ctx, patience, r.node, func() (err error) {
		r.old, err = pairIn(filepath.Join(r.path("worker-1"), "kubelet-client-current.pem"))
		if err == nil && time.Until(r.old.Leaf.NotAfter) < 45*time.Second {
			err = errors.New("it is about to rotate what it has")
		}
		return err
	})
}

// early wants a stage refused for a reason.
func (r *clientRollover) early(ctx context.Context, stage, reason string) error {
	return refused(r.site.plan(ctx, "kubelet-client", stage, "plan-early-"+stage, r.held), reason)
}

// oldLogsIn has the API server take a certificate by the authority that goes. It reads its
// file again by itself.
func (r *clientRollover) oldLogsIn(ctx context.Context) error {
	if left := time.Until(r.old.Leaf.NotAfter); left < 0 {
		return fmt.Errorf("the certificate that was kept has ended %s ago", -left)
	}
	return logIn(ctx, target{r.api}, r.old)
}

// dropped shows it of the file that the API server reads: the certificate that was kept
// has ended meanwhile, so it is held against a moment when it had not.
func (r *clientRollover) dropped(ctx context.Context) error {
	if err := r.trusts(r.api, "kubelet-client-2")(ctx); err != nil {
		return err
	}
	data, err := os.ReadFile(r.api.path("pki/client-ca.crt"))
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(data)
	_, err = r.old.Leaf.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: r.old.Leaf.NotBefore.Add(time.Second),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return refused(err, "certificate signed by unknown authority")
}

// rotatesOn waits for another certificate than the one the kubelet has.
func (r *clientRollover) rotatesOn(ctx context.Context) error {
	c, _, err := r.kubelet.certificate("client")
	if err != nil {
		return err
	}
	r.kubelet.first["client"] = fmt.Sprintf("%x", c.SerialNumber)
	return r.kubelet.has("client")(ctx)
}
