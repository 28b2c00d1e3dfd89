package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"officiant/cmd/officiant-signer-relay/internal/metrics"
	"officiant/cmd/officiant-signer-relay/internal/relay"
)

var command = regexp.MustCompile(`(?m)^officiant-signer-relay ((?:.*\\\n)*.*)$`)

// TestPage types the relay's commands of docs/signer.md.
func TestPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "signer.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := command.FindAllStringSubmatch(string(page), -1)
	if len(found) != 3 {
		t.Fatalf("%d commands", len(found))
	}
	for _, c := range found {
		line, _, _ := strings.Cut(strings.ReplaceAll(c[1], "\\\n", " "), ">")
		code, out, errs := typed(t, strings.Fields(line)...)
		if code != 0 || !strings.Contains(out, "apiVersion: ") {
			t.Errorf("%s: %d: %s", line, code, errs)
		}
	}
}

var metric = regexp.MustCompile(`officiant_relay_[a-z_]+`)

// TestAlerts: every metric of the rules is one there is.
func TestAlerts(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "signer-relay-alerts.yaml"))
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
	var there bytes.Buffer
	d := newDuty(&runOptions{options: &options{Now: time.Now}, namespace: "ns"}, cluster(), &answers{}, "a", nil)
	(&metrics.Counts{}).Write(&there, d.gauges(relay.Standing{}))
	for _, rule := range rules.Groups[0].Rules {
		names := metric.FindAllString(rule.Expr, -1)
		for _, name := range names {
			if !strings.Contains(there.String(), "# TYPE "+name+" ") {
				t.Errorf("%s: there is no metric %s", rule.Alert, name)
			}
		}
		if len(names) == 0 {
			t.Errorf("%s has no metric of ours: %s", rule.Alert, rule.Expr)
		}
	}
}
