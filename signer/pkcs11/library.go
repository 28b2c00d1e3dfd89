//go:build cgo

package pkcs11

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/miekg/pkcs11"

	"officiant/signer"
	"officiant/signer/pkcs11/module"
)

// library is a PKCS#11 module that is in use, in a process of its own. Its first
// user initializes it and its last one finalizes it.
type library struct {
	path   string
	name   string // the file itself, when path is a link
	sha256 string
	ctx    *module.Module
	info   pkcs11.Info
	logins map[uint]*login // by slot

	once   sync.Once
	failed error // why it could not be loaded
	users  int   // guarded by libraries
}

// libraries are the modules in use, by their real path. A module keeps one
// login to a token for its whole process, so the list of them cannot belong to
// less than ours.
var libraries struct {
	sync.Mutex
	loaded map[string]*library
}

// acquire loads and initializes the module; release gives it back.
func (o Options) acquire(path string) (*library, error) {
	name, err := filepath.EvalSymlinks(path)
	if err == nil {
		name, err = filepath.Abs(name)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: PKCS#11 module: %w", signer.ErrUnavailable, err)
	}
	l := join(path, name)
	l.once.Do(func() { l.failed = l.load(o) })
	if l.failed != nil {
		l.evict()
		return nil, fmt.Errorf("%w: PKCS#11 module %s: %w", signer.ErrUnavailable, path, l.failed)
	}
	if !l.ctx.Alive() { // it hangs or has ended, under others who have not yet noticed
		l.evict()
		return nil, errors.Join(fmt.Errorf("%w: PKCS#11 module %s: its process has failed; run the command again",
			signer.ErrUnavailable, path), l.release())
	}
	return l, nil
}

// join counts a user in, of the module that is in use or of a fresh one.
func join(path, name string) *library {
	libraries.Lock()
	defer libraries.Unlock()
	l := libraries.loaded[name]
	if l == nil {
		l = &library{path: path, name: name, logins: map[uint]*login{}}
		if libraries.loaded == nil {
			libraries.loaded = map[string]*library{}
		}
		libraries.loaded[name] = l
	}
	l.users++
	return l
}

// evict has who comes next get the module anew.
func (l *library) evict() {
	libraries.Lock()
	defer libraries.Unlock()
	if libraries.loaded[l.name] == l {
		delete(libraries.loaded, l.name)
	}
}

func (l *library) load(o Options) (err error) {
	if l.sha256, err = fileSHA256(l.name); err != nil {
		return err
	}
	if l.ctx, err = module.Open(l.name, module.Options{
		Limit: o.limits().call, Said: o.says(l.path), Allow: o.Allow}); err != nil {
		return called("C_GetFunctionList", err)
	}
	if err = called("C_Initialize", l.ctx.Initialize()); err == nil {
		// It only tells software from hardware, where the token does not.
		l.info, err = l.ctx.GetInfo()
		if err = called("C_GetInfo", err); isAnswer(err) {
			err = nil
		}
	}
	if err != nil {
		err = errors.Join(err, l.ctx.Release())
	}
	return err
}

// release gives the module up. The last who does ends what it has to do with
// it; who comes next gets it anew.
func (l *library) release() error {
	libraries.Lock()
	l.users--
	last := l.users == 0
	if last && libraries.loaded[l.name] == l {
		delete(libraries.loaded, l.name)
	}
	libraries.Unlock()
	if !last {
		return nil
	}
	return called("C_Finalize", l.ctx.Release())
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
		return "", signer.BadURI(errors.New("pkcs11 URI: names no module: add ?module-path=/path/to/module.so, " +
			"the PKCS#11 library of the token's maker"))
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
