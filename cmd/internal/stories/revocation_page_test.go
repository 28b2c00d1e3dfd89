package stories

import (
	"strings"
	"testing"
)

// TestRevocationPage types every command of docs/revocation.md after those of the
// guide's plan, which it makes again with lists.
func TestRevocationPage(t *testing.T) {
	needTool(t, "openssl")
	first, typed := partsOf(t, "4", "revocation.md", 6)
	_, out := typeAll(t, first, "rm plan.yaml schedule.txt", typed)
	for _, want := range []string{
		"etcd.crl.pem", "client-crl-file", "No bundle for cp-2", "list 2, of 4 certificates",
		"3 lists of 11 revoked certificates",
		"verify OK", "etcd/server.crt: OK", "certificate revoked", "etcd: reloads by itself pki/etcd/ca.crl", "crl front-proxy", "list 3, of 4 certificates",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("nobody was told %q:\n%s", want, out)
		}
	}
}
