package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"officiant/cmd/internal/exit"
)

// TestUsage types commands that lack something or contradict themselves. Each is
// refused with its own words, before a file is read, and writes nothing.
func TestUsage(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, tt := range []struct{ typed, says string }{
		{"ceremony approve plan.yaml", "needs either --key FILE or --print"},
		{"ceremony approve plan.yaml --key k --print", "needs either --key FILE or --print"},
		{"ceremony sign dir --key k", "needs --witness NAME, and either --key FILE or --print"},
		{"ceremony sign dir --witness eve --key k --print", "needs --witness NAME, and either --key FILE or --print"},
		{"ceremony inventory", "takes one ceremony directory or more"},
		{"ceremony inventory dir -o toml", "csv"},
		{"ceremony report dir -o toml", "html or text"},
		{"ceremony inventory dir --kind branch", "root, intermediate, leaf or crl"},
		{"ceremony expiry dir --within soon", "--within: "},
		{"ceremony renew dir --out plan.yaml", "needs --within TIME and --out FILE"},
		{"ceremony renew dir --requests requests", "needs --within TIME and --out FILE"},
		{"ceremony renew dir --within 90d", "needs --within TIME and --out FILE"},
		{"ceremony renew dir --online-signer --node cp-1 --out plan.yaml", "--online-signer is for every node"},
		{"ceremony renew dir --journal-key 51d0 --out plan.yaml", "--journal-key: "},
		{"ceremony renew dir --within soon --out plan.yaml", "--within: "},
		{"ceremony renew dir --within 90d --out plan.yaml --validity long", "--validity: "},
		{"signer list a b", "takes one token or KMS, or none"},
		{"signer list --module m pkcs11:token=t", "--module cannot be combined with a URI"},
		{"signer list -o toml", "table"},
		{"signer inspect demo/root -o toml", "table"},
		{"signer create pkcs11:token=t;object=k --algorithm DES", "--algorithm: "},
		{"signer create pkcs11:token=t;object=k --algorithm ECDSA-P256 --evidence gold", "attested, consistent, software or unproven"},
		{"signer test pkcs11:token=t;object=k --algorithm DES", "--algorithm: "},
		{"signer test pkcs11:token=t;object=k --seconds 0", "more than 0, at most 600"},
		{"doctor -o toml", "table"},
	} {
		code, stdout, stderr := officiant(t, strings.Fields(tt.typed)...)
		if code != exit.Usage || stdout != "" || !strings.Contains(stderr, tt.says) {
			t.Errorf("officiant %s: exit %d, want %d and %q\n%s%s", tt.typed, code, exit.Usage, tt.says, stdout, stderr)
		}
	}
	if left, err := os.ReadDir("."); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	must(t, os.WriteFile("plan.yaml", []byte("mine"), 0o600))
	code, _, stderr := officiant(t, "ceremony", "renew", "dir", "--within", "90d", "--out", "plan.yaml")
	if code == 0 || !strings.Contains(stderr, "plans are never overwritten") {
		t.Errorf("over a plan: exit %d\n%s", code, stderr)
	}
	if data, err := os.ReadFile(filepath.Join(".", "plan.yaml")); err != nil || string(data) != "mine" {
		t.Errorf("the plan: %q %v", data, err)
	}
}
