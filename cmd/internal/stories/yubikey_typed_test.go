//go:build tokens && cgo && linux

package stories

import (
	"encoding/hex"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"officiant/signer/pkcs11/pivcard"
	"officiant/signer/pkcs11/pkcs11test"
)

// keepRoot writes the root of a card's maker, which is none that is built in.
func keepRoot(t *testing.T, y *pkcs11test.YubiKey, dir string) {
	t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: y.Root().Raw})
	if err := os.WriteFile(filepath.Join(dir, "newer-root.pem"), text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestYubiKeyTyped types PIN and management key at a terminal. A wrong management key is
// tried once and makes nothing; neither is seen. A key in the way is named, with what helps.
func TestYubiKeyTyped(t *testing.T) {
	y := pkcs11test.PIV(t, 12345678)
	dir := t.TempDir()
	keepRoot(t, y, dir)
	create := []string{"officiant", "signer", "create", y.URI(2), "--algorithm", "ECDSA-P256", "--evidence", "attested",
		"--attestation-root", "newer-root.pem"}
	right := hex.EncodeToString(y.ManagementKey)
	typed := func(key string, code int) *person {
		p := sit(t, dir, create...)
		p.sees("PIN, to log in (no wrong PIN reported): ")
		p.types(y.PIN)
		p.sees("token YubiKey PIV #12345678, serial 12345678, YubiKey YK5")
		p.sees("Management key, to create a key in its slot (48 hexadecimal digits): ")
		p.hides()
		p.types(key)
		if code == 0 { // slot 9c asks for the PIN at each signature: here, of the challenge
			p.sees("PIN, for one signature by Private key for Digital Signature (no wrong PIN reported): ")
			p.types(y.PIN)
		}
		p.leaves(code)
		for _, secret := range []string{key, y.PIN + "\r\n"} {
			if strings.Contains(p.seen(), secret) {
				t.Errorf("a secret is seen:\n%s", p.seen())
			}
		}
		return p
	}
	for key, says := range map[string]string{
		strings.Repeat("0a", 24): "is not accepted",
		"none at all":            "is not accepted: it has 11 characters",
	} {
		if p := typed(key, 5); !strings.Contains(strings.Join(strings.Fields(p.seen()), " "), says) {
			t.Errorf("want %q:\n%s", says, p.seen())
		}
	}
	if y.Seen(pivcard.Generate) != 0 {
		t.Fatal("a key was made with a wrong management key")
	}
	if p := typed(right, 0); !strings.Contains(p.seen(), "evidence    attested") {
		t.Errorf("not attested:\n%s", p.seen())
	}

	p := sit(t, dir, create...)
	p.sees("PIN, to log in (no wrong PIN reported): ")
	p.types(y.PIN)
	p.leaves(3)
	seen := strings.Join(strings.Fields(p.seen()), " ") // the terminal folds it
	for _, says := range []string{"a key of this name exists", "another slot, which has to be empty: id=%05 to id=%18",
		`"ykman piv keys delete 9c" (firmware 5.7 or newer) and "ykman piv certificates delete 9c"`} {
		if !strings.Contains(seen, says) {
			t.Errorf("want %q:\n%s", says, p.seen())
		}
	}
	for _, useless := range []string{"abandon", "object=NAME"} {
		if strings.Contains(p.seen(), useless) {
			t.Errorf("%s is no help in a slot:\n%s", useless, p.seen())
		}
	}

	p = sit(t, dir, "officiant", "signer", "inspect", y.URI(2))
	p.sees("PIN, to log in (no wrong PIN reported): ")
	p.types(y.PIN)
	p.sees("evidence    consistent")
	p.leaves(0)
	seen = strings.Join(strings.Fields(p.seen()), " ")
	if !strings.Contains(seen, "a newer root of its vendor's has to be given by name") {
		t.Errorf("nothing says how its vendor's root is trusted:\n%s", p.seen())
	}
}

// newerRoot are two ceremonies whose root is made in a slot of a YubiKey and has to be
// attested: one does not know the root of its maker's, one is given it.
const newerRoot = `
mkdir -p plan/requests
officiant-node request --kubeadm "$SOURCE/softhsm/demo/cp-1.yaml" --roles control-plane,etcd --root cp-1 \
    --out plan/requests/cp-1.req
officiant ceremony new --kubeadm "$SOURCE/softhsm/demo/cp-1.yaml" --requests plan/requests \
    --station-grade software --out plan/plan.yaml
digest=$(officiant ceremony check plan/plan.yaml --digest)
run() { # NAME, KEY and what else it is given
	officiant softhsm init --dir room-$1 --station soft-$1.yaml
	files="pin-source=file:$PWD/pin\&so-pin-source=file:$PWD/management-key"
	sed "s|^  root: .*|  root: \"$2\&$files\"|" soft-$1.yaml >$1.yaml
	echo 'evidence: {root: attested}' >>$1.yaml
	officiant ceremony run plan/plan.yaml --station $1.yaml --dir $1 --confirm "$digest" "${@:3}"
}
code=0
run without "$FIRST" 2>said || code=$?
test $code = 3
grep 'evidence for the root key is "consistent"' said
grep -e 'with a newer root of its vendor.*: --attestation-root FILE' said
run given "$SECOND" --attestation-root newer-root.pem 2>said || { cat said; exit 1; }
grep 'verify given --release-key [0-9a-f]* --attestation-root newer-root.pem' said
verify="officiant ceremony verify given --release-key given/release.pub"
$verify >bare || true
grep 'leads to no root that is built in or given' bare
$verify --attestation-root newer-root.pem >whole
if grep 'leads to no root' whole; then exit 1; fi
grep 'attestation of the root key was verified again' whole
`

// TestYubiKeyNewerRoot: an attestation by a root that is not built in is none for a run, unless
// it is given that root. Its last step and verify take it by the same flag.
func TestYubiKeyNewerRoot(t *testing.T) {
	needSoftHSM(t)
	y := pkcs11test.PIV(t, 12345678)
	dir := t.TempDir()
	keepRoot(t, y, dir)
	for name, secret := range map[string]string{"pin": y.PIN, "management-key": hex.EncodeToString(y.ManagementKey)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("FIRST", y.URI(2))
	t.Setenv("SECOND", y.URI(5))
	shell(t, dir, newerRoot)
	if n := y.Seen(pivcard.Generate); n != 2 {
		t.Errorf("%d keys were made", n)
	}
}
