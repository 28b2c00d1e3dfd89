package audit_test

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"officiant/bundle"
	"officiant/bundle/fingerprint"
	"officiant/ceremony/audit"
)

// written are ceremony directories as programs before this one left them, packed
// under testdata/written, each with the SubjectPublicKeyInfo of its release key.
// They are never written again: formats change, and these go on verifying. A format
// that comes later adds its own.
var written = map[string]string{
	"first":             "24a009e31ee0941b5a7d216786dd559e071149a5935e621e7a27b517ac83a85d", // people, lists, SoftHSM
	"rehearsal":         "93ab67aec3c4f7be2eaeac938eb5ff1a48e85d14ac12ac66509e745d8ecc1bc6",
	"abandoned":         "d996bb462e94d3f00a24be8d1c9bebebef45ab18662b4cfa9345ae8a004f9bbc", // killed, and resumed
	"node-keys":         "b535f0b9cfd115797ebab2c767b2ef802e8a8d14629b5cfaf651872e8c1dfad6", // made in the ceremony
	"witness":           "bc6989afc7c3d2501b2f8051662c6dbff76aebca1f2247d6829a85a4515c9731",
	"other-people":      "40237f6638eead4c683054485479bce28a514be30cc06d117afeeea8f526abb5",
	"renewal":           "e5ecc150e34b7ba7e8721236c8d84fe94ab04c6835dab9d6eb0224d255d9a514",
	"rollover":          "d512f2bc55e7566106b21813458fd84b96123c5b6174cdaa64f3f7198b101fe9", // a successor that is trusted
	"renewed-authority": "e05c1b721abb1ed1be0f46dbd49a2635cbe4edf1b8535c5e53dd215b20797f9d",
	"release-announced": "ef90717921932c53620648b3c350b48ea6ee32da03be5d5fd800aaa5c8e45270",
	"release-succeeded": "de5c188979cbccc2dc48af0bc1d71541995aa04e75044f6460cf2d99a816bfc2",
	"account-rotation":  "bda0f505e0fa9d9bf79d41a3028e94318ada1ab545ef27415791f3246c82f405",
	"revocation":        "3576dee079951499376331a97e3dc96cfde2ccfd1249f27821f1661ebb9c106f",
	"adoption":          "e9205abfc0296a543cbbcf3e0f826ca195e65f86b892953c062abea5d1615c2b",
	"adopted-stage":     "e9205abfc0296a543cbbcf3e0f826ca195e65f86b892953c062abea5d1615c2b",
	"lost-chain":        "06e65101655aece6ea73eebc064761646dfa6c3acf8499e8279edb99ecb37624",
	"lost-release":      "50809a26300224f043e1615ce71c0b192fbb8b033a14778577620c20e28e12c6",
	"second-cluster":    "cf354177864a00e19e2142717dfcebb9cf58772fb94519648312db62e2124095",
	// Bundles of format 4; certificatesDir and the files of an external etcd lie elsewhere.
	"kubeadm-elsewhere": "48452a65915a8740e507bb983cdfbab4f7633eeea7a00995ac0cacedce40736b",
	"wrong-pin":         "48dadf319234f607c8c6e6c238dcf6777ec80bb1bde2d124c05a81f10d90e6b3", // refused, and gone on
	"external-root":     "e5cbf245fa444de7eaabd98b4e979d72b3a4bf1006eece0f3c240079588eb5a0",
	// Bundles of format 6; kubelet-client gets another certificate for its key.
	"online-signer": "fa487d7a4cb64b767fa05ce0ee11814a1fe32ac120a0d745bdcf33030b71833e",
	// A grant that refuses the keys of what is revoked, a ceremony's and an online signer's,
	// and the journal that was taken in.
	"grant": "f3947d30d0b6958f36c288a304f57742c84df3bfeede5452bc12e19cdfbae35c",
}

// TestWrittenBefore verifies each of them: whole, with the ceremonies it continues
// at hand, under its release key.
func TestWrittenBefore(t *testing.T) {
	packed := must(filepath.Glob("testdata/written/*.tar.gz"))
	if len(packed) != len(written) {
		t.Errorf("%d directories are packed, %d are known: %q", len(packed), len(written), packed)
	}
	for name, release := range written {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := unpack(t, "testdata/written/"+name+".tar.gz")
			o := audit.Options{ReleaseKey: releaseIn(t, dir), Rehearsal: name == "rehearsal"}
			if got := must(fingerprint.SPKI(o.ReleaseKey)); got.String() != release {
				t.Fatalf("its release key is %s, it was written by %s", got, release)
			}
			o.Previous = must(filepath.Glob(filepath.Join(dir, "previous-*")))
			r := must(audit.Verify(filepath.Join(dir, "ceremony"), o))
			for _, f := range r.Findings() {
				t.Error(f)
			}
			if r.Verdict() != audit.Verified {
				t.Errorf("%s", r.Verdict())
			}
		})
	}
}

// TestWrittenBeforeCanFail: one byte of a packed directory is missed.
func TestWrittenBeforeCanFail(t *testing.T) {
	dir := unpack(t, "testdata/written/first.tar.gz")
	file := filepath.Join(dir, "ceremony", "schedule.txt")
	if err := os.WriteFile(file, append(must(os.ReadFile(file)), '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
	r := must(audit.Verify(filepath.Join(dir, "ceremony"), audit.Options{ReleaseKey: releaseIn(t, dir)}))
	wantFinding(t, r, "schedule.txt")
}

func releaseIn(t *testing.T, dir string) any {
	t.Helper()
	files := must(filepath.Glob(filepath.Join(dir, "ceremony", "release*.pub")))
	if len(files) != 1 {
		t.Fatalf("release keys %q", files)
	}
	return must(bundle.ParseReleaseKey(files[0], must(os.ReadFile(files[0]))))
}

// unpack returns a new folder with the content of a packed one.
func unpack(t *testing.T, file string) string {
	t.Helper()
	f := must(os.Open(file))
	defer f.Close()
	dir := t.TempDir()
	r := tar.NewReader(must(gzip.NewReader(f)))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return dir
		}
		if err != nil {
			t.Fatal(err)
		}
		if !filepath.IsLocal(h.Name) || slices.Contains(strings.Split(h.Name, "/"), "..") {
			t.Fatalf("%s: leaves the folder", h.Name)
		}
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(path, 0o755)
		} else if err = os.MkdirAll(filepath.Dir(path), 0o755); err == nil {
			err = os.WriteFile(path, must(io.ReadAll(r)), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
