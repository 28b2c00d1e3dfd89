package kubeconfig_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"officiant/bundle/kubeconfig"
	"officiant/bundle/refusaltest"
)

// TestReadRefused is the catalogue of what somebody else's kubeconfig is refused with.
// What is taken is what kubectl takes, as kubectl 1.32 and 1.37 were seen to.
func TestReadRefused(t *testing.T) {
	dir := t.TempDir()
	sh := func(script string) string { return refusaltest.Shell(t, dir, script) }
	sh(
		`openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem \
			-subj /CN=a -days 2 -out crt.pem
		openssl ecparam -name prime256v1 -genkey -noout -out other.pem`,
	)
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	crt, key := b64(sh("cat crt.pem")), b64(sh("cat key.pem"))
	user := "{client-certificate-data: " + crt + ", client-key-data: " + key + "}"
	good := "apiVersion: v1\nkind: Config\nclusters:\n- name: demo\n  cluster: {server: 'https://a.test:6443', " +
		"certificate-authority-data: " +
		crt + "}\ncontexts:\n- name: a@demo\n  context: {cluster: demo, user: a}\n" +
		"current-context: a@demo\nusers:\n- name: a\n  user: " +
		user + "\n"
	encrypted := sh("openssl pkcs8 -topk8 -in key.pem -passout 'pass:" + refusaltest.Passphrase + "'")
	trusted, field := sh("openssl x509 -in crt.pem -trustout"), "client-certificate-data: "
	swap := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(good) }
	read := func(data []byte) error { _, err := kubeconfig.Read("FILE", data); return err }
	refusaltest.Hold(t, refusaltest.Table{Read: read, Sources: []string{"read.go"}, Rows: []refusaltest.Row{
		{Of: "plain", Data: good},
		{Of: "no kind and version", Data: swap("apiVersion: v1\nkind: Config\n", "")},
		{Of: "two documents", Data: good + "---\nkind: Other\n"},
		{Of: "a document marker and comments before", Data: "# mine\n---\n" + good},
		{Of: "anchors", Data: swap("name: a@demo", "name: &x a@demo", "current-context: a@demo",
			"current-context: *x")},
		{Of: "server without a scheme", Data: swap("https://a.test:6443", "a.test:6443")},
		{Of: "a key with its certificate", Data: swap(key, b64(sh("cat crt.pem key.pem")))},
		{Of: "a certificate with its key", Data: swap(user,
			strings.Replace(user, crt, b64(sh("cat crt.pem key.pem")), 1))},
		{Of: "text of a .p12", Data: swap(key, b64("Bag Attributes\n  localKeyID: 1\n"+sh("cat key.pem")))},
		{
			Of:   "key in the file, certificate not",
			Data: swap("client-certificate-data: "+crt, "client-certificate: /var/lib/kubelet/pki/a.pem"),
		},
		{Of: "data and a file", Data: swap(user, "{client-certificate: gone.pem, "+user[1:])},
		{
			Of: "JSON",
			Data: `{"kind":"Config","apiVersion":"v1","clusters":[{"name":"d","cluster":{"server":"https://a"}}],` +
				`"contexts":[{"name":"c",` +
				`"context":{"cluster":"d","user":"u"}}],"current-context":"c","users":[{"name":"u","user":{}}]}`,
		},
		{Of: "exec beside a certificate", Data: swap(user, user[:len(user)-1]+", exec: {command: a, apiVersion: v1}}")},
		{
			Of:   "extensions",
			Data: swap("  context: {", "  context: {extensions: [{name: minikube.sigs.k8s.io, extension: {a: b}}], "),
		},

		{Of: "empty", Data: "# nothing\n", Says: "is empty", Not: good},
		{
			Of:   "another kind",
			Data: swap("kind: Config", "kind: Secret"),
			Says: `kind "Secret" is not v1, Config`,
			Not:  swap("kind: Config\n", ""),
		},
		{Of: "context twice", Data: swap("contexts:\n",
			"contexts:\n- {name: a@demo, context: {cluster: demo, user: a}}\n"),
			Says: `contexts: the name "a@demo" is there twice`,
			Not:  swap("contexts:\n", "contexts:\n- {name: b, context: {cluster: demo, user: a}}\n")},
		{
			Of:   "cluster twice",
			Data: swap("clusters:\n", "clusters:\n- {name: demo, cluster: {}}\n"),
			Says: `clusters: the name "demo" is there twice`,
			Not:  swap("clusters:\n", "clusters:\n- {name: other, cluster: {server: x}}\n"),
		},
		{
			Of:   "user twice",
			Data: swap("users:\n", "users:\n- {name: a, user: {}}\n"),
			Says: `users: the name "a" is there twice`,
			Not:  swap("users:\n", "users:\n- {name: b, user: {token: x}}\n"),
		},
		{Of: "no current context", Data: swap("current-context: a@demo\n", ""), Says: "current-context is empty",
			Not: swap(
				"current-context: a@demo",
				"current-context: a@dem",
			), Instead: "there is no context of that name; did you mean a@demo", Name: "a@demo"},
		{Of: "no such cluster", Data: swap("cluster: demo", "cluster: demos"), Says: `names the cluster "demos"`,
			Not: good},
		{Of: "no such user", Data: swap("user: a}", "user: b}"), Says: `names the user "b"`, Not: good},
		{
			Of:   "http",
			Data: swap("https:", "http:"),
			Says: `server "http://a.test:6443" is not of the form`,
			Not:  swap("https://a.test:6443", "https://a.test/k8s/1"),
		},
		{
			Of:   "not base64",
			Data: swap("client-key-data: "+key, "client-key-data: '!!!'"),
			Says: "client-key-data is not base64",
			Not:  swap(key, "'"+key[:40]+"\n\n      "+key[40:]+"'"),
		},
		{
			Of:   "a token alone",
			Data: swap(user, "{token: x, as: y}"),
			Says: "has no client certificate (it has as, token)",
			Not:  swap(user, "{}"),
		},
		{Of: "a plugin alone", Data: swap(user, "{exec: {command: aws}}"),
			Says: "has no client certificate (it has exec)"},
		{Of: "an old plugin alone", Data: swap(user, "{auth-provider: {name: gcp}}"), Says: "(it has auth-provider)"},
		{
			Of:   "another's key",
			Data: swap(key, b64(sh("cat other.pem"))),
			Says: "the private key does not belong to the certificate",
			Not:  good,
		},
		{Of: "an encrypted key", Data: swap(key, b64(encrypted)),
			Says: "client-key-data: is encrypted with a passphrase",
			Not:  swap(key, b64(sh("openssl pkcs8 -topk8 -nocrypt -in key.pem"))),
			File: encrypted, Back: func(made []byte) []byte { return []byte(swap(key, b64(string(made)))) }},
		{Of: "a trusted certificate", Data: swap(field+crt, field+b64(trusted)), File: trusted,
			Back: func(made []byte) []byte { return []byte(swap(field+crt, field+b64(string(made)))) },
			Says: "client-certificate-data: holds openssl's own form TRUSTED CERTIFICATE", Not: good},
	}})
}

