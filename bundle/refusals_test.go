package bundle_test

import (
	"archive/tar"
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"officiant/bundle"
	"officiant/bundle/bundletest"
	"officiant/bundle/durable"
	"officiant/bundle/kubepki"
)

// says checks that err has a text.
func says(t *testing.T, what string, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: %v, want %q", what, err, want)
	}
}

// version1 is a certificate as it was before there were extensions, signed by a's key.
func version1(t *testing.T, of *x509.Certificate, a bundletest.Authority) []byte {
	t.Helper()
	var tbs struct {
		Version                                       int `asn1:"optional,explicit,default:0,tag:0"`
		Serial                                        *big.Int
		Algorithm, Issuer, Validity, Subject, KeyInfo asn1.RawValue
	}
	var whole struct {
		TBS, Algorithm asn1.RawValue
		Signature      asn1.BitString
	}
	_, err := asn1.Unmarshal(of.Raw, &whole)
	must(t, err)
	_, err = asn1.Unmarshal(of.RawTBSCertificate, &tbs) // the extensions follow, and are left
	if err != nil && !strings.Contains(err.Error(), "trailing") {
		t.Fatal(err)
	}
	tbs.Version = 0
	whole.TBS.FullBytes, err = asn1.Marshal(tbs)
	must(t, err)
	digest := crypto.SHA256.New()
	digest.Write(whole.TBS.FullBytes)
	whole.Signature.Bytes, err = a.Key.Sign(rand.Reader, digest.Sum(nil), crypto.SHA256)
	must(t, err)
	whole.Signature.BitLength = 8 * len(whole.Signature.Bytes)
	der, err := asn1.Marshal(whole)
	must(t, err)
	return der
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestRareFaults: what few bundles are wrong with is found as well.
func TestRareFaults(t *testing.T) {
	ca := kubepki.KubernetesAuthority
	for name, f := range map[string]fault{
		"a key among authorities": {file: "pki/ca.crt",
			problem: `holds a PEM block "PUBLIC KEY"; only plain certificates belong here`,
			files: appended("pki/ca.crt", func(w *world) []byte {
				return bundletest.PublicPEM(w.t,
					w.Account.Public())
			})},
		"a PEM header": {file: "pki/ca.crt",
			problem: `holds a PEM block "CERTIFICATE"; only plain certificates belong here`,
			files: func(w *world, b *bundle.Bundle) {
				b.Files["pki/ca.crt"] = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE",
					Headers: map[string]string{"a": "b"},
					Bytes:   w.Authorities[ca].Certificate.Raw})
			}},
		"a second root": {file: bundle.RootFile,
			problem: "holds 2 certificates, not the root and those officiant/node.json names beside it",
			files: appended(bundle.RootFile,
				func(w *world) []byte { return bundletest.Certificates(w.Authorities[ca].Certificate.Raw) })},
		"version 1": {file: "pki/apiserver.crt", problem: "is an X.509 version 1 certificate",
			files: func(w *world, b *bundle.Bundle) {
				leaf := version1(w.t, w.parts.Leaves["apiserver"], w.Authorities[ca])
				b.Files["pki/apiserver.crt"] = bundletest.Certificates(leaf, w.Authorities[ca].Certificate.Raw)
			}},
		"P-224": {file: "pki/apiserver.crt", problem: "key is on curve P-224", parts: reissue("apiserver",
			func(w *world, _ *x509.Certificate, _ *bundletest.Authority, pub *crypto.PublicKey) {
				k, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
				must(w.t, err)
				*pub = k.Public()
			})},
		"another root at the end": {file: "pki/server-ca.crt",
			problem: "does not end with the roots of the authorities it holds",
			parts: func(w *world) {
				next := w.Successor(w.t, kubepki.Root, bundletest.Authority{})
				w.parts.Trusted = trusted{kubepki.Root: {next.Certificate},
					ca: {w.Successor(w.t, ca, next).Certificate}}
			},
			files: func(w *world, b *bundle.Bundle) {
				raw := w.Authorities[ca].Certificate.Raw
				b.Files["pki/server-ca.crt"] = bundletest.Certificates(raw, w.parts.Trusted[ca][0].Raw,
					w.Root.Certificate.Raw, raw)
			}},
	} {
		t.Run(name, f.run)
	}
	p := bundletest.New(t, bundletest.Cluster())
	n := p.NewNode(t, bundletest.First())
	former := p.Former(t)
	staged := p.BundleOfParts(t, n, 1, p.TrustParts(t, n, former))
	staged = staged.With(map[string][]byte{"pki/apiserver.crt": append(slices.Clone(staged.Files["pki/apiserver.crt"]),
		bundletest.CertificatePEM(former[ca].Certificate)...)})
	wantFinding(t, "a leaf with an adopted authority", staged, "pki/apiserver.crt",
		"holds 2 certificates, not the leaf alone: its authority is nobody's intermediate")

	corporate := newCorporate(t, asIs, asIs)
	external := corporate.bundle(t, corporate.NewNode(t, bundletest.First()), nil)
	wantFinding(t, "an external root that is missing", external.With(map[string][]byte{bundle.RootFile: nil}),
		"pki/ca.crt",
		"its issuer, authority root, is not in the bundle")
	external.Format = 2
	wantFinding(t, "an external root in an old format", external, bundle.FactsFile,
		"says that the root is external, which format 2 cannot be")

	signed := p.Bundle(t, n, 1)
	signed.Signature = bundletest.PrivatePEM(t, p.Release)
	wantFinding(t, "a key where the signature belongs", signed, bundle.SignatureFile,
		"holds a private key; none belongs into a bundle")
}

