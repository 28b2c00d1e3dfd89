//go:build cgo

package pkcs11

import (
	"crypto/sha256"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/miekg/pkcs11"
	"golang.org/x/sys/unix"

	"officiant/bundle/refusaltest"
	"officiant/signer"
)

// TestAnswersRefused is the catalogue of what a token's answers are refused with. A row's
// text is what the module in front of SoftHSM is ordered to do (testdata/wrap.c).
func TestAnswersRefused(t *testing.T) {
	spec := signer.Spec{Algorithm: signer.ECDSAP384}
	// asked opens a token; do has the module follow the row's orders from obey on.
	asked := func(do func(r *room, s *store, obey func()) error) func([]byte) error {
		return func(orders []byte) error {
			r := newRoom(t, "officiant-root")
			w := r.wrap(t)
			s := r.open(t, 0)
			defer w.order(t)
			return do(r, s, func() { w.order(t, string(orders)) })
		}
	}
	creating := asked(func(r *room, s *store, obey func()) error {
		obey()
		_, err := s.Create(t.Context(), r.ref(0, "root"), signer.Spec{Algorithm: signer.ECDSAP256}, newID(t))
		return err
	})
	destroying := asked(func(r *room, s *store, obey func()) error {
		k := create(t, s, r.ref(0, "root"), signer.ECDSAP256)
		der, err := x509.MarshalPKIXPublicKey(k.Public())
		if err != nil {
			return err
		}
		obey()
		_, err = s.Destroy(t.Context(), r.ref(0, "root"), signer.ID(k.info.ID), sha256.Sum256(der))
		return err
	})
	signing := asked(func(r *room, s *store, obey func()) error {
		k := create(t, s, r.ref(0, "root"), signer.RSA2048)
		obey()
		return sign(t.Context(), k)
	})
	opening := func(orders []byte) error {
		r := newRoom(t, "officiant-root")
		w := r.wrap(t)
		w.order(t, string(orders))
		defer w.order(t)
		s, err := Open(t.Context(), r.ref(0, ""), r.ask)
		if err != nil {
			return err
		}
		return s.Close()
	}
	guessing := func(orders []byte) error {
		r := newRoom(t, "officiant-root")
		r.pin = "not-the-pin-77"
		w := r.wrap(t)
		w.order(t, string(orders))
		defer w.order(t)
		_, err := Open(t.Context(), r.ref(0, ""), r.ask)
		return err
	}
	probing := asked(func(r *room, s *store, obey func()) error {
		obey()
		_, err := s.Probe(t.Context(), r.ref(0, ""), spec, newID(t), nil)
		return err
	})
	supporting := asked(func(r *room, _ *store, obey func()) error {
		obey()
		return Supports(r.ref(0, ""), spec)
	})
	refusaltest.Hold(t, refusaltest.Table{Rows: []refusaltest.Row{
		{
			Of:   "a login that is none",
			Data: "accept C_Login", Says: "not logged in after the login (session state 2)",
			Not: "fail C_Login 0xA0", Instead: "CKR_PIN_INCORRECT",
			Read: opening,
		},
		{
			Of:   "a wrong PIN, and no more answers",
			Data: "late C_GetTokenInfo 0x5", Says: "tried once; the token does not say how many tries are left",
			Not: "noflags 0x70000", Instead: "tried once; the token does not report a low count of tries",
			Read: guessing,
		},
		{
			Of:   "a mechanism for other uses",
			Data: "uses 0x1041 0x2000", Says: "cannot sign with keys of ECDSA-P384: its CKM_ECDSA is for other uses",
			Not:  "uses 0x1041 0x800",
			Read: supporting,
		},
		{
			Of:   "a mechanism for smaller keys",
			Data: "upto 0x1040 256", Says: "cannot make keys of ECDSA-P384: CKM_EC_KEY_PAIR_GEN is for ",
			Not:  "upto 0x1040 384",
			Read: supporting,
		},
		{
			Of:   "a mechanism that does not answer",
			Data: "fail C_GetMechanismInfo 0x5", Says: "C_GetMechanismInfo: CKR_GENERAL_ERROR",
			Not: "fail C_GetMechanismInfo 0x70", Instead: "it has no CKM_EC_KEY_PAIR_GEN",
			Read: supporting,
		},
		{
			Of:   "a short signature",
			Data: "tells C_Sign 255", Says: "signature of 255 bytes, want 256",
			Not: "fail C_Sign 0x21", Instead: "C_Sign: CKR_DATA_LEN_RANGE",
			Read: signing,
		},
		{
			Of:   "another key than asked for, which stays",
			Data: "another curve\nfail C_DestroyObject 0x1B", Says: "; nor can it be destroyed: C_DestroyObject: ",
			Not: "another curve", Instead: "not ECDSA-P256; it was destroyed",
			Read: creating,
		},
		{
			Of:   "a destruction that is none",
			Data: "accept C_DestroyObject", Says: "the token says that it destroyed it, and has it still",
			Not: "fail C_DestroyObject 0x1B", Instead: "C_DestroyObject: CKR_ACTION_PROHIBITED",
			Read: destroying,
		},
		{
			Of:   "a canary's destruction that is none",
			Data: "accept C_DestroyObject", Says: "2 objects are left of it",
			Not: "fail C_DestroyObject 0x1B", Instead: "C_DestroyObject: CKR_ACTION_PROHIBITED",
			Read: probing,
		},
	}})
}

