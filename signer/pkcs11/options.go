package pkcs11

import (
	"crypto/x509"
	"time"

	"officiant/signer"
	"officiant/signer/pkcs11/module"
)

// Options is how tokens are opened. The zero value is what Open uses.
type Options struct {
	// FinalTry is the serial of the one token that may be logged in to though
	// its next wrong PIN locks it.
	FinalTry string
	// Timeout is how long a token may take to answer a call; 0 is a minute.
	// Making a key and typing at a pad may take five times as long.
	Timeout time.Duration
	// Said gets each line that a module writes to its stdout or stderr, as it
	// wrote it; nil drops them.
	Said func(module, line string)
	// Tries remembers wrong PINs; nil: none are remembered.
	Tries Tries
	// Roots may vouch for tokens beside the makers' that are built in.
	Roots []*x509.Certificate
	// Allow says which variables of the environment a module gets besides those of
	// its kind.
	Allow module.Allow
}

// says is Said for one module.
func (o Options) says(module string) func(line string) {
	if o.Said == nil {
		return nil
	}
	return func(line string) { o.Said(module, line) }
}

// TokenState is a token as it shows itself without a login.
type TokenState struct {
	signer.Device
	Unready string // why it cannot be opened: "it is not initialized"; empty when it can
}

// Seen is what a token shows of itself without a login.
type Seen struct {
	TokenState
	Algorithms []signer.Algorithm // of keys it says it makes and signs with
	Libraries  []module.Library   // that the module has loaded by then
}
