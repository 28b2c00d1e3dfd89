package kubeconfig

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"officiant/bundle/limittest"
	"officiant/bundle/yamltree"
)

// What kubectl config writes into a file changes nothing of the current context.
func TestReadOthers(t *testing.T) {
	text := string(testdata(t, "kubelet.conf"))
	swap := func(pairs ...string) string {
		s := text
		for i := 0; i < len(pairs); i += 2 {
			if !strings.Contains(s, pairs[i]) {
				t.Fatalf("%q is not in the file", pairs[i])
			}
			s = strings.Replace(s, pairs[i], pairs[i+1], 1)
		}
		return s
	}
	for _, row := range []struct {
		what, text string
		others     int
		besides    []string
	}{
		{"as kubeadm writes it", text, 0, nil},
		{"namespace", swap("    user: system", "    namespace: monitoring\n    user: system"), 0, nil},
		{"second context", swap("current-context", "- context: {cluster: demo, user: jane}\n  name: dev\ncurrent-context"),
			1, nil},
		{"second cluster", swap("contexts:", "- cluster: {server: 'http://x'}\n  name: x\ncontexts:"), 1, nil},
		{"second user", text + "- name: jane\n  user: {exec: {command: aws, args: [a]}}\n", 1, nil},
		{"second user with a token", text + "- name: jane\n  user:\n    token: abc\n", 1, nil},
		{"server name", swap("    server:", "    tls-server-name: api.test\n    server:"), 0, []string{"tls-server-name"}},
		{"proxy", swap("    server:", "    proxy-url: http://p:3128\n    server:"), 0, []string{"proxy-url"}},
		{"token besides", swap("    client-key-data", "    token: abc\n    client-key-data"), 0, []string{"token"}},
		{"preferences", swap("kind: Config", "kind: Config\npreferences:\n  colors: true"), 0, nil},
		{"extensions", swap("  name: demo", "  extensions: [{name: a, extension: {b: c}}]\n  name: demo"), 0, nil},
		{"minikube's", swap("kind: Config", "kind: Config\nextensions:\n- name: a\n  extension: {last-update: now}"), 0, nil},
		{"anchors", swap("    cluster: demo", "    cluster: &c demo") + "x-mine: *c\n", 0, nil},
		{"CR LF", strings.ReplaceAll(text, "\n", "\r\n"), 0, nil},
		{"mark", "\ufeff" + text, 0, nil},
		{"UTF-16", utf16le(text), 0, nil},
	} {
		got, err := Read("f", []byte(row.text))
		if err != nil {
			t.Errorf("%s: %v", row.what, err)
			continue
		}
		if !bytes.Equal(got.Render(), []byte(text)) {
			t.Errorf("%s: rendered as\n%s", row.what, got.Render())
		}
		if got.Others != row.others || !slices.Equal(got.Besides, row.besides) {
			t.Errorf("%s: %d others, besides %v", row.what, got.Others, got.Besides)
		}
	}
}

func utf16le(s string) string {
	var b strings.Builder
	for _, c := range []byte("\xff\xfe") {
		b.WriteByte(c)
	}
	for _, c := range []byte(s) {
		b.WriteByte(c)
		b.WriteByte(0)
	}
	return b.String()
}

// A kubelet that rotates its certificate has paths in its file.
func TestReadPaths(t *testing.T) {
	got, err := Read("f", []byte(`apiVersion: v1
kind: Config
clusters:
- {name: default-cluster, cluster: {server: "https://api.test:6443", certificate-authority: /etc/kubernetes/pki/ca.crt}}
contexts: [{name: default-context, context: {cluster: default-cluster, namespace: default, user: default-auth}}]
current-context: default-context
users:
- name: default-auth
  user:
    client-certificate: /var/lib/kubelet/pki/kubelet-client-current.pem
    client-key: /var/lib/kubelet/pki/kubelet-client-current.pem
`))
	if err != nil {
		t.Fatal(err)
	}
	want := &Current{
		Config: Config{Cluster: "default-cluster", User: "default-auth", Context: "default-context",
			Server: "https://api.test:6443"},
		CAFile: "/etc/kubernetes/pki/ca.crt", CertificateFile: "/var/lib/kubelet/pki/kubelet-client-current.pem",
		KeyFile: "/var/lib/kubelet/pki/kubelet-client-current.pem",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Each refusal by its own reason.
func TestReadRefusals(t *testing.T) {
	text := string(testdata(t, "kubelet.conf"))
	for _, row := range []struct{ what, old, new, want string }{
		{"no current context", "current-context: system:node:cp-1@demo", "current-context: ''",
			"current-context is empty, so it is not known which of the file's 1 contexts"},
		{"context that is not there", "current-context: system:node:cp-1@demo", "current-context: system:node:cp-2@demo",
			`no context of that name; did you mean system:node:cp-1@demo?`},
		{"cluster that is not there", "    cluster: demo", "    cluster: x",
			`names the cluster "x", and there is none of that name`},
		{"user that is not there", "    user: system:node:cp-1", "    user: x",
			`names the user "x", and there is none of that name`},
		{"cluster twice", "contexts:", "- cluster: {server: 'https://x'}\n  name: demo\ncontexts:",
			`clusters: the name "demo" is there twice`},
		{"http", "https://", "http://", `cluster "demo": server "http://`},
		{"another kind", "kind: Config", "kind: Secret", `kind "Secret" is not v1, Config`},
		{"not base64", "authority-data: LS0t", "authority-data: '*'\n    x: LS0t",
			"certificate-authority-data is not base64"},
		{"no PEM", "authority-data: LS0t", "authority-data: AAAA\n    x: LS0t",
			"certificate-authority-data: holds no certificate"},
	} {
		if !strings.Contains(text, row.old) {
			t.Fatalf("%q is not in the file", row.old)
		}
		_, err := Read("f", []byte(strings.Replace(text, row.old, row.new, 1)))
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: %v, want %s", row.what, err, row.want)
		}
	}
	users := text[:strings.Index(text, "    client-certificate-data")]
	if _, err := Read("f", []byte(users+"    exec: {command: aws}\n")); err == nil || !strings.Contains(err.Error(),
		"has no client certificate (it has exec)") {
		t.Errorf("a plugin's user: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(testdata(f, "kubelet.conf"))
	f.Add([]byte("apiVersion: v1\nkind: Config\nusers: &a [*a]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		defer limittest.Budget(t)()
		if c, err := Read("f", data); (c == nil) == (err == nil) {
			t.Errorf("%v and %v", c, err)
		}
	})
}

func TestWorstShapes(t *testing.T) {
	const head = "apiVersion: v1\nkind: Config\n"
	shapes := limittest.YAML(yamltree.Small.Bytes, len(head))
	shapes["aliases of aliases"] = func() string {
		return "a: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n" +
			"d: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d]\nusers: &f [*e,*e,*e,*e,*e,*e,*e,*e]\n"
	}
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		limittest.Hold(t, name, func() { _, _ = Read("f", []byte(head+shapes[name]())) })
	}
}