// TestParseRefused is the part of Parse's catalogue about names that are empty and files
// without a certificate; TestErrors has the rest.
func TestParseRefused(t *testing.T) {
	good := "apiVersion: v1\nkind: Config\nclusters:\n- name: demo\n  cluster: {server: 'https://a.test:6443'}\n" +
		"contexts:\n- name: a@demo\n  context: {cluster: demo, user: a}\ncurrent-context: a@demo\n" +
		"users:\n- name: a\n  user: {}\n"
	swap := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(good) }
	authority := func(pem string) string {
		data := base64.StdEncoding.EncodeToString([]byte(pem))
		return swap("a.test:6443'", "a.test:6443', certificate-authority-data: "+data)
	}
	read := func(data []byte) error { _, err := kubeconfig.Parse("FILE", data); return err }
	refusaltest.Hold(t, refusaltest.Table{Read: read, Rows: []refusaltest.Row{
		{Of: "plain", Data: good},
		{Of: "a cluster without a name", Data: swap("name: demo", `name: ""`), Says: "FILE: clusters[0].name is empty",
			Not:     swap("name: demo", "name: other"),
			Instead: `contexts[0].context.cluster is "demo", the cluster's name is "other"`},
		{Of: "a user without a name", Data: swap("- name: a\n  user", "- name: ''\n  user"),
			Says:    "FILE: users[0].name is empty",
			Not:     swap("- name: a\n  user", "- name: b\n  user"),
			Instead: `contexts[0].context.user is "a", the user's name is "b"`},
		{Of: "authorities of empty lines", Data: authority("\n\n"),
			Says: "FILE: certificate-authority-data: no certificate in it", Not: authority("a\n"),
			Instead: "certificate-authority-data: certificate 1: no PEM block CERTIFICATE"},
	}})
}
