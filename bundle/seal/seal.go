package seal

import "errors"

var errLater = errors.New("not written yet")

// NewIdentity makes an X25519 identity ("AGE-SECRET-KEY-1…") and its recipient ("age1…").
func NewIdentity() (identity, recipient string, err error) { return "", "", errLater }

// ValidRecipient says what is wrong with a recipient: age1…, ssh-ed25519 or ssh-rsa.
func ValidRecipient(s string) error { return errLater }

// Seal encrypts secret to all recipients, ASCII-armored.
func Seal(recipients []string, secret []byte) ([]byte, error) { return nil, errLater }

// Open decrypts what Seal made.
func Open(identity string, sealed []byte) ([]byte, error) { return nil, errLater }
