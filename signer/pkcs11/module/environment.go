package module

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Environment is what a module gets to see of its environment.
type Environment struct {
	// Known tells that it is a module whose variables are known, and gets no others
	// than those and the ones named for it.
	Known bool
	// ByFile tells that it gets variables whose names stand in its own file.
	ByFile bool
	// Passed are NAME=VALUE, by name.
	Passed []string
	// Withheld are the names of variables that are set, and that a library would
	// heed: they have it load code, or read other files.
	Withheld []string
}

// Library is a file that a module's process has code of.
type Library struct {
	Path   string
	SHA256 string // lower-case hex; empty when it cannot be read
}

// common are what any library may read.
var common = []string{"HOME", "USER", "LOGNAME", "LANG", "LC_*", "TZ", "TMPDIR", "XDG_RUNTIME_DIR"}

// path is where a module that starts programs finds them (p11-kit's remotes).
const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// makers are the variables of modules, by a part of the file's name in lower case.
var makers = []struct {
	name      string
	variables []string
}{
	{"softhsm", []string{"SOFTHSM2_CONF"}},
	{"opencryptoki", []string{"OPENCRYPTOKI_*", "OCK_*"}},
	{"tpm2_pkcs11", []string{"TPM2_PKCS11_*", "TSS2_*", "DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS"}},
	{"softokn3", []string{"NSS_*"}},
	{"opensc", []string{"OPENSC_*", "PCSCLITE_*"}},
	{"ykcs11", []string{"YKCS11_*", "PCSCLITE_*"}},
	{"sc-hsm", []string{"PCSCLITE_*"}},
	{"yubihsm", []string{"YUBIHSM_*"}},
	{"kryoptic", []string{"KRYOPTIC_*"}},
	{"cryptoki2", []string{"ChrystokiConfigurationPath"}}, // Thales Luna
	{"cknfast", []string{"CKNFAST_*", "NFAST_*"}},         // Entrust nShield
	{"cloudhsm", []string{"CLOUDHSM_*"}},
	{"cs_pkcs11", []string{"CS_PKCS11_*", "CRYPTOSERVER"}}, // Utimaco
	{"pkcs11-proxy", []string{"PKCS11_PROXY_*"}},
}

// loaders are the variables that have a C library load code or read files of
// whoever set them. No module gets them.
var loaders = regexp.MustCompile(`^(LD_.*|DYLD_.*|OPENSSL_.*|GNUTLS_.*|GCRYPT_.*|LIBGCRYPT_.*|GCONV_PATH|GETCONF_DIR|` +
	`GLIBC_TUNABLES|MALLOC_.*|LOCPATH|NLSPATH|HOSTALIASES|NIS_PATH|KRB5.*|XDG_CONFIG_.*|XDG_DATA_.*)$`)

// foreign are other programs' business. No module gets them, either.
var foreign = regexp.MustCompile(`^(PATH|SHELL|IFS|ENV|BASH_.*|SHELLOPTS|GO[A-Z]*|CGO_.*|PYTHON.*|PERL.*|` +
	`RUBY.*|NODE_.*|JAVA_.*|_JAVA_OPTIONS|JDK_.*|CLASSPATH|ASAN_.*|UBSAN_.*|SSL_.*|SSLKEYLOGFILE|TZDIR|RES_OPTIONS|` +
	`LOCALDOMAIN|AWS_.*|GOOGLE_.*|AZURE_.*|VAULT_.*|GITHUB_.*|SSH_.*|GPG_.*|.*_PROXY|.*_proxy)$`)

// secrets are names of what a process is told and nobody else.
var secrets = regexp.MustCompile(`(?i)PASSWORD|PASSWD|PASSPHRASE|SECRET|CREDENTIAL|` +
	`(^|_)(S?O?PIN|PASS|TOKEN|API_?KEY)(_|$)`)

// Allow says which variables a module gets besides those of its kind.
type Allow struct {
	Named []string // by name
	// Only has a module that is not known get no others than these.
	Only bool
}

// Variables chooses which variables of an environment a module gets: those that any
// library reads, those that its maker says it reads, and those that are allowed besides.
// P11-kit, which loads others, gets what any module does. So does an unknown module, which
// may be a layer in front of another one; it also gets the variables that its own
// file names, unless Allow has Only. No module gets variables that make libraries load
// code. A variable that looks like a secret is passed only if it is named.
func Variables(module string, environ []string, allow Allow) Environment {
	base := strings.ToLower(filepath.Base(module))
	var allowed []string
	e := Environment{Known: strings.Contains(base, "p11-kit")}
	for _, m := range makers {
		if strings.Contains(base, m.name) {
			e.Known = true
			allowed = append(allowed, m.variables...)
		}
	}
	e.ByFile = !e.Known && !allow.Only
	if strings.Contains(base, "p11-kit") || e.ByFile {
		allowed = append(allowed, "P11_KIT_*")
		for _, m := range makers {
			allowed = append(allowed, m.variables...)
		}
	}
	allowed = append(append(allowed, common...), allow.Named...)
	reads := func(string) bool { return false }
	if e.ByFile {
		reads = namedIn(module)
	}
	seen := map[string]bool{}
	for _, v := range slices.Backward(environ) { // the last one holds
		name, _, ok := strings.Cut(v, "=")
		if !ok || name == "" || seen[name] {
			continue
		}
		seen[name] = true
		switch {
		case loaders.MatchString(name):
			e.Withheld = append(e.Withheld, name)
		case foreign.MatchString(name):
		case matches(allowed, name) || !secrets.MatchString(name) && reads(name):
			e.Passed = append(e.Passed, v)
		}
	}
	slices.Sort(e.Passed)
	slices.Sort(e.Withheld)
	return e
}

// mostRead bounds what is read of a module's file for the names in it.
const mostRead = 256 << 20

// namedIn tells of a name whether a file has it as C does, with a zero byte behind it:
// a linker lets a string be the end of a longer one. What cannot be read has none.
func namedIn(file string) func(name string) bool {
	text := sync.OnceValue(func() []byte {
		f, err := os.Open(file)
		if err != nil {
			return nil
		}
		defer f.Close()
		text, err := io.ReadAll(io.LimitReader(f, mostRead))
		if err != nil {
			return nil
		}
		return text
	})
	return func(name string) bool { return bytes.Contains(text(), append([]byte(name), 0)) }
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if prefix, ok := strings.CutSuffix(p, "*"); ok {
			return strings.HasPrefix(name, prefix)
		}
		return p == name
	})
}

// Own are the variables among those passed that are of the module's own kind:
// those that say which tokens it has.
func (e Environment) Own() []string {
	var own []string
	for _, v := range e.Passed {
		if name, _, _ := strings.Cut(v, "="); !matches(common, name) {
			own = append(own, v)
		}
	}
	return own
}
