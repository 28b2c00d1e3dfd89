package main

import (
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"officiant/ceremony/next"
)

// aCluster answers as kubectl does, by what it is asked for, and writes down what it is
// told to change.
const aCluster = `#!/bin/sh
printf '%s\n' "$*" >>asked
case $* in
*"get configmap cluster-info"*) cat cluster-info ;;
*"patch secret"*) ;;
*"patch configmap"*) for last; do :; done; printf '%s' "$last" >patched ;;
*webhookconfigurations*) echo '{"items":[
  {"metadata":{"name":"a"},"webhooks":[{"name":"x","clientConfig":{"caBundle":"QQ=="}},{"name":"y","clientConfig":{}}]},
  {"metadata":{"name":"none"}}]}' ;;
*apiservices*) echo '{"items":[{"metadata":{"name":"v1.a"},"spec":{"caBundle":"QQ=="}},
  {"metadata":{"name":"v1."},"spec":{}}]}' ;;
*customresourcedefinitions*) echo '{"items":[{"metadata":{"name":"b"},"spec":{"conversion":{"webhook":
  {"clientConfig":{"caBundle":"QQ=="}}}}},{"metadata":{"name":"c"},"spec":{"conversion":{"strategy":"None"}}}]}' ;;
*"config view"*) base64 -w0 pki/ca.crt ;;
*ca-file*|*kube-root-ca.crt*) cat pki/ca.crt ;;
*jwks*) echo '{"keys":[{"kid":"one"},{"kid":"two"}]}' ;;
*"create token"*) printf '%s.e30.c2ln\n' "$(printf '{"kid":"one"}' | base64 -w0 | tr -d = | tr '/+' '_-')" ;;
*metrics*) echo 'serviceaccount_stale_tokens_total 3' ;;
*"get secrets"*) cat secrets ;;
*) echo "nobody asks for: $*" >&2; exit 1 ;;
esac
`

// beside makes a folder with kubectl in it, and what types a command there.
func beside(t *testing.T) (dir string, sh func(command string) string) {
	t.Helper()
	dir = t.TempDir()
	token := base64.RawURLEncoding.EncodeToString([]byte(`{"kid":"one"}`)) + ".e30.c2ln"
	for name, text := range map[string]string{
		"kubectl":      aCluster,
		"cluster-info": "clusters:\n- cluster:\n    certificate-authority-data: QQ==\n    server: https://a:6443\n",
		"secrets": `{"items":[{"metadata":{"namespace":"n","name":"s"},"data":{"token":"` +
			base64.StdEncoding.EncodeToString([]byte(token)) + `"}},{"metadata":{"namespace":"n","name":"new"}}]}`,
	} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700))
	}
	return dir, func(command string) string {
		t.Helper()
		for place, here := range map[string]string{
			"/etc/kubernetes/pki/": "pki/", "/var/lib/kubelet/pki/kubelet-client-current.pem": "pki/ca.crt",
		} {
			command = strings.ReplaceAll(command, place, here)
		}
		c := exec.CommandContext(t.Context(), "sh", "-euc", command)
		c.Dir, c.Env = dir, append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
		out, err := c.CombinedOutput()
		if err != nil || strings.Contains(command, "\n") {
			t.Errorf("%s: %v\n%s", command, err, out)
		}
		return string(out)
	}
}

// TestBeyondKeys types what a rollover of the service-account pair prints.
func TestBeyondKeys(t *testing.T) {
	_, sh := beside(t)
	var out strings.Builder
	o := &rolloverOptions{}
	o.options = &options{Stdout: &out}
	must(t, o.tokens(&next.Rollover{Former: []string{"one"}}))
	shows := map[string]string{
		"kubectl --server": "one\ntwo\n", "kubectl get --raw /openid": "kid", "kubectl create token": "one\n",
		"/metrics": "serviceaccount_stale_tokens_total 3\n", "get secrets": "n s\n", "patch secret": "",
	}
	typed := 0
	for _, line := range strings.Split(out.String(), "\n") {
		for of, want := range shows {
			if strings.HasPrefix(line, "    kubectl ") && strings.Contains(line, of) {
				typed++
				if got := sh(line); want == "" && got != "" || !strings.Contains(got, want) {
					t.Errorf("%s\nshows %q, want %q", line, got, want)
				}
			}
		}
	}
	if typed != len(shows) {
		t.Errorf("%d commands typed of %d", typed, len(shows))
	}
}

// TestBeyondBundles types what a rollover prints of places that no bundle reaches, into a
// cluster that answers as kubectl does: each command shows, or changes, what it is for.
func TestBeyondBundles(t *testing.T) {
	dir, sh := beside(t)
	sh("mkdir -p pki/etcd; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k.pem " +
		"-subj /CN=kubernetes -days 2 -out pki/ca.crt 2>/dev/null; cp pki/ca.crt pki/etcd")
	shows := map[string]string{
		"get configmap cluster-info": "", "sed -i": "", "patch configmap": "", "openssl pkey": "  -",
		"kube-root-ca.crt": "1\n", "mutatingwebhook": "a x\n", "apiservices": "v1.a\n", "customresource": "b\n",
		"config view": "CN = kubernetes", "kubelet-client-current": "CN = kubernetes", "requestheader": "1\n",
		"crl2pkcs7": "CN = kubernetes", "officiant-node install": "",
	}
	typed := 0
	for _, place := range beyondBundles {
		for _, command := range place.commands {
			for of, want := range shows {
				if !strings.Contains(command, of) {
					continue
				}
				typed++
				if of == "officiant-node install" { // TestNamedCommands looks at it
					continue
				}
				got := strings.ReplaceAll(sh(command), "CN=", "CN = ")
				if want == "" && got != "" || !strings.Contains(got, want) {
					t.Errorf("%s\nshows %q, want %q", command, got, want)
				}
			}
		}
	}
	if typed != len(shows) {
		t.Errorf("%d commands typed of %d", typed, len(shows))
	}
	ca, err := os.ReadFile(filepath.Join(dir, "pki", "ca.crt"))
	must(t, err)
	patched, err := os.ReadFile(filepath.Join(dir, "patched"))
	want := fmt.Sprintf("certificate-authority-data: %s\\n    server", base64.StdEncoding.EncodeToString(ca))
	if err != nil || !strings.Contains(string(patched), want) {
		t.Errorf("patched: %s %v\nwant %s", patched, err, want)
	}
}
