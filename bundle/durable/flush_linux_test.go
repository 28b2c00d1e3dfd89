package durable

import "testing"

func TestSinceRelease(t *testing.T) {
	for release, want := range map[string]bool{
		"5.8": true, "5.8.0-rc1": true, "5.10.0-8-amd64": true, "6.12.48+deb13-amd64": true, "10.0": true,
		"5.7.19": false, "4.19.0": false, "5": false, "": false, "x.y": false,
	} {
		if got := sinceRelease(release, 5, 8); got != want {
			t.Errorf("%q: %t", release, got)
		}
	}
}