// TestNumberless: a revocation list without a number is none that can be followed by another.
func TestNumberless(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	var list pkix.CertificateList
	_, err := asn1.Unmarshal(p.Authorities[kubepki.EtcdAuthority].List(t, 1, bundletest.Now), &list)
	must(t, err)
	list.TBSCertList.Raw = nil
	list.TBSCertList.Extensions = slices.DeleteFunc(list.TBSCertList.Extensions,
		func(e pkix.Extension) bool { return e.Id.Equal(asn1.ObjectIdentifier{2, 5, 29, 20}) })
	der, err := asn1.Marshal(list)
	must(t, err)
	_, err = bundle.ParseRevocationList(der)
	says(t, "no number", err, "has no CRL number")
}

// TestBuildSays: what Build refuses it names.
func TestBuildSays(t *testing.T) {
	worker, err := func() (*bundle.Bundle, error) {
		p := bundletest.New(t, bundletest.Cluster())
		n := p.NewNode(t, bundletest.Worker())
		parts := p.Parts(t, n)
		parts.Root = nil
		return bundle.Build(p.Header(n, 1), parts)
	}()
	says(t, "no root", err, "bundle of worker-1: officiant/root.crt: no root certificate")
	if worker != nil {
		t.Error("built without a root")
	}
}

// TestTextsOfRareBundles: a rehearsal's bundle says so, and an adoption's in an old format
// has a kubelet keep to kubelet.conf by its own file.
func TestTextsOfRareBundles(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	n := p.NewNode(t, bundletest.First())
	h := p.Header(n, 1)
	h.Rehearsal = true
	b, err := bundle.Build(h, p.Parts(t, n))
	must(t, err)
	for file, want := range map[string]string{
		bundle.ReadmeFile: "THIS WAS MADE IN A REHEARSAL. IT IS NOT FOR USE, AND NO NODE ACCEPTS IT.\n",
		bundle.VerifyFile: "THIS WAS MADE IN A REHEARSAL, ON THROW-AWAY KEYS. IT IS NOT FOR USE, AND NO NODE\n" +
			"ACCEPTS IT.\n",
	} {
		if !bytes.Contains(b.Files[file], []byte(want)) {
			t.Errorf("%s of a rehearsal does not say %q", file, want)
		}
		if bytes.Contains(p.Bundle(t, n, 1).Files[file], []byte("REHEARSAL")) {
			t.Errorf("%s of a real bundle says that it is a rehearsal's", file)
		}
	}
	h = p.Header(n, 1)
	h.Format = 3
	b, err = bundle.Build(h, p.TrustParts(t, n, p.Former(t)))
	must(t, err)
	const want = "In /var/lib/kubelet/config.yaml, write:\n\n    rotateCertificates: false\n\nand take " +
		"/var/lib/kubelet/pki/kubelet-client-* away before the kubelet is restarted: it\n" +
		"would use those in place of kubelet.conf."
	if !bytes.Contains(b.Files[bundle.ReadmeFile], []byte(want)) {
		t.Errorf("README.txt of format 3 does not say %q:\n%s", want, b.Files[bundle.ReadmeFile])
	}
}

