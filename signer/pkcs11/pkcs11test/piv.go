//go:build cgo

package pkcs11test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"officiant/signer/pkcs11/pivcard"
)

// YubiKey is a card of the tests in a virtual reader, and the module that talks to it.
type YubiKey struct {
	*pivcard.Card
	Module string // libykcs11
	reader string // where the reader listens
}

// one is how many pcscd a machine can have: their socket has one name.
const one = "/run/lock/officiant-pcscd"

// PIV starts pcscd with a virtual reader for as long as the test lasts, and puts a card
// into it. It takes root, Yubico's module, pcscd and vsmartcard-vpcd, and skips without.
func PIV(tb testing.TB, serial uint32) *YubiKey {
	tb.Helper()
	if os.Getuid() != 0 {
		skip(tb, ykcs11, "pcscd is started by root")
	}
	daemon := find(tb, ykcs11, "pcscd", "pcscd")
	driver := find(tb, ykcs11, "vsmartcard-vpcd", "pcsc/drivers/serial/libifdvpcd.so")
	module := find(tb, ykcs11, "ykcs11", "libykcs11.so")
	alone(tb)
	port := freePorts(tb)
	dir := folder(tb)
	// libykpiv looks at no reader without this name.
	reader := fmt.Sprintf("FRIENDLYNAME \"Yubico YubiKey OTP+FIDO+CCID\"\nDEVICENAME /dev/null:0x%X\nLIBPATH %s\n"+
		"CHANNELID 0x%[1]X\n", port, driver)
	if err := os.WriteFile(filepath.Join(dir, "reader"), []byte(reader), 0o644); err != nil {
		tb.Fatal(err)
	}
	if err := os.MkdirAll("/run/pcscd", 0o755); err != nil {
		tb.Fatal(err)
	}
	p := start(tb, nil, daemon, "--foreground", "--config", dir)
	tb.Cleanup(func() { // before it is killed: it leaves its socket then
		p.signal(syscall.SIGTERM)
		select {
		case <-p.ended:
		case <-time.After(5 * time.Second):
		}
	})
	card, err := pivcard.New(serial)
	if err != nil {
		tb.Fatal(err)
	}
	y := &YubiKey{card, module, fmt.Sprintf("127.0.0.1:%d", port)}
	p.await(tb, func() bool { return y.Card.Insert(y.reader) == nil })
	tb.Cleanup(y.Pull)
	p.await(tb, y.Powered)
	return y
}

// Reinsert puts the card, which was pulled, or another one into the reader again.
func (y *YubiKey) Reinsert(tb testing.TB, card *pivcard.Card) {
	tb.Helper()
	y.Card = card
	for range 20 { // the reader must have seen that the one before is gone
		_ = card.Insert(y.reader)
		for range 150 {
			if card.Powered() {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		card.Pull()
	}
	tb.Fatal("the reader does not take the card")
}

// URI names the card's token and a slot, by the module's number of it.
func (y *YubiKey) URI(slot byte) string {
	return fmt.Sprintf("pkcs11:token=YubiKey%%20PIV%%20%%23%d;id=%%%02x?module-path=%s", y.Serial, slot, y.Module)
}

// alone has this test wait for those of other processes that start pcscd, and skips where
// another one runs.
func alone(tb testing.TB) {
	tb.Helper()
	lock, err := os.OpenFile(one, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { lock.Close() })
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		tb.Fatal(err)
	}
	socket := "/run/pcscd/pcscd.comm"
	if conn, err := net.Dial("unix", socket); err == nil {
		conn.Close()
		skip(tb, ykcs11, "a pcscd runs here already")
	}
	_ = os.Remove(socket) // of one that was killed; it starts no other
}
