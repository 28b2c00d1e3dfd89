package refusaltest

import (
	"os/exec"
	"strings"
	"testing"
)

// Shell runs a script in a folder and returns what it prints: inputs that openssl,
// ssh-keygen and others have made.
func Shell(t *testing.T, dir, script string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-euc", script)
	cmd.Dir = dir
	var errors strings.Builder
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, errors.String())
	}
	return string(out)
}
