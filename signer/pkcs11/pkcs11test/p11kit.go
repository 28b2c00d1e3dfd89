//go:build cgo

package pkcs11test

import (
	"io"
	"os"
	"path/filepath"
	"testing"
)

// Remote is a token behind p11-kit's server, which can be held and killed.
type Remote struct {
	*Process
	Module string // the client's, of this server
	// Runtime is the folder in which the client looks for its server when
	// P11_KIT_SERVER_ADDRESS does not name one: XDG_RUNTIME_DIR.
	Runtime string

	start func(testing.TB) *Process
}

// P11Kit serves the token of a label of a module, which env may say more about.
// Modules of two servers are two copies of the client: it keeps the address
// that it was loaded with.
func P11Kit(tb testing.TB, module, label string, env ...string) *Remote {
	tb.Helper()
	server := find(tb, p11kit, "p11-kit", "p11-kit")
	client := Client(tb)
	dir := folder(tb)
	socket := filepath.Join(dir, "p11-kit", "pkcs11")
	if err := os.Mkdir(filepath.Dir(socket), 0o700); err != nil {
		tb.Fatal(err)
	}
	tb.Setenv("P11_KIT_SERVER_ADDRESS", "unix:path="+socket)
	r := &Remote{Module: client, Runtime: dir}
	r.start = func(tb testing.TB) *Process {
		p := start(tb, env, server, "server", "--foreground", "--name", socket, "--provider", module, "pkcs11:token="+label)
		p.await(tb, func() bool { _, err := os.Stat(socket); return err == nil })
		return p
	}
	r.Process = r.start(tb)
	return r
}

// Again starts the server once more, after it was killed, where it was.
func (r *Remote) Again(tb testing.TB) {
	tb.Helper()
	<-r.ended
	if err := os.Remove(filepath.Join(r.Runtime, "p11-kit", "pkcs11")); err != nil {
		tb.Fatal(err)
	}
	r.Process = r.start(tb)
}

// Client is a copy of p11-kit's client module, with no server yet.
func Client(tb testing.TB) string {
	tb.Helper()
	in, err := os.Open(find(tb, p11kit, "p11-kit-modules", "pkcs11/p11-kit-client.so"))
	if err != nil {
		tb.Fatal(err)
	}
	defer in.Close()
	path := filepath.Join(folder(tb), "p11-kit-client.so")
	out, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		tb.Fatal(err)
	}
	if err := out.Close(); err != nil {
		tb.Fatal(err)
	}
	return path
}
