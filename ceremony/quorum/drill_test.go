package quorum_test

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"officiant/ceremony/quorum"
)

func TestDrill(t *testing.T) {
	set, shares := deal(t, 3)
	d := &quorum.Drill{Set: set.ID(), Time: time.Date(2026, 11, 29, 14, 0, 0, 0, time.UTC)}
	for _, s := range shares[:2] {
		p, err := set.Prove(rand.Reader, s, d.Purpose())
		if err != nil {
			t.Fatal(err)
		}
		d.Proofs = append(d.Proofs, p)
	}
	text := string(d.Text())
	if _, err := set.ParseDrill([]byte(text)); err != nil {
		t.Fatal(err)
	}
	other, _ := deal(t, 3)
	if _, err := other.ParseDrill([]byte(text)); err == nil {
		t.Error("a drill was taken for another set's")
	}
	for name, c := range map[string]struct{ from, to, want string }{
		"another day":     {"2026-11-29", "2026-11-30", "proof of share 1 (alice)"},
		"another person":  {"proof: 2", "proof: 3", "proof of share 3 (kim)"},
		"the same twice":  {"proof: 2", "proof: 1", "comes twice"},
		"a number of its": {"proof: 2", "proof: x", "line 5"},
		"a local time":    {"14:00:00Z", "15:00:00+01:00", "not those that a drill has"},
		"cut short":       {text[len(text)-1:], "", "cut short"},
	} {
		changed := strings.Replace(text, c.from, c.to, 1)
		if name == "cut short" {
			changed = strings.TrimSuffix(text, "\n")
		}
		if _, err := set.ParseDrill([]byte(changed)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
