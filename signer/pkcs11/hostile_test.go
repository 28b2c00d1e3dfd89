//go:build cgo

package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"officiant/signer"
)

// hostileCalls are those in which a module is hostile: all that a ceremony makes.
var hostileCalls = []string{
	"C_Initialize", "C_GetInfo", "C_GetSlotList", "C_GetTokenInfo", "C_GetMechanismList", "C_GetMechanismInfo",
	"C_OpenSession",
	"C_GetSessionInfo", "C_Login", "C_FindObjectsInit", "C_FindObjects", "C_FindObjectsFinal", "C_GenerateKeyPair",
	"C_GetAttributeValue", "C_SetAttributeValue", "C_CopyObject", "C_GenerateKey", "C_WrapKey", "C_DestroyObject",
	"C_SignInit", "C_Sign", "C_Logout", "C_CloseSession", "C_Finalize",
}

// atTheEnd are the calls after which nothing is asked any more: how they end is
// of no consequence for what was done.
var atTheEnd = map[string]bool{"C_Logout": true, "C_CloseSession": true, "C_Finalize": true}

// hurried is how long a module that hangs may take to answer, and patient how long
// one that works: on a loaded machine that is long, too.
const hurried, patient = 1500 * time.Millisecond, time.Minute

// life is all that is done with a token: a login, a canary, a key, a signature.
func life(ctx context.Context, r *room, limit time.Duration, label string, id signer.ID) (err error) {
	s, err := Options{Timeout: limit}.Open(ctx, r.ref(0, ""), r.ask)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	spec := signer.Spec{Algorithm: signer.ECDSAP256}
	if _, err := s.(signer.Prober).Probe(ctx, r.ref(0, ""), spec, signer.ID{1}, nil); err != nil {
		return err
	}
	k, err := s.(signer.IDFinder).FindID(ctx, r.ref(0, label), id)
	if errors.Is(err, signer.ErrNotFound) {
		k, err = s.Create(ctx, r.ref(0, label), spec, id)
	}
	if err != nil {
		return err
	}
	if err := sign(ctx, k.(*key)); err != nil {
		return err
	}
	_, err = s.(signer.Lister).List(ctx)
	return err
}

// TestHostileEnd: whatever call a module hangs in or ends the process in, the
// error comes in time and names the call; and with the module as it should be
// the token goes on, with no more than the key that was asked for.
func TestHostileEnd(t *testing.T) {
	for _, what := range []string{"segv", "abort", "exit", "leave", "hang", "closeall"} {
		for _, call := range hostileCalls {
			t.Run(what+" "+call, func(t *testing.T) {
				r := newRoom(t, "officiant-root")
				w := r.wrap(t)
				w.order(t, fmt.Sprintf("at %s 1 %s", call, what))
				limit := patient
				if what == "hang" || what == "closeall" {
					limit = hurried
				}
				start := time.Now()
				err := life(t.Context(), r, limit, "demo/root", signer.ID{7})
				if took := time.Since(start); took > 2*time.Minute { // or never: limits are seconds
					t.Errorf("took %v", took)
				}
				switch {
				case err == nil && (atTheEnd[call] || what == "closeall"):
				case what == "closeall" && errors.Is(err, signer.ErrUnavailable): // noticed at the next answer
				case !errors.Is(err, signer.ErrUnavailable) || !strings.Contains(err.Error(), call):
					t.Errorf("%v", err)
				}
				w.order(t)
				if err := life(t.Context(), r, patient, "demo/root", signer.ID{7}); err != nil {
					t.Errorf("afterwards: %v", err)
				}
			})
		}
	}
}

// TestHostileManners: what a module does to its own process does nothing to
// ours, nor to what is asked of it.
func TestHostileManners(t *testing.T) {
	for _, what := range []string{"print", "fork", "chdir", "locale", "signals", "umask", "environment"} {
		t.Run(what, func(t *testing.T) {
			r := newRoom(t, "officiant-root")
			w := r.wrap(t)
			var orders []string
			for _, call := range hostileCalls {
				if what == "environment" && (call == "C_Initialize" || call == "C_GetInfo") {
					continue // SoftHSM reads its own variable late
				}
				orders = append(orders, fmt.Sprintf("at %s 1 %s", call, what))
			}
			w.order(t, orders...)
			before := manners(t)
			if err := life(t.Context(), r, patient, "demo/root", signer.ID{7}); err != nil {
				t.Errorf("%v", err)
			}
			if after := manners(t); after != before {
				t.Errorf("before %s\nafter  %s", before, after)
			}
		})
	}
}

// manners are what belongs to a whole process.
func manners(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	mask := unix.Umask(0o22)
	unix.Umask(mask)
	status, err := os.ReadFile("/proc/self/status")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	var signals []string
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "Sig") && !strings.HasPrefix(line, "SigQ") {
			signals = append(signals, strings.TrimSpace(line))
		}
	}
	return fmt.Sprint(dir, mask, signals, os.Getenv("SOFTHSM2_CONF"))
}

// TestHostileWords: what a module writes reaches who opened it, a line at a
// time, and neither stdout nor stderr of this process.
func TestHostileWords(t *testing.T) {
	r := newRoom(t, "officiant-root")
	w := r.wrap(t)
	w.order(t, "at C_Login 1 print")
	lines := make(chan string, 100)
	o := Options{Said: func(module, line string) { lines <- module + ": " + line }}
	s, err := o.Open(t.Context(), r.ref(0, ""), r.ask)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	want := map[string]bool{}
	for _, line := range []string{`{"digest": "none"}`, "\x1b[2Jclean, from C_Login", "trouble, from C_Login"} {
		want[r.module+": "+line] = true
	}
	for range len(want) {
		select {
		case line := <-lines:
			if !want[line] {
				t.Errorf("%q", line)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("not all that it wrote has come")
		}
	}
}

// TestHostileLengths: lengths and counts that cannot be are an error with the
// function's name, and nothing is read by them.
func TestHostileLengths(t *testing.T) {
	for _, call := range []string{
		"C_GetSlotList", "C_GetMechanismList", "C_GetAttributeValue", "C_FindObjects", "C_Sign", "C_WrapKey",
	} {
		for _, length := range []string{"-1", "-2", "1000000000000", "1000000000", "100000", "0"} {
			t.Run(call+" "+length, func(t *testing.T) {
				r := newRoom(t, "officiant-root")
				w := r.wrap(t)
				s := r.open(t, 0)
				k := create(t, s, r.ref(0, "demo/root"), signer.ECDSAP256)
				w.order(t, "tells "+call+" "+length)
				err := errors.Join(sign(t.Context(), k), life(t.Context(), r, patient, "demo/other", signer.ID{9}))
				// A module may say that it has none, or does not tell; where it cannot be
				// told from the truth the key is not found, or cannot be used.
				if err == nil && length != "0" && call != "C_WrapKey" && call != "C_GetMechanismList" {
					t.Error("passes")
				}
				if length == "1000000000000" && call != "C_WrapKey" &&
					(!errors.Is(err, signer.ErrUnavailable) || !strings.Contains(err.Error(), call)) {
					t.Errorf("%v", err)
				}
			})
		}
	}
}
