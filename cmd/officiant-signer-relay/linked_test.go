package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestLinked: the relay has neither key nor policy. It links nothing of signer and
// ceremony, no PKCS#11 and no cgo; and the modules it links are on a list.
func TestLinked(t *testing.T) {
	c := exec.Command("go", "list", "-deps", "-f",
		"{{if not .Standard}}{{.ImportPath}}\t{{with .Module}}{{.Path}}{{end}}\t{{len .CgoFiles}}{{end}}", ".")
	c.Env = append(os.Environ(), "CGO_ENABLED=1")
	out, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	var modules []string
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		if len(f) != 3 {
			continue
		}
		if why := forbidden(f[0]); why != "" || f[2] != "0" {
			t.Errorf("it links %s (%s, %s files of cgo)", f[0], why, f[2])
		}
		if !slices.Contains(modules, f[1]) {
			modules = append(modules, f[1])
		}
	}
	slices.Sort(modules)
	text, err := os.ReadFile(filepath.Join("testdata", "modules.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(modules, "\n") + "\n"; got != string(text) {
		t.Errorf("testdata/modules.txt is another list than\n%s", got)
	}
}

// forbidden is why a package is none of a relay's; empty when it may be.
func forbidden(path string) string {
	for _, prefix := range []string{"officiant/signer", "officiant/ceremony", "officiant/softhsm",
		"officiant/bundle/install"} {
		if path == prefix || strings.HasPrefix(path, prefix+"/") {
			return "keys and policy are the signer's"
		}
	}
	if strings.Contains(path, "pkcs11") || strings.Contains(path, "/kms") {
		return "keys are the signer's"
	}
	return ""
}

func TestLinkedCanFail(t *testing.T) {
	for path, want := range map[string]bool{"officiant/signer": true, "officiant/ceremony/online/endpoint": true,
		"github.com/miekg/pkcs11": true, "officiant/cmd/internal/exit": false, "k8s.io/client-go/rest": false,
		"officiant/cmd/officiant-signer-relay/internal/relay": false} {
		if (forbidden(path) != "") != want {
			t.Errorf("%s: %q", path, forbidden(path))
		}
	}
}
