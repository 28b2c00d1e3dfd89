package privatekey_test

import (
	"strings"
	"testing"

	"officiant/bundle/privatekey"
	"officiant/bundle/refusaltest"
)

// TestRefusals is the catalogue of what a private key's file is refused with, by
// what openssl and ssh-keygen write.
func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	sh := func(script string) string { return refusaltest.Shell(t, dir, script) }
	sh(`openssl ecparam -name prime256v1 -genkey -out with-parameters.pem
		openssl pkey -in with-parameters.pem -out key.pem
		openssl req -x509 -new -key key.pem -subj "/CN=a" -days 2 -out crt.pem
		openssl req -new -key key.pem -subj "/CN=a" -out csr.pem`)
	key, both := sh("cat key.pem"), sh("cat crt.pem key.pem")
	pass := "-passout 'pass:" + refusaltest.Passphrase + "'"
	legacy := sh("openssl ec -in key.pem -aes128 " + pass)
	ssh := sh("ssh-keygen -q -t ecdsa -N '' -f ssh && cat ssh")
	p12 := sh("openssl pkcs12 -export -in crt.pem -inkey key.pem " + pass)
	read := func(data []byte) error { _, err := privatekey.Read(data); return err }
	parse := func(data []byte) error { _, err := privatekey.Parse(data); return err }
	refusaltest.Hold(
		t,
		refusaltest.Table{Read: read, Sources: []string{"privatekey.go", "instead.go"}, Rows: []refusaltest.Row{
			{Of: "as openssl ecparam writes it", Data: sh("cat with-parameters.pem")},
			{Of: "with its certificate", Data: both},
			{
				Of:   "with the text of a .p12",
				Data: "Bag Attributes\n    localKeyID: 01\nKey Attributes: <No Attributes>\n" + key,
			},
			{Of: "CR LF", Data: strings.ReplaceAll(key, "\n", "\r\n")},
			{Of: "nothing", Data: " \n", Says: "is empty", Not: key},
			{Of: "a certificate", Data: sh("cat crt.pem"), Says: "holds a certificate and no private key", Not: both},
			{Of: "a trusted certificate", Data: sh("openssl x509 -in crt.pem -trustout"), Says: "holds a certificate"},
			{Of: "a request", Data: sh("cat csr.pem"), Says: "holds a certificate request", Not: sh("cat csr.pem key.pem")},
			{
				Of:   "a public key",
				Data: sh("openssl pkey -in key.pem -pubout"),
				Says: "holds a public key and no private one",
				Not:  key,
			},
			{Of: "parameters alone", Data: sh("openssl ecparam -name prime256v1"), Says: "the parameters of a key",
				Not: sh("openssl ecparam -name prime256v1; cat crt.pem"), Instead: "holds a certificate"},
			{Of: "a DSA key", Data: "-----BEGIN DSA PRIVATE KEY-----\nAAAA\n-----END DSA PRIVATE KEY-----\n", Says: "DSA key"},
			{
				Of:   "encrypted PKCS #8",
				Data: sh("openssl pkcs8 -topk8 -in key.pem " + pass),
				Says: "encrypted with a passphrase, and",
				Not:  sh("openssl pkcs8 -topk8 -nocrypt -in key.pem"),
			},
			{
				Of:   "encrypted as openssl did of old",
				Data: legacy,
				Says: "is encrypted with a passphrase, and",
				Not:  sh("openssl ec -in key.pem"),
			},
			{
				Of:   "encrypted DER",
				Data: sh("openssl pkcs8 -topk8 -outform der -in key.pem " + pass),
				Says: "encrypted with a passphrase, in DER",
			},
			{Of: "DER", Data: sh("openssl pkey -in key.pem -outform der"), Says: "is DER and not PEM",
				Not: sh("openssl x509 -in crt.pem -outform der"), Instead: "not one PEM private key"},
			{Of: "of SSH", Data: ssh, Says: "OpenSSH's own form"},
			{Of: "PKCS #12", Data: p12, Says: "is PKCS #12"},
			{Of: "UTF-16", Data: sh("iconv -t UTF-16 key.pem"), Says: "is text in UTF-16", Not: "\n" + key},
			{
				Of:      "cut short",
				Data:    key[:len(key)-40],
				Says:    "its PEM is damaged",
				Not:     key[:20],
				Instead: "not one PEM private key",
			},
			{
				Of:   "another block",
				Data: "-----BEGIN AGE FILE-----\nAAAA\n-----END AGE FILE-----\n",
				Says: "another kind of PEM block",
			},
			{Of: "two", Data: key + key, Says: "holds several private keys", Not: both},
			{Of: "two, one of ours", Data: key + key, Says: "something stands behind the key", Not: key, Read: parse},
			{Of: "a curve that Go does not have", Data: sh("openssl ecparam -name secp256k1 -genkey -noout"),
				Says: "of a kind that Kubernetes does not load", Not: key},
			{
				Of:   "PSS",
				Data: sh("openssl genpkey -algorithm rsa-pss 2>/dev/null"),
				Says: "of a kind that Kubernetes does not load",
			},
			{
				Of:      "another name",
				Data:    strings.ReplaceAll(sh("openssl ec -in key.pem"), "EC PRIVATE", "PRIVATE"),
				Says:    "has another name than",
				Not:     strings.ReplaceAll(key[:40]+"AAAA"+key[44:], "x", "x"),
				Instead: "private key",
			},
		}},
	)
}
