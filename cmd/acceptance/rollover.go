package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// stages are the ceremonies in which the kubernetes authority is replaced on the
// living cluster, in their order.
var stages = []struct{ name, ceremony string }{
	{"trust", "ceremony-trust"}, {"issue", "ceremony-issue"}, {"drop", "ceremony-drop"},
}

// rollover replaces the kubernetes authority of a cluster that runs, and shows
// what old and new certificates are worth after each stage.
func (s *site) rollover(m *machine) []trial {
	var old, worker *tls.Certificate
	var token, oldTrust, newTrust string
	logs := func(who **tls.Certificate) func(context.Context) error {
		return func(ctx context.Context) error { return logIn(ctx, target{m}, *who) }
	}
	trusts := func(file *string) func(context.Context) error {
		return func(ctx context.Context) error { return m.ready(ctx, *file) }
	}
	// The API server reads its files again by itself, a little later.
	soon := func(run func(context.Context) error, reasons ...string) func(context.Context) error {
		return func(ctx context.Context) error {
			return until(ctx, patience, m.running[apiServer], func() error {
				if len(reasons) == 0 {
					return run(ctx)
				}
				return refused(run(ctx), reasons...)
			})
		}
	}
	list := []trial{{"rollover: what is out there before is kept", func(ctx context.Context) (err error) {
		oldTrust = s.path("old-ca.crt")
		if err := rewrite(m.path("pki/ca.crt"), oldTrust, "", ""); err != nil {
			return err
		}
		if old, err = fromConf(m.path("admin.conf")); err != nil {
			return err
		}
		if worker, err = s.as("worker-1"); err != nil {
			return err
		}
		token, err = m.token(ctx)
		return err
	}}}
	for i, stage := range stages {
		list = append(list, trial{"rollover, " + stage.name + ": planned, run, installed on every node, and restarted", func(ctx context.Context) error {
			return s.stage(ctx, m, i)
		}})
		list = append(list, s.lives(m, stage.name, func() string { return token })...)
		switch stage.name {
		case "trust":
			list = append(list,
				trial{"rollover, trust: an old administrator logs in", logs(&old)},
				trial{"rollover, trust: who trusts the old authority alone believes the API server", trusts(&oldTrust)},
				trial{"not: who trusts the new one alone believes it", func(ctx context.Context) error {
					newTrust = s.path("ceremony-trust", "authorities", "kubernetes-2.crt")
					return refused(m.ready(ctx, newTrust), "unknown authority")
				}})
		case "issue":
			list = append(list,
				trial{"rollover, issue: an old administrator and an old worker log in", func(ctx context.Context) error {
					if err := logs(&old)(ctx); err != nil {
						return err
					}
					return logs(&worker)(ctx)
				}},
				trial{"rollover, issue: who trusts the new authority alone believes the API server", soon(trusts(&newTrust))},
				trial{"not: who trusts the old one alone believes it", soon(trusts(&oldTrust), "unknown authority")})
		case "drop":
			list = append(list,
				trial{"not: an old administrator logs in", soon(logs(&old), "answer is 401")},
				trial{"not: an old worker logs in", soon(logs(&worker), "answer is 401")},
				trial{"not: a bundle of the stage before installs", func(ctx context.Context) error {
					_, err := s.install(ctx, m.host, "ceremony-issue")
					return refused(err, "is older than")
				}})
		}
	}
	return list
}

// lives shows that the cluster works with what a stage left.
func (s *site) lives(m *machine, stage string, token func() string) []trial {
	say := func(what string) string { return "rollover, " + stage + ": " + what }
	return []trial{
		{say("admin.conf may do everything"), func(ctx context.Context) error {
			_, err := m.kubectl(ctx, "admin.conf", "auth", "can-i", "*", "*", "--all-namespaces")
			return err
		}},
		{say("controller manager and scheduler hold their leases"), func(ctx context.Context) error {
			if err := m.renews(ctx, controllerManager, patience); err != nil {
				return err
			}
			return m.renews(ctx, scheduler, patience)
		}},
		{say("a worker logs in with what it installed"), func(ctx context.Context) error {
			return s.put(ctx, m, "worker-1", "PATCH", allNodes+"/worker-1", label("example.test/rollover", stage), 200, stage)
		}},
		{say("the token from before is accepted"), func(ctx context.Context) error { return m.accepts(ctx, token()) }},
		{say("kube-root-ca.crt becomes what server-ca.crt holds"), func(ctx context.Context) error { return s.published(ctx, m) }},
		{say("officiant-node verify finds nothing on any node"), func(ctx context.Context) error {
			for _, h := range s.hosts {
				if err := s.verify(ctx, s.root(h.name)); err != nil {
					return err
				}
			}
			return nil
		}},
	}
}

