package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"officiant/ceremony/online"
	"officiant/ceremony/online/endpoint"
	"officiant/ceremony/online/onlinetest"
)

var blocks = regexp.MustCompile("(?s)\n```sh\n(.*?)```\n")

// TestPage types docs/signer.md.
func TestPage(t *testing.T) {
	for _, tool := range []string{"bash", "openssl", "curl", "jq"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "signer.md"))
	if err != nil {
		t.Fatal(err)
	}
	r := newRoom(t)
	for _, name := range []string{"grant.json.sig", "release.pub"} {
		if err := os.Remove(r.path(name)); err != nil {
			t.Fatal(err)
		}
	}
	self, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, r.path("officiant-signer")); err != nil {
		t.Fatal(err)
	}
	script := "set -m\n"
	found := blocks.FindAllStringSubmatch(string(page), -1)
	for _, b := range found {
		script += b[1]
	}
	c := exec.Command("bash", "-euo", "pipefail", "-c", script)
	c.Dir, c.Env = r.dir, append(os.Environ(), "PATH="+r.dir+":"+os.Getenv("PATH"))
	out, err := c.CombinedOutput()
	if err != nil || len(found) != 4 {
		log, _ := os.ReadFile(r.path("signer.log"))
		t.Fatalf("%d blocks: %v\n%s\n%s", len(found), err, out, log)
	}
	for _, want := range []string{"Verified OK", "ready            yes", "DNS:worker-1, IP Address:10.0.0.11",
		"1 certificates, each within its grant"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%q does not show:\n%s", want, out)
		}
	}
}

var metric = regexp.MustCompile(`officiant_signer_[a-z_]+`)

// TestAlerts: every metric of the rules is one there is.
func TestAlerts(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "signer-alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var rules struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(text, &rules); err != nil || len(rules.Groups) != 1 {
		t.Fatalf("%+v, %v", rules, err)
	}
	w := onlinetest.New(t)
	service := online.New(online.Config{Grant: onlinetest.Parse(t, w.Grant), Now: time.Now})
	metrics := get(t, endpoint.Operators(service, time.Now), "/metrics")
	for _, rule := range rules.Groups[0].Rules {
		names := metric.FindAllString(rule.Expr, -1)
		for _, name := range names {
			if !strings.Contains(metrics, "# TYPE "+name+" ") {
				t.Errorf("%s: there is no metric %s", rule.Alert, name)
			}
		}
		if len(names) == 0 {
			t.Errorf("%s has no metric of ours: %s", rule.Alert, rule.Expr)
		}
	}
}
