//go:build cgo

package softhsm

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/miekg/pkcs11"

	"officiant/bundle/visible"
	"officiant/signer/pkcs11/module"
)

// Init makes a SoftHSM configuration and tokens in dir, which must not hold any
// yet, and returns the configuration's absolute path. It sets SOFTHSM2_CONF to
// that path with setenv, where it stays: the next use of the module in this
// process has these tokens. SoftHSM runs in a process of its own (signer/pkcs11/module).
func Init(dir, module string, tokens []Token, setenv func(key, value string) error) (conf string, made []Made, err error) {
	if err := check(tokens); err != nil {
		return "", nil, err
	}
	conf, err = configure(dir)
	if err != nil {
		return "", nil, err
	}
	if err := setenv("SOFTHSM2_CONF", conf); err != nil {
		return "", nil, err
	}
	made, err = initTokens(module, tokens)
	if err != nil {
		return "", nil, fmt.Errorf("SoftHSM module %s: %w", module, err)
	}
	return conf, made, nil
}

func check(tokens []Token) error {
	seen := map[string]bool{}
	for _, t := range tokens {
		switch {
		case t.Label == "" || len(t.Label) > 32 || strings.TrimSpace(t.Label) != t.Label:
			return fmt.Errorf("token label %q: 1 to 32 bytes, no space around", t.Label)
		case hidden(t.Label):
			return fmt.Errorf("token label %q: has characters that nobody sees", t.Label)
		case seen[t.Label]:
			return fmt.Errorf("token label %q: twice", t.Label)
		case len(t.PIN) < 4 || len(t.PIN) > 255 || len(t.SOPIN) < 4 || len(t.SOPIN) > 255:
			return fmt.Errorf("token %q: PINs have 4 to 255 bytes", t.Label)
		}
		seen[t.Label] = true
	}
	return nil
}

// configure makes the token directory and the configuration that names it.
func configure(dir string) (conf string, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if strings.ContainsAny(dir, "\n\r") {
		return "", fmt.Errorf("%q: SoftHSM cannot read a path with a line break", dir)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	tokens := filepath.Join(dir, "tokens")
	if err := os.Mkdir(tokens, 0o700); err != nil {
		return "", err
	}
	conf = filepath.Join(dir, "softhsm2.conf")
	f, err := os.OpenFile(conf, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	_, err = fmt.Fprintf(f, "directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n", tokens)
	return conf, errors.Join(err, f.Close())
}

func initTokens(path string, tokens []Token) (made []Made, err error) {
	m, err := module.Open(path, module.Options{})
	if err != nil {
		return nil, err
	}
	// It is given back as it is: whoever makes tokens uses them next.
	defer func() { err = errors.Join(err, m.Release()) }()
	if err := m.Initialize(); err != nil {
		return nil, fmt.Errorf("C_Initialize: %w", err)
	}
	for _, t := range tokens {
		serial, err := initToken(m, t)
		if err != nil {
			return nil, fmt.Errorf("token %q: %w", t.Label, err)
		}
		made = append(made, Made{t.Label, serial})
	}
	return made, nil
}

// initToken makes a token in the slot SoftHSM always keeps free, and sets its
// user PIN. The slot gets another number on the way.
func initToken(ctx *module.Module, t Token) (serial string, err error) {
	slot, _, err := find(ctx, func(i pkcs11.TokenInfo) bool { return i.Flags&pkcs11.CKF_TOKEN_INITIALIZED == 0 })
	if err != nil {
		return "", err
	}
	if err := ctx.InitToken(slot, t.SOPIN, t.Label); err != nil {
		return "", fmt.Errorf("C_InitToken: %w", err)
	}
	slot, info, err := find(ctx, func(i pkcs11.TokenInfo) bool { return i.Label == t.Label })
	if err != nil {
		return "", err
	}
	session, err := ctx.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	if err != nil {
		return "", fmt.Errorf("C_OpenSession: %w", err)
	}
	defer func() { err = errors.Join(err, ctx.CloseSession(session)) }()
	if err := ctx.Login(session, pkcs11.CKU_SO, t.SOPIN); err != nil {
		return "", fmt.Errorf("C_Login: %w", err)
	}
	if err := ctx.InitPIN(session, t.PIN); err != nil {
		return "", fmt.Errorf("C_InitPIN: %w", err)
	}
	if err := ctx.Logout(session); err != nil {
		return "", fmt.Errorf("C_Logout: %w", err)
	}
	return info.SerialNumber, nil
}

func find(ctx *module.Module, is func(pkcs11.TokenInfo) bool) (uint, pkcs11.TokenInfo, error) {
	slots, err := ctx.GetSlotList()
	if err != nil {
		return 0, pkcs11.TokenInfo{}, fmt.Errorf("C_GetSlotList: %w", err)
	}
	for _, slot := range slots {
		info, err := ctx.GetTokenInfo(slot)
		if err != nil {
			return 0, info, fmt.Errorf("C_GetTokenInfo: %w", err)
		}
		if is(info) {
			return slot, info, nil
		}
	}
	return 0, pkcs11.TokenInfo{}, errors.New("no such slot")
}

func hidden(label string) bool {
	_, ok := visible.Hidden(label)
	return !ok
}
