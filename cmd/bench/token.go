package main

import (
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"officiant/softhsm"
)

//go:embed module/counting.c
var countingSource []byte

// functions is how many there are in a PKCS#11 module's list.
const functions = 68

// pin is of tokens that live for one round.
const pin = "1234"

// token is a fresh SoftHSM token, with the counting module before it.
type token struct {
	folder  string
	module  string // the counting one
	real    string
	conf    string
	serial  string
	station string
	pinFile string

	microseconds int // that a C_Sign takes at least
	sessions     int // that it allows; 0: no limit

	more map[string]string // variables of a cloud that the station names beside it
}

// buildModule compiles the counting module into folder.
func buildModule(folder string) (string, error) {
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "cc"
	}
	source, module := filepath.Join(folder, "counting.c"), filepath.Join(folder, "counting.so")
	if err := os.WriteFile(source, countingSource, 0o600); err != nil {
		return "", err
	}
	if out, err := exec.Command(cc, "-shared", "-fPIC", "-O2", "-o", module, source, "-ldl").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s", cc, err, out)
	}
	return module, nil
}

// newToken makes a token in a folder of its own, and a station for it.
func (b *bench) newToken() (*token, error) { return b.newTokenIn(b.folder) }

func (b *bench) newTokenIn(place string) (*token, error) {
	folder, err := os.MkdirTemp(place, "token-")
	if err != nil {
		return nil, err
	}
	t := &token{folder: folder, module: b.module, real: b.softhsm, station: filepath.Join(folder, "station.yaml"),
		pinFile: filepath.Join(folder, "pin")}
	conf, made, err := softhsm.Init(filepath.Join(folder, "softhsm"), t.real, []softhsm.Token{{Label: "bench",
		SOPIN: []byte("12345678"), PIN: []byte(pin)}}, os.Setenv)
	if err != nil {
		return nil, err
	}
	t.conf, t.serial = conf, made[0].Serial
	text := fmt.Sprintf("apiVersion: officiant/v1\nkind: Station\nname: bench\nkeys:\n  default: %q\n",
		fmt.Sprintf("pkcs11:token=bench;serial=%s?module-path=%s&pin-source=file:%s", t.serial, t.module, t.pinFile))
	return t, errors.Join(
		os.WriteFile(t.pinFile, []byte(pin), 0o600),
		os.WriteFile(t.station, []byte(text), 0o600),
		os.WriteFile(t.countFile(), make([]byte, 8*functions), 0o600))
}

// addKey has the station find a key elsewhere.
func (t *token) addKey(name, uri string) error {
	f, err := os.OpenFile(t.station, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "  %s: %q\n", name, uri)
	return errors.Join(err, f.Close())
}

func (t *token) countFile() string { return filepath.Join(t.folder, "counts") }

// calls is how many PKCS#11 calls there have been.
func (t *token) calls() uint64 {
	data, err := os.ReadFile(t.countFile())
	if err != nil {
		return 0
	}
	var n uint64
	for ; len(data) >= 8; data = data[8:] {
		n += binary.NativeEndian.Uint64(data)
	}
	return n
}

// environment is for programs that use the token.
func (t *token) environment() []string {
	env := os.Environ()
	for name, value := range t.variables() {
		env = append(env, name+"="+value)
	}
	for name, value := range t.more {
		env = append(env, name+"="+value)
	}
	return env
}

// variables are read by SoftHSM and by the counting module.
func (t *token) variables() map[string]string {
	return map[string]string{
		"SOFTHSM2_CONF":           t.conf,
		"BENCH_MODULE":            t.real,
		"BENCH_COUNTS":            t.countFile(),
		"BENCH_SIGN_MICROSECONDS": strconv.Itoa(t.microseconds), // 0: as long as it takes
		"BENCH_SESSIONS":          strconv.Itoa(t.sessions),     // 0: no limit
	}
}

func (t *token) remove() error { return os.RemoveAll(t.folder) }