// TestKeysRefused is the catalogue of what is refused for the keys that a token holds,
// and for names that name none. A row's text is an id, a label, or what is done before.
func TestKeysRefused(t *testing.T) {
	const ec = pkcs11.CKM_EC_KEY_PAIR_GEN
	holding := func(do func(r *room, s *store, with []byte) error) func([]byte) error {
		return func(with []byte) error {
			r := newRoom(t, "officiant-root")
			s, err := Open(t.Context(), r.ref(0, ""), r.ask)
			if err != nil {
				return err
			}
			defer s.Close()
			return do(r, s.(*store), with)
		}
	}
	creating := func(r *room, s *store, label string) error {
		_, err := s.Create(t.Context(), r.ref(0, label), signer.Spec{Algorithm: signer.ECDSAP256}, newID(t))
		return err
	}
	none := func(id []byte) []byte { // a row's "-" is no id
		if string(id) == "-" {
			return nil
		}
		return id
	}
	refusaltest.Hold(t, refusaltest.Table{Rows: []refusaltest.Row{
		{
			Of:   "two keys of one label",
			Data: "-", Says: `"twin" without an id (`,
			Not: "\x02", Instead: `"twin" with id=%02 (ECDSA-P256)`,
			Read: holding(func(r *room, s *store, id []byte) error {
				foreign(t, s, "twin", []byte{1}, ec, p256)
				foreign(t, s, "twin", none(id), ec, p256)
				_, err := s.Find(t.Context(), r.ref(0, "twin"))
				return err
			}),
		},
		{
			Of:   "two keys of one public key",
			Data: "copied", Says: "2 private keys have this public key",
			Not: "not copied",
			Read: holding(func(r *room, s *store, how []byte) error {
				made := foreign(t, s, "root", []byte{1}, ec, p256)
				foreign(t, s, "other", []byte{2}, ec, p256)
				k, err := s.Find(t.Context(), r.ref(0, "root"))
				if err != nil {
					return err
				}
				if string(how) == "copied" {
					on(t, s, func(h pkcs11.SessionHandle) error {
						label := []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_LABEL, "copy")}
						_, err := s.lib.ctx.CopyObject(h, made.private, label)
						return err
					})
				}
				der, err := x509.MarshalPKIXPublicKey(k.Public())
				if err != nil {
					return err
				}
				_, err = s.FindPublic(t.Context(), r.ref(0, ""), sha256.Sum256(der))
				return err
			}),
		},
		{
			Of:   "a public half of another type",
			Data: "RSA", Says: "private and public key are of different types",
			Not: "EC",
			Read: holding(func(r *room, s *store, kind []byte) error {
				destroyObject(t, s, foreign(t, s, "root", []byte{1}, ec, p256).public)
				mechanism, public := uint(ec), p256
				if string(kind) == "RSA" {
					mechanism = pkcs11.CKM_RSA_PKCS_KEY_PAIR_GEN
					public = pkcs11.NewAttribute(pkcs11.CKA_MODULUS_BITS, 2048)
				}
				destroyObject(t, s, foreign(t, s, "other", []byte{1}, mechanism, public).private)
				_, err := s.Find(t.Context(), r.ref(0, "root"))
				return err
			}),
		},
		{
			Of:   "a curve that has no number",
			Data: "\x13\x0cedwards25519", Says: "elliptic curve with parameters 130c65",
			Not: "\x06\x05\x2b\x81\x04\x00\x0a", Instead: "elliptic curve 1.3.132.0.10",
			Read: func(params []byte) error { _, err := parseEC(params, nil); return err },
		},
		{
			Of:   "a certificate that is none",
			Data: "\x21", Says: "has its id 21: the certificate that has its id is none that is read",
			Not: "\x22", Instead: "has its id 21, no certificate has it",
			Read: holding(func(r *room, s *store, id []byte) error {
				destroyObject(t, s, foreign(t, s, "root", []byte{0x21}, ec, p256).public)
				placeCertificate(t, s, "root", id, []byte("no certificate"))
				_, err := s.Find(t.Context(), r.ref(0, "root"))
				return err
			}),
		},
		{
			Of:   "no name to create a key by",
			Data: "", Says: "names no key to make: object or a label is needed",
			Not:  "root",
			Read: holding(func(r *room, s *store, label []byte) error { return creating(r, s, string(label)) }),
		},
		{
			Of:   "the label of half a key",
			Data: "-", Says: "a public key without an id",
			Not: "\x05",
			Read: holding(func(r *room, s *store, id []byte) error {
				destroyObject(t, s, foreign(t, s, "root", none(id), ec, p256).private)
				return creating(r, s, "root")
			}),
		},
		{
			Of:   "the label of another key's public half",
			Data: "\x05", Says: "the public key with id 05",
			Not: "\x06",
			Read: holding(func(r *room, s *store, id []byte) error {
				destroyObject(t, s, foreign(t, s, "root", []byte{5}, ec, p256).private)
				foreign(t, s, "other", id, ec, p256)
				return creating(r, s, "root")
			}),
		},
		{
			Of:   "an id of zeros",
			Data: "\x00", Says: "an id of zeros is none",
			Not: "\x01", Instead: signer.ErrNotFound.Error(),
			Read: holding(func(r *room, s *store, id []byte) error {
				_, err := s.Destroy(t.Context(), r.ref(0, ""), signer.ID{id[0]}, [32]byte{})
				return err
			}),
		},
	}})
}

