package ceremonytest

import (
	"os"

	"officiant/signer/pkcs11/module"
)

// A test binary that has fixtures is the process of their PKCS#11 module, too:
// it is started again for that, before any test runs.
func init() {
	if code, ok := module.Serve(os.Args); ok {
		os.Exit(code)
	}
}
