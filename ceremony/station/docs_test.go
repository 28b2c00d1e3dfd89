package station

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPages: every station that docs/signers shows is one, whole or cut down
// to its keys, and what its pages say cannot be set in one is refused.
func TestPages(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "docs", "signers", "*.md"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	block := regexp.MustCompile("(?s)```yaml\n(.*?)```")
	shown := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range block.FindAllStringSubmatch(string(text), -1) {
			shown++
			if strings.HasPrefix(b[1], "keys:") {
				b[1] = "apiVersion: officiant/v1\nkind: Station\nname: cut\n" + b[1]
			}
			if _, err := Parse(filepath.Base(file), []byte(b[1])); err != nil {
				t.Error(err)
			}
		}
	}
	if shown < 7 {
		t.Errorf("%d stations in %d pages", shown, len(files))
	}
}

func TestPageVariables(t *testing.T) {
	const inherit = `, nor "inherit" for what is exported before the run`
	for _, c := range []struct{ name, value, want string }{
		{"YUBIHSM_PKCS11_CONF", "/etc/officiant/yubihsm_pkcs11.conf", ""},
		{"TPM2_PKCS11_STORE", "/var/lib/officiant/tpm2", ""},
		{"NFAST_HOME", "/opt/nfast", ""},
		{"NFAST_KMDATA", "/opt/nfast/kmdata", ""},
		{"ChrystokiConfigurationPath", "/etc/luna", `environment: "ChrystokiConfigurationPath" is not a name of upper-case letters, digits and _`},
		{"CKNFAST_LOADSHARING", "1", `environment: CKNFAST_LOADSHARING is not an absolute path` + inherit},
		{"TPM2_PKCS11_TCTI", "device:/dev/tpmrm0", `environment: TPM2_PKCS11_TCTI is not an absolute path` + inherit},
		{"TPM2_PKCS11_TCTI", "inherit", ""},
	} {
		if got := checkVariable(c.name, c.value); got != c.want {
			t.Errorf("%s=%s: %q, want %q", c.name, c.value, got, c.want)
		}
	}
}
