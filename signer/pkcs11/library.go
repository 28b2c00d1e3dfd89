//go:build cgo

package pkcs11

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/pkcs11"

	"officiant/signer"
)

// library is a PKCS#11 module in this process. Its first user initializes it
// and its last one finalizes it, unless it would not bear that; it stays loaded.
type library struct {
	path   string
	sha256 string
	ctx    *pkcs11.Ctx
	native native

	mu     sync.Mutex
	ready  bool // initialized
	users  int
	info   pkcs11.Info
	logins map[uint]*login // by slot
}

// libraries are the modules loaded so far, by their real path. A module keeps
// one state for the whole process, so the list of them cannot belong to less.
var libraries struct {
	sync.Mutex
	loaded map[string]*library
}

// acquire loads and initializes the module; release gives it back.
func acquire(path string) (*library, error) {
	l, err := load(path)
	if err != nil {
		return nil, fmt.Errorf("%w: PKCS#11 module %s: %w", signer.ErrUnavailable, path, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ready {
		if err := called("C_Initialize", l.ctx.Initialize()); err != nil {
			return nil, fmt.Errorf("%w: PKCS#11 module %s: %w", signer.ErrUnavailable, path, err)
		}
		l.ready = true
		l.logins = map[uint]*login{}
		l.info, _ = l.ctx.GetInfo() // only tells software from hardware, where the token does not
	}
	l.users++
	return l, nil
}

func (l *library) release() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.users--; l.users > 0 || l.initializedOnce() {
		return nil
	}
	l.ready = false
	return called("C_Finalize", l.ctx.Finalize())
}

// initializedOnce reports whether the module must not be finalized, since it
// cannot be initialized again: opencryptoki 3.8 does not open its lock file a
// second time, locks the file that has got its number since, and closes that
// when it is finalized again, were it the record of the ceremony.
func (l *library) initializedOnce() bool {
	return l.info.ManufacturerID == "IBM" && strings.Contains(l.info.LibraryDescription, "Meta PKCS11")
}

func load(path string) (*library, error) {
	name, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	libraries.Lock()
	defer libraries.Unlock()
	if l := libraries.loaded[name]; l != nil {
		return l, nil
	}
	sum, err := fileSHA256(name)
	if err != nil {
		return nil, err
	}
	n, err := loadNative(name)
	if err != nil {
		return nil, err
	}
	l := &library{path: path, sha256: sum, native: n, ctx: pkcs11.New(name)}
	if l.ctx == nil {
		return nil, fmt.Errorf("cannot be loaded a second time")
	}
	if libraries.loaded == nil {
		libraries.loaded = map[string]*library{}
	}
	libraries.loaded[name] = l
	return l, nil
}

func fileSHA256(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// moduleFolders is where distributions put PKCS#11 modules.
var moduleFolders = []string{
	"/usr/lib/softhsm", "/usr/lib/x86_64-linux-gnu/softhsm", "/usr/lib/aarch64-linux-gnu/softhsm", "/usr/lib64/softhsm",
	"/usr/lib/x86_64-linux-gnu/pkcs11", "/usr/lib/aarch64-linux-gnu/pkcs11",
	"/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu",
	"/usr/lib64/pkcs11", "/usr/lib64", "/usr/lib/pkcs11", "/usr/lib",
	"/usr/local/lib/softhsm", "/usr/local/lib/pkcs11", "/usr/local/lib", "/opt/homebrew/lib/softhsm",
}

// modulePackages says which Debian package brings a module.
var modulePackages = []struct{ name, install string }{
	{"softhsm", "softhsm2"}, {"opensc", "opensc-pkcs11"}, {"tpm2_pkcs11", "libtpm2-pkcs11-1"},
	{"p11-kit", "p11-kit-modules"}, {"opencryptoki", "opencryptoki"}, {"softokn3", "libnss3"}, {"ykcs11", "ykcs11"},
}

// module returns the path of the module an address names.
func (a address) module() (string, error) {
	folders := moduleFolders
	switch {
	case a.modulePath == "" && a.moduleName == "":
		return "", fmt.Errorf("pkcs11 URI: names no module: add ?module-path=/path/to/module.so, the PKCS#11 library of the token's maker")
	case a.modulePath != "":
		st, err := os.Stat(a.modulePath)
		if err == nil && !st.IsDir() {
			return a.modulePath, nil
		}
		if err == nil && a.moduleName == "" {
			return "", fmt.Errorf("%w: PKCS#11 module %s: is a directory", signer.ErrUnavailable, a.modulePath)
		}
		if err != nil {
			return "", missing(a.modulePath, filepath.Base(a.modulePath), err)
		}
		folders = []string{a.modulePath}
	}
	for _, name := range []string{a.moduleName + ".so", "lib" + a.moduleName + ".so", a.moduleName, "lib" + a.moduleName + ".dylib"} {
		if p := lookIn(folders, name); p != "" {
			return p, nil
		}
	}
	return "", fmt.Errorf("%w: no PKCS#11 module named %s in %s; %s", signer.ErrUnavailable, a.moduleName,
		strings.Join(folders, ", "), howToInstall(a.moduleName))
}

// missing says that there is no module at a path, and where there is one.
func missing(path, base string, err error) error {
	if p := lookIn(moduleFolders, base); p != "" {
		return fmt.Errorf("%w: PKCS#11 module: %w; there is one at %s", signer.ErrUnavailable, err, p)
	}
	return fmt.Errorf("%w: PKCS#11 module: %w; nor is %s in %s; %s", signer.ErrUnavailable, err, base,
		strings.Join(moduleFolders, ", "), howToInstall(base))
}

func lookIn(folders []string, name string) string {
	for _, folder := range folders {
		p := filepath.Join(folder, name)
		if st, err := os.Stat(p); err == nil && st.Mode().IsRegular() {
			return p
		}
	}
	return ""
}

func howToInstall(module string) string {
	i := slices.IndexFunc(modulePackages, func(p struct{ name, install string }) bool {
		return strings.Contains(strings.ToLower(module), p.name)
	})
	if i < 0 {
		return "install the PKCS#11 library of the token's maker"
	}
	return fmt.Sprintf("Debian and Ubuntu have it in the package %s (apt-get install %[1]s)", modulePackages[i].install)
}
