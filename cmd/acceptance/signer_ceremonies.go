package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// ceremonies are those that follow on the cluster that runs: one takes the journal in,
// three replace kubelet-client, and three kubelet-serving.
func (g *signerRoom) ceremonies(m *machine, k *rotatingKubelet) []trial {
	r := &authorityRollover{signerRoom: g, api: m, kubelet: k, authority: "kubelet-client"}
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
		{drop + "kubectl logs reads on", k.soon},
	}
}

// servingCeremonies replace kubelet-serving. API servers read its file only when they
// start, and install says so.
func (g *signerRoom) servingCeremonies(m *machine, k *rotatingKubelet) []trial {
	r := &authorityRollover{signerRoom: g, api: m, kubelet: k, authority: "kubelet-serving",
		restarts: []string{apiServer}}
	const trust, issue, drop = "signer, serving, trust: ", "signer, serving, issue: ", "signer, serving, drop: "
	verifies := func(stage string, by ...string) trial {
		return trial{stage + "the API server verifies kubelets by " + strings.Join(by, " and "),
			g.verifies(m, by...)}
	}
	const first, next = "kubelet-serving-ca", "kubelet-serving-2"
	return []trial{
		{trust + "planned, run, and installed; the API server alone is restarted", r.stage("trust")},
		verifies(trust, first, next),
		{trust + "kubectl logs reads on", k.soon},
		{issue + "planned, run, and installed; kubectl logs reads on by what the old authority signed, and the new " +
			"grant is in place by SIGHUP", r.stage("issue")},
		verifies(issue, next, first),
		{issue + "the kubelet has rotated to one by the new authority", k.has("serving")},
		{issue + "kubectl logs reads on, by that one", k.answers},
		{drop + "planned, run, and installed", r.stage("drop")},
		verifies(drop, next),
		{drop + "what the old authority signed is not verified any more", r.unverified},
		{drop + "kubectl logs reads on", k.soon},
		{drop + "worker-1 is reached by one of the new authority, too", func(ctx context.Context) error {
			return until(ctx, patience, g.node, func() error { return g.reaches(m)(ctx) })
		}},
	}
}

// authorityRollover replaces an authority of the signer.
type authorityRollover struct {
	*signerRoom
	api       *machine
	kubelet   *rotatingKubelet
	authority string
	restarts  []string          // what install says to restart
	old       *tls.Certificate  // of worker-1, by the client authority that goes
	served    *x509.Certificate // of the kubelet, by the serving authority that goes
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
func (r *authorityRollover) signsOn(ctx context.Context) error {
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
func (r *authorityRollover) stage(name string) func(context.Context) error {
	return func(ctx context.Context) error {
		if name == "trust" {
			if err := r.site.place(r.authority); err != nil {
				return err
			}
		}
		if name == "issue" && r.authority == "kubelet-client" {
			if err := r.keepsOld(ctx); err != nil {
				return err
			}
		}
		dir := r.authority + "-" + name
		if err := r.site.plan(ctx, r.authority, name, "plan-"+dir, r.held); err != nil {
			return err
		}
		if err := r.hold(ctx, dir); err != nil {
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
		if told := restarts(said); !slices.Equal(told, r.restarts) {
			return fmt.Errorf("install says to restart %q, not %q\n%s", told, r.restarts, said)
		}
		for _, component := range r.restarts {
			r.api.stop(component)
			if err := r.api.start(ctx, component); err != nil {
				return err
			}
		}
		if name == "issue" { // the signer still signs by the old authority
			if err := r.needsOld(ctx); err != nil {
				return err
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
func (r *authorityRollover) reload(ctx context.Context) error {
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
func (r *authorityRollover) keepsOld(ctx context.Context) error {
	return until(ctx, patience, r.node, func() (err error) {
		r.old, err = pairIn(filepath.Join(r.path("worker-1"), "kubelet-client-current.pem"))
		if err == nil && time.Until(r.old.Leaf.NotAfter) < 45*time.Second {
			err = errors.New("it is about to rotate what it has")
		}
		return err
	})
}

// early wants a stage refused for a reason.
func (r *authorityRollover) early(ctx context.Context, stage, reason string) error {
	return refused(r.site.plan(ctx, r.authority, stage, "plan-early-"+r.authority+"-"+stage, r.held), reason)
}

// oldLogsIn has the API server take a certificate by the authority that goes. It reads its
// file again by itself.
func (r *authorityRollover) oldLogsIn(ctx context.Context) error {
	if left := time.Until(r.old.Leaf.NotAfter); left < 0 {
		return fmt.Errorf("the certificate that was kept has ended %s ago", -left)
	}
	return logIn(ctx, target{r.api}, r.old)
}

// dropped shows it of the file that the API server reads: the certificate that was kept
// has ended meanwhile, so it is held against a moment when it had not.
func (r *authorityRollover) dropped(ctx context.Context) error {
	if err := r.trusts(r.api, "kubelet-client-2")(ctx); err != nil {
		return err
	}
	return r.unknown(r.old.Leaf, "pki/client-ca.crt", x509.ExtKeyUsageClientAuth)
}

// unknown wants a certificate to be by nobody whom a file of the API server's names.
func (r *authorityRollover) unknown(c *x509.Certificate, file string, usage x509.ExtKeyUsage) error {
	data, err := os.ReadFile(r.api.path(file))
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(data)
	_, err = c.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: c.NotBefore.Add(time.Second),
		KeyUsages: []x509.ExtKeyUsage{usage}})
	return refused(err, "certificate signed by unknown authority")
}

// needsOld shows what the old authority is good for while the new one's grant is not in
// place: kubelets log in, and are verified.
func (r *authorityRollover) needsOld(ctx context.Context) (err error) {
	if r.authority == "kubelet-client" {
		const needs = "node worker-2: its kubelet asks with a certificate by kubelet-client, "
		if err := r.early(ctx, "drop", needs); err != nil {
			return fmt.Errorf("drop, while the kubelet needs the old authority: %w", err)
		}
		return nil
	}
	if r.served, _, err = r.kubelet.certificate("serving"); err != nil {
		return err
	}
	if !bytes.Equal(r.served.RawIssuer, r.serving.RawSubject) {
		return fmt.Errorf("the kubelet serves with one by %s", r.served.Issuer)
	}
	r.kubelet.first["serving"] = fmt.Sprintf("%x", r.served.SerialNumber)
	return r.kubelet.soon(ctx)
}

// unverified holds what the kubelet served with before against what the API server reads.
func (r *authorityRollover) unverified(context.Context) error {
	return r.unknown(r.served, "pki/kubelet-serving-ca.crt", x509.ExtKeyUsageServerAuth)
}

// rotatesOn waits for another certificate than the one the kubelet has.
func (r *authorityRollover) rotatesOn(ctx context.Context) error {
	c, _, err := r.kubelet.certificate("client")
	if err != nil {
		return err
	}
	r.kubelet.first["client"] = fmt.Sprintf("%x", c.SerialNumber)
	return r.kubelet.has("client")(ctx)
}
