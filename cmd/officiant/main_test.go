package main

import (
	"os"
	"testing"

	"officiant/signer/pkcs11/module"
)

// TestMain makes the test binary the process of its modules, too.
func TestMain(m *testing.M) {
	if code, ok := module.Serve(os.Args); ok {
		os.Exit(code)
	}
	os.Exit(m.Run())
}
