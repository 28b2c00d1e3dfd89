package plan

import (
	"strings"
	"testing"
)

func TestCheckInputPath(t *testing.T) {
	for _, p := range []string{"a", "requests/cp-1.req", "previous/demo-1/root.crt", "_a/@b/+c.d=e,f"} {
		if err := CheckInputPath(p); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
	for _, p := range []string{"", "/a", "a/../b", "..", ".", "./a", "a//b", "a/", `a\b`, "a b", "ä", "a\nb", "-a", "a/-b", ".a",
		"plan.yaml", "PLAN.yaml", "schedule.txt", "approvals", "approvals/x", "transcript.jsonl", "transcript.sig", "witnesses/a",
		"release.pub", "authorities/root.crt", "bundles/x", "report.html", "secrets/sa.key.age", strings.Repeat("a", 241)} {
		if err := CheckInputPath(p); err == nil {
			t.Errorf("%q: accepted", p)
		}
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]string{"1y": "1y", "365d": "1y", "8760h": "1y", "90d": "90d", "36h": "36h", "90m": "90m", "3601s": "3601s", "8760h0m0s": "1y"} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || d.String() != want {
			t.Errorf("%s: %s, %v; want %s", text, d, err, want)
		}
	}
	for _, text := range []string{"", "1", "y", "1.5y", "0y", "1y6d", "3600.5s", "999999y", "1000000d", "+1y"} {
		if err := new(Duration).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: accepted", text)
		}
	}
}

// TestLife: a certificate of the online signer's may be valid for minutes, as its grant allows.
func TestLife(t *testing.T) {
	for text, want := range map[string]string{"1m": "1m", "90s": "90s", "24h": "1d", "366d": "366d"} {
		var l Life
		if err := l.UnmarshalText([]byte(text)); err != nil || l.String() != want {
			t.Errorf("%s: %s, %v; want %s", text, l, err, want)
		}
	}
	for text, want := range map[string]string{"59s": "59s is not between 1m and 366d", "2y": "is not between 1m",
		"90.5s": "90.5s is not in whole seconds", "1": "is not a duration"} {
		if err := new(Life).UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %s", text, err, want)
		}
	}
}
