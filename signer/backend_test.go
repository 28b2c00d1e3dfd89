package signer

import (
	"strings"
	"testing"
)

func TestBackend(t *testing.T) {
	all := map[string]int{"pkcs11": 1, "awskms": 2}
	for _, uri := range []string{"pkcs11:token=a", "PKCS11:token=a"} {
		if b, err := Backend(Ref{URI: uri}, all, ""); b != 1 || err != nil {
			t.Errorf("%s: %d, %v", uri, b, err)
		}
	}
	_, err := Backend(Ref{URI: "pkcs1:token=a", Label: "demo/root"}, all, " (airgap)")
	const want = `demo/root: no backend for "pkcs1" in this build (airgap); it has awskms, pkcs11; did you mean pkcs11?`
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v", err)
	}
}
