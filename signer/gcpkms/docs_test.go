package gcpkms

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/kms/apiv1/kmspb"

	"officiant/signer"
	"officiant/signer/gcpkms/gcpkmstest"
)

func page(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "signers", "gcpkms.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestPage holds docs/signers/gcpkms.md to what the package does: its
// attributes are taken, its permissions are those that are asked for, and its
// roots are the built-in ones.
func TestPage(t *testing.T) {
	text := page(t)
	const ring = "gcpkms://projects/demo-1/locations/europe-west3/keyRings/r"
	for _, m := range regexp.MustCompile("(?m)^\\| `\\?([^`]+)`").FindAllStringSubmatch(text, -1) {
		if _, err := parseURI(ring + "?" + strings.Replace(m[1], "HOST:PORT", "127.0.0.1:1", 1)); err != nil {
			t.Errorf("%s: %v", m[1], err)
		}
	}
	for _, uri := range regexp.MustCompile(`(?m)^gcpkms://\S+`).FindAllString(text, -1) {
		uri = strings.NewReplacer("/P/", "/demo-1/", "/L/", "/global/", "Versions/N", "Versions/1").Replace(uri)
		if _, err := parseURI(uri); err != nil {
			t.Errorf("%s: %v", uri, err)
		}
	}
	told := regexp.MustCompile(`cloudkms\.(keyRings|cryptoKeys|cryptoKeyVersions)\.[a-zA-Z]+`).FindAllString(text, -1)
	slices.Sort(told)
	told = slices.Compact(told)
	var want []string
	for _, p := range permissions {
		want = append(want, p)
	}
	slices.Sort(want)
	if !slices.Equal(told, want) {
		t.Errorf("the page has %s, needed are %s", told, want)
	}
	for _, root := range strings.Fields(builtInRoots(t).String()) {
		if !strings.Contains(strings.ToLower(strings.ReplaceAll(text, ":", "")), root) {
			t.Errorf("the page does not have the root %s", root)
		}
	}
}

// byHand runs the page's commands on the record of one key.
func byHand(t *testing.T, pub crypto.PublicKey, attributes map[string]string, maker, google string) (string, error) {
	t.Helper()
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(page(t), -1)
	if len(blocks) != 3 {
		t.Fatalf("%d blocks", len(blocks))
	}
	script := "set -euo pipefail\n" + blocks[0][1] + blocks[1][1] + blocks[2][1]
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	algorithm, err := signer.AlgorithmOf(pub)
	if err != nil {
		t.Fatal(err)
	}
	line, err := json.Marshal(map[string]any{"type": "key", "data": map[string]any{
		"name": "etcd", "algorithm": algorithm, "publicKey": der, "attributes": attributes}})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"transcript.jsonl": string(line) + "\n", "maker.pem": maker, "google.pem": google} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.CommandContext(t.Context(), "bash", "-c", script)
	command.Dir = dir
	out, err := command.CombinedOutput()
	return string(out), err
}

// inPEM writes the two roots of an attestation.
func inPEM(roots anchors) (maker, google string) {
	text := func(c *x509.Certificate) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	return text(roots[0]), text(roots[1])
}

// TestByHand runs the page's commands on a record of each kind of key, on real
// ones, and on records that were changed.
func TestByHand(t *testing.T) {
	maker, google := inPEM(builtInRoots(t))
	for _, name := range []string{"ec", "rsa"} {
		a := realOne(t, name)
		s, err := parseStatement(a)
		if err != nil {
			t.Fatal(err)
		}
		attributes := attributesOf(&kmspb.CryptoKey{}, &kmspb.CryptoKeyVersion{Attestation: a})
		if out, err := byHand(t, realKey(t, name, s), attributes, maker, google); err != nil || !strings.Contains(out, "attested: etcd") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	maker, google = inPEM(fakeRoots(t))
	_, _, k, _ := made(t, signer.ECDSAP384)
	if out, err := byHand(t, k.Public(), k.info.Attributes, maker, google); err != nil || !strings.Contains(out, "attested: etcd") {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := byHand(t, k.Public(), k.info.Attributes, google, maker); err == nil {
		t.Errorf("other roots: %s", out)
	}
	statement := func(of crypto.PublicKey, kind uint32, value byte) func(map[string]string) {
		content := gcpkmstest.Attest(of, v2, func(_, o gcpkmstest.Object) { o[kind] = []byte{value} }).Content
		return func(m map[string]string) {
			m["attestation.content"], m["attestation.sha256"] = base64.StdEncoding.EncodeToString(content), sha256Hex(content)
		}
	}
	for name, change := range map[string]func(map[string]string){
		"another key's":            statement(anyKey(t), attrLocal, 1),
		"extractable":              statement(k.Public(), attrExtractable, 1),
		"not local":                statement(k.Public(), attrLocal, 0),
		"another hash":             func(m map[string]string) { m["attestation.sha256"] = strings.Repeat("0", 64) },
		"no partition of Google's": func(m map[string]string) { m["attestation.googlePartitionCerts"] = m["attestation.googleCardCerts"] },
		"no attestation":           func(m map[string]string) { delete(m, "attestation.content") },
	} {
		changed := maps.Clone(k.info.Attributes)
		change(changed)
		if out, err := byHand(t, k.Public(), changed, maker, google); err == nil {
			t.Errorf("%s: %s", name, out)
		}
	}
}
