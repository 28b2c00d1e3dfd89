package nearest

import (
	"slices"
	"strings"
	"testing"
)

func TestName(t *testing.T) {
	for _, row := range []struct{ name, known, want string }{
		{"kubernets", "kubernetes etcd front-proxy", "kubernetes"},
		{"certSans", "certSANs certDir", "certSANs"},
		{"vailidity", "validity valid", "validity"},
		{"ndoes", "nodes name", "nodes"},
		{"verfy", "verify version", "verify"},
		{"rol", "role roles", "role"},
		{"nme", "name nmd", ""}, // equally near
		{"bsh", "bash fish powershell zsh", "bash"},
		{"x", "y z", ""},
		{"abc", "xyz", ""},
		{"authority", "approvals", ""},
		{"NAME", "name NAMES", "name"},
		{"", "a", ""},
		{strings.Repeat("a", 100), strings.Repeat("a", 64), ""},
	} {
		got, ok := Name(row.name, slices.Values(strings.Fields(row.known)))
		if ok != (row.want != "") || ok && got != row.want {
			t.Errorf("%q of %s: %q, %v; want %q", row.name, row.known, got, ok, row.want)
		}
	}
}

func TestHint(t *testing.T) {
	if got := Hint("verfy", slices.Values([]string{"verify"})); got != "; did you mean verify?" {
		t.Error(got)
	}
	if got := Hint("zebra", slices.Values([]string{"verify"})); got != "" {
		t.Error(got)
	}
}
