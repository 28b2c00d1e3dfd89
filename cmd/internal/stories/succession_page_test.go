package stories

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"officiant/bundle/privatekey"
	"officiant/bundle/seal"
)

// TestSuccessionPage types every command of docs/succession.md after those of the
// guide's first ceremony. Then tokens by the old and the new key are held against
// sa.pub of each stage as an API server reads it, and the printed search for tokens
// in Secrets is tried on two of them.
func TestSuccessionPage(t *testing.T) {
	first, typed := partsOf(t, "6", "succession.md", 9)
	dir, out := typeAll(t, first, typed)
	for _, want := range []string{
		"signs, API servers learn to believe the next key", "signs, API servers still believe", "believe",
		"It opens the keys: release.\n", "tokens signed with the former service-account key may live until",
		"release signs, nodes learn to take bundles by release-2", "announced ", "release-2 signs, and a node that takes a bundle by it leaves release",
		"the last ceremony announced it under that key", "release-2 is lost, and release-3 signs", "is by another release key than this node pinned",
		"ceremony harbour-4: verified", "ceremony harbour-6: verified", "ceremony harbour-7: verified",
		"was lost; it does not vouch for this one",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("nobody was told %q:\n%s", want, out)
		}
	}
	node := filepath.Join(dir, "nodes", "cp-1")
	old := unsealed(t, node, filepath.Join(dir, "ceremony", "secrets", "sa.key.age"))
	next := unsealed(t, node, filepath.Join(dir, "ceremony-2", "secrets", "sa.next.key.age"))
	for i, stage := range []struct {
		ceremony string
		old, new bool
	}{{"ceremony", true, false}, {"ceremony-2", true, true}, {"ceremony-3", true, true}, {"ceremony-4", false, true}} {
		pub := filepath.Join(dir, stage.ceremony, "bundles", "cp-1", "pki", "sa.pub")
		for _, k := range []struct {
			key  *ecdsa.PrivateKey
			want bool
		}{{old, stage.old}, {next, stage.new}} {
			if got := believes(t, pub, token(t, k.key)); got != k.want {
				t.Errorf("stage %d: a token by %s is believed: %t", i, keyID(t, &k.key.PublicKey), got)
			}
		}
	}
	if now := installedKey(t, node); !now.Equal(next) {
		t.Error("sa.key is not the new key")
	}
	findTokens(t, out, token(t, old), token(t, next))
}

func unsealed(t *testing.T, node, file string) *ecdsa.PrivateKey {
	t.Helper()
	identity, err := seal.IdentityIn(readFile(t, filepath.Join(node, "var/lib/officiant-node/identity.txt")))
	if err != nil {
		t.Fatal(err)
	}
	secret, err := seal.Open(identity, []byte(readFile(t, file)))
	if err != nil {
		t.Fatal(err)
	}
	return ecKey(t, secret)
}

func installedKey(t *testing.T, node string) *ecdsa.PrivateKey {
	t.Helper()
	return ecKey(t, []byte(readFile(t, filepath.Join(node, "etc/kubernetes/pki/sa.key"))))
}

func ecKey(t *testing.T, text []byte) *ecdsa.PrivateKey {
	t.Helper()
	key, err := privatekey.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		t.Fatalf("a key of type %T", key)
	}
	return ec
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// keyID is kid as kube-apiserver computes it (pkg/serviceaccount: keyIDFromPublicKey).
func keyID(t *testing.T, pub *ecdsa.PublicKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(der)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// token is a service-account token, signed as RFC 7518 section 3.4 says (ES256).
func token(t *testing.T, key *ecdsa.PrivateKey) string {
	t.Helper()
	header, err := json.Marshal(map[string]string{"alg": "ES256", "kid": keyID(t, &key.PublicKey)})
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	body := encode(header) + "." + encode([]byte(`{"iss":"https://kubernetes.default.svc.cluster.local","sub":"system:serviceaccount:default:default"}`))
	sum := sha256.Sum256([]byte(body))
	r, s, err := ecdsa.Sign(rand.Reader, key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	signature := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	return body + "." + encode(signature)
}

// believes verifies a token with every key of sa.pub whose id is in its header, as
// an API server does that has the file as --service-account-key-file.
func believes(t *testing.T, file, token string) bool {
	t.Helper()
	parts := strings.Split(token, ".")
	var header struct{ Kid string }
	raw, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err == nil {
		err = json.Unmarshal(raw, &header)
	}
	signature, e := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || e != nil || len(signature) != 64 {
		t.Fatal(err, e)
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	for rest := []byte(readFile(t, file)); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return false
		}
		pub, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		key := pub.(*ecdsa.PublicKey)
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		if keyID(t, key) == header.Kid && ecdsa.Verify(key, sum[:], r, s) {
			return true
		}
	}
}

// findTokens runs the printed search over Secrets, with a file in place of a
// cluster: it names the Secret with a token by the old key, and no other.
func findTokens(t *testing.T, out, old, next string) {
	t.Helper()
	search := regexp.MustCompile(`(?m)^ +kubectl get secrets .* -o json \| (jq .*)$`).FindStringSubmatch(out)
	if search == nil {
		t.Fatal("no search for tokens was printed")
	}
	type secret struct {
		Metadata map[string]string `json:"metadata"`
		Data     map[string][]byte `json:"data,omitempty"`
	}
	list, err := json.Marshal(map[string][]secret{"items": {
		{map[string]string{"namespace": "ci", "name": "old"}, map[string][]byte{"token": []byte(old)}},
		{map[string]string{"namespace": "ci", "name": "new"}, map[string][]byte{"token": []byte(next)}},
		{map[string]string{"namespace": "ci", "name": "waiting"}, nil},
	}})
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("bash", "-c", search[1])
	c.Stdin = bytes.NewReader(list)
	found, err := c.CombinedOutput()
	if err != nil || string(found) != "ci old\n" {
		t.Errorf("%v: found %q", err, found)
	}
}
