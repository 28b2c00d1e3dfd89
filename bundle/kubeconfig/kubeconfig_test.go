package kubeconfig

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"officiant/bundle/limittest"
)

// The files in testdata were written by kubeadm v1.37.2: a whole one by
// `init phase kubeconfig kubelet`, one without certificates by `certs generate-csr`.
func testdata(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func whole(t testing.TB) *Config {
	t.Helper()
	c, err := Parse("kubelet.conf", testdata(t, "kubelet.conf"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRenderIsWhatKubeadmWrites(t *testing.T) {
	for _, name := range []string{"kubelet.conf", "generate-csr-admin.conf"} {
		data := testdata(t, name)
		c, err := Parse(name, data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := c.Render(); !bytes.Equal(got, data) {
			t.Errorf("%s: rendered as\n%s\nkubeadm wrote\n%s", name, got, data)
		}
	}
	c := whole(t)
	if c.Cluster != "demo" || c.User != "system:node:cp-1" || c.Context != "system:node:cp-1@demo" || c.Server != "https://10.0.0.11:6443" {
		t.Errorf("read as %q %q %q %q", c.Cluster, c.User, c.Context, c.Server)
	}
}

func TestComplete(t *testing.T) {
	full := whole(t)
	without := *full
	without.Key = nil
	text := without.Render()
	if bytes.Contains(text, []byte("client-key-data")) {
		t.Fatal("rendered with a key")
	}
	parsed, err := Parse("f", text)
	if err != nil {
		t.Fatal(err)
	}
	again, err := parsed.Complete(full.Key)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again.Render(), testdata(t, "kubelet.conf")) {
		t.Error("completed, it is not what it was")
	}
	if parsed.Key != nil {
		t.Error("Complete changed its receiver")
	}

	other, err := Parse("other", testdata(t, "generate-csr-admin.conf"))
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string][]byte{
		"another's key": other.Key, "nil": nil, "no PEM": []byte("xyzzy"), "a certificate": full.Certificate,
		"two keys": append(bytes.Clone(full.Key), full.Key...),
	} {
		if _, err := parsed.Complete(key); err == nil {
			t.Errorf("completed with %s", name)
		} else if len(key) > 0 && bytes.Contains([]byte(err.Error()), key) {
			t.Errorf("%s: the error repeats the key", name)
		}
	}
	if _, err := full.Complete(full.Key); err == nil {
		t.Error("completed twice")
	}
	if _, err := other.Complete(other.Key); err == nil {
		t.Error("completed without a certificate")
	}
}

func TestNamesStayStrings(t *testing.T) {
	c := Config{Server: "https://[fd00::1]:6443"}
	for _, name := range []string{
		"demo", "kubernetes-admin@demo", "system:node:cp-1@demo", "true", "No", "off", "null", "~", "123", "1e3", "0x1f",
		"12:30:45", "2001-01-01", ".5", "a: b", "a #b", "- a", "*a", "&a", "!a", "%a", "@a", "'a", `"a"`, `a\b`, "a\nb", "ends:",
		"[a]", "{a}", " a", "a ", "ü", "y", "n", "<a>", "a,b", "?", "|", ">",
	} {
		c.Cluster, c.User, c.Context = name, name, name
		var got document
		if err := yaml.Unmarshal(c.Render(), &got); err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if got.Clusters[0].Name != name || got.CurrentContext != name || got.Users[0].Name != name {
			t.Errorf("%q was read back as %q", name, got.CurrentContext)
		}
		var loose map[string]any
		if err := yaml.Unmarshal(c.Render(), &loose); err != nil {
			t.Errorf("%q: %v", name, err)
		} else if s, ok := loose["current-context"].(string); !ok || s != name {
			t.Errorf("%q is read as %T %v", name, loose["current-context"], loose["current-context"])
		}
	}
}

func TestBadFiles(t *testing.T) {
	text := string(testdata(t, "kubelet.conf"))
	key := base64.StdEncoding.EncodeToString(whole(t).Key)
	cert := base64.StdEncoding.EncodeToString(whole(t).Certificate)
	otherText := string(testdata(t, "generate-csr-admin.conf"))
	otherKey := strings.TrimSpace(otherText[strings.Index(otherText, "client-key-data: ")+len("client-key-data: "):])
	swap := func(old, new string) string {
		if !strings.Contains(text, old) {
			t.Fatalf("%q is not in the file", old)
		}
		return strings.Replace(text, old, new, 1)
	}
	bad := []struct{ name, text, want string }{
		{"empty", "", "not one YAML document"},
		{"a list", "- a\n", ""},
		{"two documents", text + "---\n" + text, "not one YAML document"},
		{"another kind", swap("kind: Config", "kind: Secret"), "kind"},
		{"unknown field", swap("kind: Config", "kind: Config\nextra: 1"), "f:14:1"},
		{"field twice", swap("kind: Config", "kind: Config\nkind: Config"), "f:14:1"},
		{"a CA's path", swap("    server:", "    certificate-authority: /etc/kubernetes/pki/ca.crt\n    server:"), "certificate-authority"},
		{"a certificate's path", swap("    client-key-data", "    client-certificate: /c\n    client-key-data"), "client-certificate"},
		{"a token", swap("    client-key-data", "    token: abc\n    client-key-data"), "token"},
		{"no verification", swap("    server:", "    insecure-skip-tls-verify: true\n    server:"), "insecure-skip-tls-verify"},
		{"a plugin", swap("    client-key-data", "    exec: {command: sh}\n    client-key-data"), "exec"},
		{"http", swap("https://", "http://"), "https://HOST:PORT"},
		{"password in the address", swap("https://", "https://a:b@"), "https://HOST:PORT"},
		{"two clusters", swap("contexts:", "- cluster:\n    server: https://evil:6443\n  name: evil\ncontexts:"), "2 clusters"},
		{"context of another cluster", swap("    cluster: demo", "    cluster: other"), "contexts[0].context.cluster"},
		{"context of another user", swap("    user: system:node:cp-1", "    user: other"), "contexts[0].context.user"},
		{"another context current", swap("current-context: system", "current-context: other"), "current-context"},
		{"CA not base64", swap("authority-data: LS0t", "authority-data: *LS0t"), ""},
		{"CA no PEM", swap("authority-data: LS0t", "authority-data: AAAA"), "certificate-authority-data"},
		{"a key for a CA", swap("authority-data: LS0t", "authority-data: "+key+" #"), "certificate-authority-data"},
		{"a key behind the certificate", swap(cert, cert[:len(cert)-4]+base64.StdEncoding.EncodeToString(whole(t).Key)), ""},
		{"another's key", swap(key, otherKey), "does not belong"},
		{"key broken", swap(key, "LS0tLS1C"), "client-key-data"},
		{"key a number", swap(key, "[1]"), "f:"},
		{"anchor", swap("  name: demo", "  name: &a demo"), "anchors"},
		{"alias", swap("kind: Config", "kind: *a"), "anchors"},
		{"tag", swap("kind: Config", "kind: !!str Config"), "anchors"},
		{"tabs", swap("  name: demo", "\tname: demo"), ""},
		{"too long", text + strings.Repeat("#", limits.Bytes), "more than the 65536 that are read"},
		{"too deep", text + strings.Repeat("[", limits.Bytes/2), "f:19:1: nested more than 16 deep"},
		{"too deep entries", strings.Repeat("- ", limits.Bytes/4), "f:1:1: nested more than 16 deep"},
	}
	for _, b := range bad {
		_, err := Parse("f", []byte(b.text))
		if err == nil {
			t.Errorf("%s: accepted", b.name)
			continue
		}
		if !strings.HasPrefix(err.Error(), "f:") || !strings.Contains(err.Error(), b.want) {
			t.Errorf("%s: got %q, want f: and %q", b.name, err, b.want)
		}
		if strings.Contains(err.Error(), key[60:90]) {
			t.Errorf("%s: the error repeats the key: %s", b.name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(testdata(f, "kubelet.conf"))
	f.Add(testdata(f, "generate-csr-admin.conf"))
	f.Add([]byte("apiVersion: v1\nkind: Config\npreferences: {}\n"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		defer limittest.Budget(t)()
		c, err := Parse("f", data)
		if err != nil {
			return
		}
		again, err := Parse("f", c.Render())
		if err != nil {
			t.Fatalf("%v; rendered as\n%s", err, c.Render())
		}
		if !bytes.Equal(again.Render(), c.Render()) {
			t.Errorf("rendered as\n%s\nthen as\n%s", c.Render(), again.Render())
		}
	})
}

// Damage beside a private key must not carry the key into an error.
func TestErrorsTellNoKey(t *testing.T) {
	text := string(testdata(t, "generate-csr-admin.conf"))
	_, rest, _ := strings.Cut(text, "client-key-data: ")
	key := strings.TrimSpace(rest)
	const piece = 20
	for i := range len(text) - len(key)/2 { // up to the middle of the key
		for _, damage := range []string{"|", ">", "\n", ": ", "\"", "'", "[", "- ", "*", "!", "%", "@"} {
			_, err := Parse("f", []byte(text[:i]+damage+text[i:]))
			if err == nil {
				continue
			}
			for j := 0; j+piece <= len(key); j += piece {
				if strings.Contains(err.Error(), key[j:j+piece]) {
					t.Fatalf("%q at %d: the error repeats the key: %.60s…", damage, i, err)
				}
			}
		}
	}
}
