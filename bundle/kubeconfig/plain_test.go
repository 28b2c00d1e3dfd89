package kubeconfig

import (
	"regexp"
	"testing"
)

// TestPlain holds plain against the expression that says the same: of every string of three
// characters of those where they could differ, and shorter ones.
func TestPlain(t *testing.T) {
	want := regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._:/@\[\]+-]*[A-Za-z0-9\]]$`)
	some := []string{"", "a", "z", "A", "Z", "0", "9", ".", "_", ":", "/", "@", "[", "]", "+", "-", " ", "#", "\n", "`",
		"{", "^", "ü", "\xff", "\x00"}
	quoted := 0
	for _, a := range some {
		for _, b := range some {
			for _, c := range some {
				s := a + b + c
				if got := plain(s); got != want.MatchString(s) {
					t.Errorf("%q: %t", s, got)
				} else if !got {
					quoted++
				}
			}
		}
	}
	if quoted == 0 {
		t.Error("nothing needs quotes")
	}
}
