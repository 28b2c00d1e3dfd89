//go:build cgo

package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"officiant/signer"
)

// moduleNames are the PKCS#11 modules that distributions put into one of the
// moduleFolders. pkcs11-spy is not among them: it writes PINs to a log.
var moduleNames = []string{
	"libsofthsm2.so", "libopencryptoki.so", "libtpm2_pkcs11.so", "libtpm2_pkcs11.so.1", "opensc-pkcs11.so",
	"libykcs11.so", "libykcs11.so.2", "yubihsm_pkcs11.so", "libsc-hsm-pkcs11.so", "libkryoptic_pkcs11.so",
	"libsoftokn3.so", "p11-kit-client.so", "p11-kit-proxy.so",
}

// modulePaths are where makers put theirs.
var modulePaths = []string{
	"/usr/safenet/lunaclient/lib/libCryptoki2_64.so", // Thales Luna
	"/opt/nfast/toolkits/pkcs11/libcknfast.so",       // Entrust nShield
	"/opt/cloudhsm/lib/libcloudhsm_pkcs11.so",        // AWS CloudHSM
	"/usr/lib/opencryptoki/libopencryptoki.so",       // opencryptoki from its source
	"/usr/lib64/opencryptoki/libopencryptoki.so",     // Fedora
	"/usr/lib/x86_64-linux-gnu/nss/libsoftokn3.so",   // older Debian and Ubuntu
}

// Modules returns the paths of the PKCS#11 modules that are installed where
// modules usually are, without loading any.
func Modules() []string { return modulesIn(moduleFolders, moduleNames, modulePaths) }

// modulesIn names each module once, under however many names it lies there.
func modulesIn(folders, names, paths []string) []string {
	var all []string
	for _, name := range names {
		for _, folder := range folders {
			all = append(all, filepath.Join(folder, name))
		}
	}
	seen := map[string]bool{}
	var found []string
	for _, path := range append(all, paths...) {
		real, err := filepath.EvalSymlinks(path)
		if err != nil || seen[real] || lookIn([]string{filepath.Dir(path)}, filepath.Base(path)) == "" {
			continue
		}
		seen[real] = true
		found = append(found, path)
	}
	return found
}

// Tokens describes what is in the slots of a module, without a login and within
// the time of a call.
func (o Options) Tokens(ctx context.Context, module string) ([]TokenState, error) {
	return bounded(ctx, o.limits().call, "PKCS#11 module "+module, func() ([]TokenState, error) {
		lib, err := o.acquire(module)
		if err != nil {
			return nil, err
		}
		all, err := lib.tokens()
		return all, errors.Join(err, lib.release())
	})
}

// Tokens is that of the zero Options.
func Tokens(ctx context.Context, module string) ([]TokenState, error) {
	return Options{}.Tokens(ctx, module)
}

func (l *library) tokens() ([]TokenState, error) {
	slots, err := l.ctx.GetSlotList()
	if err := called("C_GetSlotList", err); err != nil {
		return nil, fmt.Errorf("%w: PKCS#11 module %s: %w", signer.ErrUnavailable, l.path, err)
	}
	var all []TokenState
	for _, slot := range slots {
		info, err := l.ctx.GetTokenInfo(slot)
		if err := called("C_GetTokenInfo", err); err != nil { // it hides no other
			all = append(all, TokenState{signer.Device{Backend: "pkcs11", Module: l.path, ModuleSHA256: l.sha256}, err.Error()})
			continue
		}
		t := token{slot, info}
		all = append(all, TokenState{t.device(l), t.unready()})
	}
	return all, nil
}
