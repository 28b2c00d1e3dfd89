// Package softhsm finds SoftHSM and makes throw-away tokens for rehearsals,
// the demo and tests.
package softhsm

import "errors"

// Token is a token to make.
type Token struct {
	Label string
	SOPIN []byte
	PIN   []byte
}

// Made is a token that was made.
type Made struct {
	Label  string
	Serial string
}

// Find returns the path of SoftHSM's PKCS#11 module.
func Find() (module string, err error) { return "", errors.New("not yet") }

// Init makes the directory dir with a SoftHSM configuration and the tokens in
// it, and returns the configuration's path. SoftHSM reads that path from
// SOFTHSM2_CONF, which is set with setenv and stays set.
func Init(dir, module string, tokens []Token, setenv func(key, value string) error) (conf string, made []Made, err error) {
	return "", nil, errors.New("not yet")
}
