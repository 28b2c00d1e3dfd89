package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"officiant/cmd/internal/commandtest"
	"officiant/cmd/internal/exit"
)

// typed runs a command line, and returns its exit code and what it says.
func typed(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	code = execute(t.Context(), &options{Stdout: &out, Stderr: &errs, Log: io.Discard, Now: time.Now,
		Hostname: func() (string, error) { return "host", nil }, Version: "v1"}, args)
	return code, out.String(), errs.String()
}

func TestHelpFits(t *testing.T) {
	commandtest.HelpFits(t, newRootCommand(&options{}), func(screen io.Writer, args []string) {
		execute(t.Context(), &options{Stdout: screen, Stderr: screen, Log: io.Discard, Now: time.Now}, args)
	})
}

func TestExamples(t *testing.T) {
	commandtest.Examples(t, func() *cobra.Command {
		return newRootCommand(&options{Stdout: io.Discard, Stderr: io.Discard})
	}, len(examples))
}

func TestVersionAndPages(t *testing.T) {
	if code, out, _ := typed(t, "version"); code != 0 || out != "officiant-signer-relay v1\n" {
		t.Errorf("%d: %s", code, out)
	}
	dir := t.TempDir()
	if code, _, errs := typed(t, "man", dir); code != 0 {
		t.Errorf("%d: %s", code, errs)
	}
	for _, page := range []string{"officiant-signer-relay.1", "officiant-signer-relay-run.1",
		"officiant-signer-relay-manifests.1"} {
		if text, err := os.ReadFile(filepath.Join(dir, page)); err != nil || !strings.HasPrefix(string(text), ".") {
			t.Errorf("%s: %v", page, err)
		}
	}
}

// TestExitCodes are those of docs/exit-codes.md.
func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	junk, none := filepath.Join(dir, "junk"), filepath.Join(dir, "none")
	if err := os.WriteFile(junk, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := []string{"run", "--signer-endpoint", "unix:/s", "--kubeconfig", junk}
	with := func(more ...string) []string { return append(run[:len(run):len(run)], more...) }
	tls := func(file string) []string {
		return []string{"run", "--signer-endpoint", "h:1", "--tls-cert", file, "--tls-key", file, "--signer-ca", file}
	}
	manifests := []string{"manifests", "--image", "i", "--signer-endpoint"}
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no command":             {nil, exit.Usage, "needs a command"},
		"another command":        {[]string{"serve"}, exit.Usage, "serve"},
		"another flag":           {with("--policy", "x"), exit.Usage, "--policy"},
		"no endpoint":            {[]string{"run"}, exit.Usage, "signer-endpoint"},
		"an endpoint that is no": {[]string{"run", "--signer-endpoint", "x"}, exit.Usage, "neither unix:PATH nor"},
		"no TLS files":           {[]string{"run", "--signer-endpoint", "h:1"}, exit.Usage, "needs certificate"},
		"TLS for a socket":       {with("--tls-cert", junk), exit.Usage, "no TLS files"},
		"a TLS file not there":   {tls(none), exit.Usage, "none"},
		"TLS files of junk":      {tls(junk), exit.Refused, "--tls-cert"},
		"no kubeconfig, no pod":  {[]string{"run", "--signer-endpoint", "unix:/s"}, exit.Usage, "no pod"},
		"a kubeconfig not there": {with("--kubeconfig", none), exit.Usage, "none"},
		"a kubeconfig of junk":   {run, exit.Refused, "junk"},
		"an argument":            {with("x"), exit.Usage, "no arguments"},
		"workers":                {with("--workers", "0"), exit.Usage, "--workers"},
		"deadline":               {with("--deadline", "0s"), exit.Usage, "--deadline"},
		"lease":                  {with("--lease-duration", "1ms"), exit.Usage, "--lease-duration"},
		"longest wait":           {with("--longest-wait", "2h"), exit.Usage, "--longest-wait"},
		"qps":                    {with("--kube-api-qps", "NaN"), exit.Usage, "--kube-api-qps"},
		"namespace":              {with("--namespace", "A_b"), exit.Usage, "--namespace"},
		"signer name":            {with("--signer-name", "x y"), exit.Usage, "--signer-name"},
		"manifests of nothing":   {[]string{"manifests"}, exit.Usage, "--image"},
		"manifests, a socket":    {append(manifests, "unix:/s"), exit.Usage, "HOST:PORT"},
		"manifests, port 0":      {append(manifests, "h:0"), exit.Usage, "HOST:PORT"},
		"manifests, one replica": {append(manifests, "h:1", "--replicas", "1"), exit.Usage, "replicas"},
		"manifests, namespace":   {append(manifests, "h:1", "--namespace", "-"), exit.Usage, "--namespace"},
		"another part":           {[]string{"manifests", "--part", "x"}, exit.Usage, "--part"},
	} {
		code, _, errs := typed(t, c.args...)
		if code != c.code || !strings.Contains(errs, c.says) {
			t.Errorf("%s: exit code %d, want %d: %s", name, code, c.code, errs)
		}
	}
	if code, _ := outcome(context.Canceled); code != exit.Interrupted {
		t.Errorf("interrupted: %d", code)
	}
}