// TestModulesRefused is the catalogue of what a module's file and process are refused
// with. A row's text is what becomes of them.
func TestModulesRefused(t *testing.T) {
	refusaltest.Hold(t, refusaltest.Table{Rows: []refusaltest.Row{
		{
			Of:   "a process that has ended",
			Data: "killed", Says: "its process has failed; run the command again",
			Not: "closed",
			Read: func(how []byte) error {
				r := newRoom(t, "officiant-root")
				r.wrap(t)
				opened, err := Open(t.Context(), r.ref(0, ""), r.ask)
				if err != nil {
					return err
				}
				if lib := opened.(*store).lib; string(how) == "killed" {
					defer opened.Close() // which fails, as its process has
					if err := unix.Kill(lib.ctx.PID(), unix.SIGKILL); err != nil {
						return err
					}
					for n := 0; lib.ctx.Alive() && n < 5000; n++ {
						time.Sleep(time.Millisecond)
					}
				} else if err := opened.Close(); err != nil {
					return err
				}
				again, refused := Open(t.Context(), r.ref(0, ""), r.ask)
				if refused != nil {
					again, err = Open(t.Context(), r.ref(0, ""), r.ask) // the command is run again
				}
				if err != nil {
					t.Fatalf("after %v: %v", refused, err)
				}
				if err := again.Close(); err != nil {
					t.Error(err)
				}
				return refused
			},
		},
		{
			Of:   "a file that cannot be read",
			Data: "socket", Says: "PKCS#11 module: open ",
			Not: "folder", Instead: "is a directory",
			Read: func(what []byte) error {
				path := filepath.Join(t.TempDir(), "m.so")
				if string(what) == "folder" {
					if err := os.Mkdir(path, 0o700); err != nil {
						return err
					}
				} else {
					l, err := net.Listen("unix", path)
					if err != nil {
						return err
					}
					defer l.Close()
				}
				_, _, err := Module(signer.Ref{URI: "pkcs11:token=a?module-path=" + path})
				return err
			},
		},
	}})
}
