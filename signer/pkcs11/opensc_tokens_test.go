//go:build tokens && cgo

package pkcs11

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/miekg/pkcs11"

	"officiant/signer"
	"officiant/signer/pkcs11/pkcs11test"
)

// openSC is a room whose token OpenSC's pkcs11-tool is used on, too.
type openSC struct{ *room }

func withOpenSC(t *testing.T) openSC {
	t.Helper()
	pkcs11test.OpenSC(t)
	r := newRoom(t, "officiant's")
	t.Setenv("TOKEN_PIN", r.pin)
	t.Setenv("SO_PIN", "so-pin-1234")
	return openSC{r}
}

var toolCommand = regexp.MustCompile(`pkcs11-tool (?:'[^']*'|\\'|[^;,)'])*`)

// follows runs the command that an error's hint names, with what it would ask for on a
// terminal.
func (o openSC) follows(t *testing.T, err error, more string) string {
	t.Helper()
	command := ""
	if err != nil {
		command = toolCommand.FindString(err.Error())
	}
	if command == "" {
		t.Fatalf("no command of pkcs11-tool in: %v", err)
	}
	return o.runs(t, strings.TrimSuffix(command, ":")+" "+more)
}

func (o openSC) runs(t *testing.T, command string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "sh", "-c", command).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}

// tool is the command for a store's token, to which each use adds what to do.
func tool(s *store) string {
	return "pkcs11-tool --module " + s.objects.module + " --token-label " + s.objects.label + " --login"
}

const userPIN = "--pin env:TOKEN_PIN"

// TestOpenSCSees has OpenSC say what it sees of a key made here; the command is the one
// docs/signers/softhsm.md shows.
func TestOpenSCSees(t *testing.T) {
	o := withOpenSC(t)
	s := o.open(t, 0)
	create(t, s, o.ref(0, "demo/root"), signer.ECDSAP384)
	out := o.runs(t, tool(s)+" --list-objects "+userPIN)
	_, private, _ := strings.Cut(out, "Private Key Object; EC")
	for _, want := range []string{
		"label:      demo/root", "Usage:      sign\n",
		"Access:     sensitive, always sensitive, never extractable, local",
	} {
		if !strings.Contains(private, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// TestOpenSCGivesIDs: a key that has no id, and no public key without one, is found once
// both halves have the id that the hint gives them.
func TestOpenSCGivesIDs(t *testing.T) {
	o := withOpenSC(t)
	s := o.open(t, 0)
	foreign(t, s, "demo/root", nil, pkcs11.CKM_EC_KEY_PAIR_GEN, p256)
	o.runs(t, tool(s)+" --label demo/root --type pubkey --set-id 09 "+userPIN)
	_, err := s.Find(t.Context(), o.ref(0, "demo/root"))
	o.follows(t, err, userPIN)
	o.runs(t, strings.Replace(toolCommand.FindString(err.Error()), "privkey", "pubkey", 1)+" "+userPIN)
	key, err := s.Find(t.Context(), o.ref(0, "demo/root"))
	if err != nil || key.Info().Label != "demo/root" {
		t.Errorf("with its ids: %v", err)
	}
}

// TestOpenSCSetsPINs: the commands for a PIN that is locked, or has one try left, take
// the token back to where it opens.
func TestOpenSCSetsPINs(t *testing.T) {
	o := withOpenSC(t)
	wrong := func(context.Context, signer.Device) ([]byte, error) { return []byte("wrong-pin-1"), nil }
	if _, err := Open(t.Context(), o.ref(0, ""), wrong); !errors.Is(err, signer.ErrPIN) {
		t.Fatalf("a wrong PIN: %v", err)
	}
	s := o.open(t, 0)
	low := s.device
	low.PINFinalTry = true
	if out := o.follows(t, s.pinAllowed(low), userPIN); strings.Contains(out, "error") {
		t.Errorf("lists the objects: %s", out)
	}
	low = s.device
	low.PINLocked = true
	o.pin = "another-pin-1234"
	t.Setenv("TOKEN_PIN", o.pin)
	o.follows(t, s.pinAllowed(low), "--so-pin env:SO_PIN --new-pin env:TOKEN_PIN")
	again, err := Open(t.Context(), o.ref(0, ""), func(context.Context, signer.Device) ([]byte, error) {
		return bytes.Clone([]byte(o.pin)), nil
	})
	if err != nil {
		t.Fatalf("with the PIN that the security officer set: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// TestOpenSCRemovesCanaries: what a canary leaves is gone after the command of its hint.
func TestOpenSCRemovesCanaries(t *testing.T) {
	o := withOpenSC(t)
	s := o.open(t, 0)
	id := newID(t)
	c := canary{store: s, algorithm: signer.ECDSAP256, label: "a canary", id: id[:]}
	on(t, s, func(h pkcs11.SessionHandle) error {
		_, err := s.maker.generate(h, c.algorithm, c.label, c.id)
		return err
	})
	left := func() (n int) {
		on(t, s, func(h pkcs11.SessionHandle) error {
			for _, class := range []uint{pkcs11.CKO_PRIVATE_KEY, pkcs11.CKO_PUBLIC_KEY} {
				found, err := s.objects.named(h, class, c.label, nil)
				if err != nil {
					return err
				}
				n += len(found)
			}
			return nil
		})
		return n
	}
	if left() != 2 {
		t.Fatal("no canary was made")
	}
	err := c.byHand(errors.New("the token was taken out"))
	o.follows(t, err, userPIN)
	o.runs(t, strings.Replace(toolCommand.FindString(err.Error()), "privkey", "pubkey", 1)+" "+userPIN)
	if n := left(); n != 0 {
		t.Errorf("%d of it are left", n)
	}
}
