package module

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Environment is what a module gets to see of its environment.
type Environment struct {
	// Known tells that it is a module whose variables are known, and gets no others
	// than those and the ones named for it.
	Known bool
	// Open tells that it gets what is set, but for what libraries heed and secrets.
	Open bool
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
	// Only has a module that is not known get no others than these; without it, it
	// gets all but what makes libraries load code, and what looks like a secret.
	Only bool
}

// Variables chooses what a module gets of an environment: of one that is known
// what its maker says it reads, of p11-kit, which loads others, what any does, and
// what is allowed besides. What makes libraries load code no module gets.
func Variables(module string, environ []string, allow Allow) Environment {
	base := strings.ToLower(filepath.Base(module))
	var allowed []string
	e := Environment{}
	for _, m := range makers {
		if strings.Contains(base, m.name) || strings.Contains(base, "p11-kit") {
			e.Known = true
			allowed = append(allowed, m.variables...)
		}
	}
	if strings.Contains(base, "p11-kit") {
		allowed = append(allowed, "P11_KIT_*")
	}
	allowed = append(append(allowed, common...), allow.Named...)
	e.Open = !e.Known && !allow.Only
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
		case matches(allowed, name) || e.Open && !secrets.MatchString(name):
			e.Passed = append(e.Passed, v)
		}
	}
	slices.Sort(e.Passed)
	slices.Sort(e.Withheld)
	return e
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
// those that say which tokens it has, and of an unknown module all but common ones.
func (e Environment) Own() []string {
	var own []string
	for _, v := range e.Passed {
		if name, _, _ := strings.Cut(v, "="); !matches(common, name) {
			own = append(own, v)
		}
	}
	return own
}