// published waits until pods get what the controller manager was restarted with.
func (s *site) published(ctx context.Context, m *machine) error {
	want, err := os.ReadFile(m.path("pki/server-ca.crt"))
	if err != nil {
		return err
	}
	return until(ctx, patience, m.running[controllerManager], func() error {
		said, err := m.kubectl(ctx, "admin.conf", "get", "configmap", "-n", "default", "kube-root-ca.crt", "-o", `jsonpath={.data.ca\.crt}`)
		if err == nil && strings.TrimSpace(said) != strings.TrimSpace(string(want)) {
			return fmt.Errorf("kube-root-ca.crt holds %d certificates, server-ca.crt %d", len(certificates([]byte(said))), len(certificates(want)))
		}
		return err
	})
}

// stage plans and carries out one stage, with the commands of docs/rollover.md,
// after the ceremonies in which certificates were revoked. The next one is refused
// while a node has not installed it.
func (s *site) stage(ctx context.Context, m *machine, i int) error {
	stage, former := stages[i], slices.Clone(s.before)
	for _, before := range stages[:i] {
		former = append(former, before.ceremony)
	}
	slices.Reverse(former)
	if i == 0 {
		if err := s.place("kubernetes"); err != nil {
			return err
		}
	}
	if err := s.plan(ctx, "kubernetes", stage.name, "plan-"+stage.name, former); err != nil {
		return err
	}
	if err := s.perform(ctx, "plan-"+stage.name, stage.ceremony, s.paths(former)...); err != nil {
		return err
	}
	if err := s.renewNode(ctx, m, stage.ceremony); err != nil {
		return err
	}
	if i+1 < len(stages) {
		next := stages[i+1].name
		err := s.plan(ctx, "kubernetes", next, "plan-early-"+next, append([]string{stage.ceremony}, former...))
		if err := refused(err, "node worker-1: it has the bundle of"); err != nil {
			return fmt.Errorf("%s, while workers lag: %w", next, err)
		}
	}
	for _, h := range s.hosts {
		if h.controlPlane() {
			continue
		}
		if _, err := s.install(ctx, h, stage.ceremony); err != nil {
			return err
		}
	}
	return nil
}

// place says in the station where the key of an authority's successor is to live.
func (s *site) place(authority string) error {
	station := s.path("station.yaml")
	text, err := os.ReadFile(station)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "  "+authority+":") {
			return rewrite(station, station, line, line+strings.Replace(line, authority+":", authority+"-2:", 1))
		}
	}
	return fmt.Errorf("%s says nothing of %s", station, authority)
}

// plan takes every node's status and has a stage of an authority planned.
func (s *site) plan(ctx context.Context, authority, stage, folder string, former []string) error {
	status := s.path("status")
	if err := os.MkdirAll(status, 0o755); err != nil {
		return err
	}
	for _, h := range s.hosts {
		said, err := s.command(ctx, s.node, "status", "--root", s.root(h.name), "-o", "json")
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(status, h.name+".json"), said, 0o644); err != nil {
			return err
		}
	}
	args := []string{"ceremony", "rollover"}
	for _, dir := range former {
		args = append(args, s.path(dir))
	}
	_, err := s.command(ctx, s.officiant, append(args, "--authority", authority, "--stage", stage, "--status", status,
		"--out", s.path(folder, "plan.yaml"))...)
	return err
}

// renewNode installs a bundle on the machine and restarts what install says.
func (s *site) renewNode(ctx context.Context, m *machine, ceremony string) error {
	said, err := s.install(ctx, m.host, ceremony)
	if err != nil {
		return err
	}
	told := restarts(said)
	if len(told) == 0 {
		return fmt.Errorf("install does not say what to restart\n%s", said)
	}
	for _, component := range components {
		if !slices.Contains(told, component) || m.running[component] == nil {
			continue
		}
		m.stop(component)
		if err := m.start(ctx, component); err != nil {
			return err
		}
	}
	return until(ctx, patience, m.running[apiServer], func() error { return m.ready(ctx, m.path("pki/ca.crt")) })
}