// TestReadRefused: what is too large, or of another form, is not read.
func TestReadRefused(t *testing.T) {
	_, err := bundle.Parse("large.tar", make([]byte, 64<<20+1))
	says(t, "a large archive", err, "larger than 64 MiB")

	p := bundletest.New(t, bundletest.Cluster())
	b := p.Bundle(t, p.NewNode(t, bundletest.Worker()), 1)
	dir := bundletest.Scatter(t, b)
	for _, name := range []string{"a", "b"} { // holes: neither takes room on the disk
		bundletest.WriteFile(t, filepath.Join(dir, name), nil)
		must(t, os.Truncate(filepath.Join(dir, name), 40<<20))
	}
	_, err = bundle.Open(dir)
	says(t, "two large files", err, "the bundle is larger than 64 MiB")

	_, err = bundle.Parse("gnu.tar", append(rawHeader("worker-1/a", '0', 0,
		func(h []byte) { copy(h[257:], "ustar  \x00") }), make([]byte, 1024)...))
	says(t, "GNU's header", err, "has a header of GNU's own form")

	var keys bytes.Buffer
	w := tar.NewWriter(&keys)
	key := bundletest.PrivatePEM(t, bundletest.Key(t))
	must(t, w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: "keys/a.key", Size: int64(len(key))}))
	_, err = w.Write(key)
	must(t, err)
	_, err = bundle.UnpackKeys(keys.Bytes()[:600])
	says(t, "a tar of keys that is cut off", err, "is not a tar of keys")

	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	must(t, err)
	_, err = bundle.ParseReleaseKey("release.pub", bundletest.PublicPEM(t, p384.Public()))
	says(t, "a release key on another curve", err, "release key is ECDSA P-384; it must be ECDSA P-256 or RSA")
}

// TestWriteRefused: a bundle without its signature is not written, and what stands in the
// way is named.
func TestWriteRefused(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	n := p.NewNode(t, bundletest.Worker())
	disk := &durable.Disk{}
	unsigned, err := bundle.Build(p.Header(n, 1), p.Parts(t, n))
	must(t, err)
	const without = "bundle of worker-1 has no signature"
	_, err = unsigned.Tar()
	says(t, "tar", err, without)
	says(t, "folder", unsigned.WriteDir(disk, t.TempDir()), without)
	says(t, "file", unsigned.WriteTar(disk, filepath.Join(t.TempDir(), "b.tar")), without)

	batch, err := disk.Batch(t.TempDir())
	must(t, err)
	says(t, "batch", unsigned.WriteBatch(batch, "worker-1", "worker-1.tar"), without)
	must(t, batch.Abandon())

	b := p.Bundle(t, n, 1)
	strange := bundletest.Clone(b)
	strange.Files = maps.Clone(b.Files)
	strange.Files["a\x00b"] = nil
	_, err = strange.Tar()
	says(t, "a path that no archive takes", err, "bundle of worker-1: a\x00b: ")

	file := filepath.Join(t.TempDir(), "file")
	bundletest.WriteFile(t, file, nil)
	says(t, "a folder in a file", b.WriteDir(disk, filepath.Join(file, "b")), "bundle of worker-1: ")
	dir := t.TempDir()
	says(t, "a folder where the archive belongs", b.WriteTar(disk, dir), "bundle of worker-1: read "+dir)

	// A disk that fails, at each of its operations.
	worn := errors.New("the disk is worn out")
	for _, op := range []durable.Op{durable.OpMkdir, durable.OpRemove, durable.OpWrite, durable.OpSyncDir} {
		dir := t.TempDir()
		if op == durable.OpRemove { // what a killed process left
			killed := &durable.Disk{Gate: func(op durable.Op, _ string) error {
				if op == durable.OpRename {
					return errors.New("killed")
				}
				return nil
			}}
			if err := b.WriteDir(killed, dir); err == nil {
				t.Fatal("written without a rename")
			}
		}
		failing := &durable.Disk{Gate: func(o durable.Op, _ string) error {
			if o == op {
				return worn
			}
			return nil
		}}
		err := b.WriteDir(failing, dir)
		if !errors.Is(err, worn) || !strings.HasPrefix(err.Error(), "bundle of worker-1: ") {
			t.Errorf("%s: %v", op, err)
		}
		if op != durable.OpWrite {
			continue
		}
		batch, err := failing.Batch(t.TempDir())
		must(t, err)
		if err := b.WriteBatch(batch, "worker-1", "worker-1.tar"); !errors.Is(err, worn) ||
			!strings.HasPrefix(err.Error(), "bundle of worker-1: ") {
			t.Errorf("a batch: %v", err)
		}
		must(t, batch.Abandon())
	}
}

// TestLongName: a node's name that is longer than a DNS name is none.
func TestLongName(t *testing.T) {
	p := bundletest.New(t, bundletest.Cluster())
	n := p.NewNode(t, bundletest.Worker())
	h, parts := p.Header(n, 1), p.Parts(t, n)
	h.Node = strings.Repeat("a", 254)
	parts.Node.Name = h.Node
	_, err := bundle.Build(h, parts)
	says(t, "254 characters", err, "node: "+`"`+strings.Repeat("a", 40)+`"… is longer than 253 characters`)
}
