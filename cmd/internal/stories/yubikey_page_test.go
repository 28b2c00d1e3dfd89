//go:build tokens && cgo

package stories

import (
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"officiant/signer/pkcs11/pkcs11test"
)

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// TestYubiKeyPage types the commands of docs/signers/yubikey.md, with PIN and management key
// in the files that the page names. The root of the card is none that is built in, so the
// key is not attested here.
func TestYubiKeyPage(t *testing.T) {
	y := pkcs11test.PIV(t, 12345678)
	page, err := os.ReadFile(filepath.Join(source, "docs", "signers", "yubikey.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := shellBlock.FindAllSubmatch(page, -1)
	if len(blocks) != 1 {
		t.Fatalf("%d blocks", len(blocks))
	}
	dir := t.TempDir()
	for name, secret := range map[string]string{"pin": y.PIN, "management-key": hex.EncodeToString(y.ManagementKey)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := exec.Command("bash", "-euxc", string(blocks[0][1]))
	c.Dir = dir
	c.Env = append(os.Environ(), "PATH="+programs+":"+os.Getenv("PATH"), "NO_COLOR=1")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, says := range []string{"YubiKey PIV #12345678", "CKA_ALWAYS_AUTHENTICATE", "no root that is known"} {
		if !strings.Contains(string(out), says) {
			t.Errorf("nothing says %q:\n%s", says, out)
		}
	}
	if strings.Contains(string(out), hex.EncodeToString(y.ManagementKey)) {
		t.Error("the management key is shown")
	}
	again := exec.Command("bash", "-euc", string(blocks[0][1]))
	again.Dir, again.Env = c.Dir, c.Env
	if out, err := again.CombinedOutput(); err == nil || !strings.Contains(string(out), "a key of this name exists") {
		t.Errorf("a second time: %v\n%s", err, out)
	}
}
