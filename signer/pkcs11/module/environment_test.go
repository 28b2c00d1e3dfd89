package module

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestVariables(t *testing.T) {
	environ := []string{
		"SOFTHSM2_CONF=/old", "SOFTHSM2_CONF=/room/softhsm2.conf", "OPENSSL_CONF=/evil.cnf",
		"LD_PRELOAD=/evil.so", "LC_ALL=C",
		"HOME=/root", "FS_RULES=x", "NOBODYS=x", "VENDOR_PIN=1234", "BROKEN_THING=x", "THING_=x",
		"TPM2_PKCS11_TCTI=tabrmd",
		"P11_KIT_SERVER_ADDRESS=unix:path=/x", "PATH=/evil",
		"AWS_SECRET_ACCESS_KEY=s", "XDG_CONFIG_HOME=/evil", "GCONV_PATH=/evil", "MY_TOKEN=t", "broken", "=x",
	}
	vendor := filepath.Join(t.TempDir(), "libvendor.so")
	has := "\x7fELF\x00FS_RULES\x00OPENSSL_CONF\x00VENDOR_PIN\x00P11_KIT_SERVER_ADDRES\x00A_BROKEN_THING\x00PATH\x00"
	if err := os.WriteFile(vendor, []byte(has), 0o600); err != nil {
		t.Fatal(err)
	}
	withheld := []string{"GCONV_PATH", "LD_PRELOAD", "OPENSSL_CONF", "XDG_CONFIG_HOME"}
	for _, c := range []struct {
		module string
		allow  Allow
		known  bool
		own    []string
	}{
		{"/usr/lib/softhsm/libsofthsm2.so", Allow{}, true, []string{"SOFTHSM2_CONF=/room/softhsm2.conf"}},
		{"/usr/lib/x86_64-linux-gnu/pkcs11/libtpm2_pkcs11.so.1", Allow{}, true, []string{"TPM2_PKCS11_TCTI=tabrmd"}},
		{"/usr/lib/x86_64-linux-gnu/p11-kit-proxy.so", Allow{}, true, []string{
			"P11_KIT_SERVER_ADDRESS=unix:path=/x", "SOFTHSM2_CONF=/room/softhsm2.conf", "TPM2_PKCS11_TCTI=tabrmd"}},
		{vendor, Allow{}, false, []string{ // names by their end, too: so linkers share them
			"BROKEN_THING=x", "FS_RULES=x", "P11_KIT_SERVER_ADDRESS=unix:path=/x", "SOFTHSM2_CONF=/room/softhsm2.conf",
			"TPM2_PKCS11_TCTI=tabrmd"}},
		{vendor, Allow{Named: []string{"VENDOR_PIN", "NOBODYS"}}, false, []string{
			"BROKEN_THING=x", "FS_RULES=x", "NOBODYS=x", "P11_KIT_SERVER_ADDRESS=unix:path=/x",
			"SOFTHSM2_CONF=/room/softhsm2.conf", "TPM2_PKCS11_TCTI=tabrmd", "VENDOR_PIN=1234"}},
		{vendor, Allow{Only: true}, false, nil},
		{vendor + ".gone", Allow{}, false, []string{
			"P11_KIT_SERVER_ADDRESS=unix:path=/x", "SOFTHSM2_CONF=/room/softhsm2.conf", "TPM2_PKCS11_TCTI=tabrmd"}},
		{vendor, Allow{Only: true, Named: []string{"FS_RULES", "OPENSSL_CONF", "PATH"}}, false,
			[]string{"FS_RULES=x"}},
		{"/usr/lib/softhsm/libsofthsm2.so", Allow{Only: true, Named: []string{"FS_RULES"}}, true,
			[]string{"FS_RULES=x", "SOFTHSM2_CONF=/room/softhsm2.conf"}},
	} {
		e := Variables(c.module, environ, c.allow)
		if e.Known != c.known || !slices.Equal(e.Own(), c.own) || !slices.Equal(e.Withheld, withheld) {
			t.Errorf("%s: known %t, own %q, withheld %q", c.module, e.Known, e.Own(), e.Withheld)
		}
		if !slices.Contains(e.Passed, "HOME=/root") || !slices.Contains(e.Passed, "LC_ALL=C") {
			t.Errorf("%s: passed %q", c.module, e.Passed)
		}
	}
}
