package certfile_test

import (
	"cmp"
	"fmt"
	"strings"
	"testing"

	"officiant/bundle/certfile"
	"officiant/bundle/refusaltest"
)

// mended runs the command of each refusal that names one for a text, as it is written.
func mended(t *testing.T, sh func(string) string, crt string, read func([]byte) error) {
	for name, broken := range map[string]string{
		"indented":      "    " + strings.ReplaceAll(crt, "\n", "\n    "),
		"one line":      strings.ReplaceAll(crt, "\n", ""),
		"CR":            strings.ReplaceAll(crt, "\n", "\r"),
		`\n`:            strings.ReplaceAll(crt, "\n", `\n`),
		"base64 of PEM": sh("base64 crt.pem"),
		"base64 of DER": sh("openssl x509 -in crt.pem -outform der | base64"),
		"openssl's own": sh("openssl x509 -in crt.pem -trustout"),
		"an old name":   strings.ReplaceAll(crt, " CERTIFICATE", " X509 CERTIFICATE"),
		"headers":       strings.Replace(crt, "-----\n", "-----\nHost: a\n\n", 1),
	} {
		err := read([]byte(broken))
		if err == nil {
			t.Errorf("%s: is read", name)
			continue
		}
		parts := strings.Split(err.Error(), "`")
		if len(parts) != 3 {
			t.Errorf("%s: %v names no command", name, err)
			continue
		}
		sh("cat >FILE <<'END'\n" + broken + "\nEND\n" + parts[1])
		if again := sh("cat OTHER"); read([]byte(again)) != nil {
			t.Errorf("%s: after %s: %v", name, parts[1], read([]byte(again)))
		}
	}
}

// TestRefusals is the catalogue of what a certificate's file is refused with.
func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	sh := func(script string) string { return refusaltest.Shell(t, dir, script) }
	sh(
		`openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -subj /CN=a -days 2 -out crt.pem
		openssl req -x509 -key key.pem -subj "/CN=b" -days 2 -out b.pem
		openssl req -new -key key.pem -subj "/CN=a" -out csr.pem
		touch index; echo 01 >number
		printf '[ca]\ndefault_ca=d\n[d]\ndatabase=index\ncrlnumber=number\ndefault_md=sha256\n' >c.cnf
		openssl ca -gencrl -config c.cnf -cert crt.pem -keyfile key.pem -crldays 2 -out crl.pem
		openssl crl2pkcs7 -in crl.pem -certfile b.pem -certfile crt.pem -certfile b.pem -out all.p7b
		openssl pkcs7 -in all.p7b -outform der -out der.p7b
		openssl crl2pkcs7 -in crl.pem -out none.p7b`,
	)
	crt, p7b := sh("cat crt.pem"), sh("cat all.p7b")
	der := sh("openssl x509 -in crt.pem -outform der")
	pass := "-passout 'pass:" + refusaltest.Passphrase + "'"
	p12 := sh("openssl pkcs12 -export -in crt.pem -inkey key.pem " + pass)
	pem := func(data []byte) error { _, err := certfile.PEM(data); return err }
	all := func(data []byte) error { _, err := certfile.All(data); return err }
	// Lengths that are not known before, as a CA in Java writes them: 26 bytes of headers
	// stand before the SEQUENCE that is signed.
	derP7B := sh("cat der.p7b")
	ber := "\x30\x80" + derP7B[4:15] + "\xa0\x80" + derP7B[19:] + "\x00\x00\x00\x00"
	p7bs := map[string]string{"PEM": p7b, "DER": sh("cat der.p7b"), "with CRLs": sh("cat crl.pem all.p7b")}
	for name, data := range p7bs {
		list, err := certfile.All([]byte(data))
		if err != nil || len(list) != 2 {
			t.Errorf("PKCS #7, %s: %d certificates, %v", name, len(list), err)
		}
	}
	many := func(n int) string {
		return sh(fmt.Sprintf("for i in $(seq %d); do cat crt.pem; done >many.pem; "+
			"openssl crl2pkcs7 -nocrl -certfile many.pem", n))
	}
	odd := func(flags, curve string) string { // a root as only some programs read it
		return sh("openssl ecparam -genkey " + cmp.Or(curve, "-name prime256v1") + " -out odd.pem && " +
			"openssl req -x509 -key odd.pem -subj /CN=odd -days 2 " + flags)
	}
	mended(t, sh, crt, all)
	refusaltest.Hold(
		t,
		refusaltest.Table{Read: pem, Sources: []string{"certfile.go", "instead.go", "kind.go", "parse.go", "pkcs7.go"},
			Rows: []refusaltest.Row{
				{Of: "what pkcs7 -print_certs writes, with lists",
					Data: sh("openssl pkcs7 -print_certs -in all.p7b"), Read: all},
				{Of: "with its key", Data: sh("cat key.pem crt.pem")},
				{Of: "with the text of openssl", Data: sh("openssl x509 -in crt.pem -text")},
				{Of: "PKCS #7 of too many", Data: many(257), Read: all, Says: "holds more than 256 certificates",
					Not: many(256)},
				{Of: "CR LF", Data: strings.ReplaceAll(crt, "\n", "\r\n")},
				{Of: "nothing", Data: "\n", Says: "is empty", Not: crt},
				{Of: "trusted", Data: sh("openssl x509 -in crt.pem -trustout"), Says: "TRUSTED CERTIFICATE",
					Not: crt},
				{Of: "an old name", Data: strings.ReplaceAll(crt, " CERTIFICATE", " X509 CERTIFICATE"),
					Says: "an old name"},
				{Of: "headers", Data: strings.Replace(crt, "-----\n", "-----\nHost: a\n\n", 1),
					Says: "with headers", Read: nil},
				{
					Of:   "PKCS #7",
					Data: p7b,
					Says: "holds PKCS #7 and no certificate",
					Not:  sh("openssl pkcs7 -print_certs -in all.p7b"),
				},
				{Of: "CMS", Data: strings.ReplaceAll(p7b, "PKCS7", "CMS"), Says: "PKCS #7 (CMS)"},
				{Of: "PKCS #7 in DER", Data: sh("cat der.p7b"), Says: "PKCS #7 in DER", Not: der,
					Instead: "is DER and not PEM"},
				{
					Of:      "DER",
					Data:    der,
					Says:    "is DER and not PEM",
					Not:     sh("openssl pkey -in key.pem -outform der"),
					Instead: "a private key",
				},
				{Of: "PKCS #12", Data: p12, Says: "PKCS #12"},
				{Of: "a request in DER", Data: sh("openssl req -in csr.pem -outform der"), Not: der,
					Instead: "is DER and not PEM",
					Says:    "holds a certificate request and no certificate; take the certificate that"},
				{Of: "the same where DER is taken", Data: sh("openssl req -in csr.pem -outform der"), Not: der,
					Read: all,
					Says: "holds a certificate request and no certificate; take the certificate that"},
				{Of: "a list in DER", Data: sh("openssl crl -in crl.pem -outform der"), Not: der, Read: all,
					Says: "holds a revocation list and no certificate"},
				{Of: "an encrypted key in DER", Not: der, Read: all, Says: "holds a private key and no certificate",
					Data: sh("openssl pkcs8 -topk8 -in key.pem -outform der " + pass)},
				{
					Of:   "a request",
					Data: sh("cat csr.pem"),
					Says: "take the certificate that a CA made of it",
					Not:  sh("cat csr.pem crt.pem"),
				},
				{Of: "a list", Data: sh("cat crl.pem"), Says: "a revocation list", Not: sh("cat crl.pem crt.pem")},
				{Of: "parameters", Data: sh("openssl ecparam -name prime256v1"), Says: "parameters of a key"},
				{Of: "a public key", Data: sh("openssl pkey -in key.pem -pubout -outform der"),
					Says: "a public key"},
				{
					Of:   "a key",
					Data: sh("cat key.pem"),
					Says: "holds a private key and no certificate",
					Not:  sh("cat key.pem crt.pem"),
				},
				{Of: "another block", Data: "-----BEGIN X-----\nAAAA\n-----END X-----\n",
					Says: "a PEM block of another kind"},
				{
					Of:      "UTF-16",
					Data:    sh("iconv -t UTF-16 crt.pem"),
					Says:    "is PEM in UTF-16",
					Not:     sh("iconv -t UTF-16 c.cnf"),
					Instead: "neither PEM nor DER",
				},
				{Of: "a mark", Data: "\ufeff" + crt, Says: "is PEM in UTF-8 with a byte order mark",
					Not: "\ufeff\n" + crt},
				{
					Of:      "indented",
					Data:    "    " + strings.ReplaceAll(crt, "\n", "\n    "),
					Says:    "its PEM is indented; `sed 's/^[[:blank:]]*//' FILE >OTHER`",
					Not:     "not found\n",
					Instead: "neither PEM nor DER",
				},
				{Of: "a line lost", Data: strings.Replace(crt, "--END", "-END", 1),
					Says: "its PEM is damaged", Not: crt},
				{Of: "one line", Data: strings.ReplaceAll(crt, "\n", ""), Says: "its PEM stands in one line", Not: crt},
				{Of: "CR alone", Data: strings.ReplaceAll(crt, "\n", "\r"),
					Says: "lines that end in CR alone", Not: crt},
				{Of: "JSON's ends of lines", Data: strings.ReplaceAll(crt, "\n", `\n`),
					Says: `has \n in place of`, Not: crt},
				{Of: "base64 of PEM", Data: sh("base64 crt.pem"), Says: "is base64 of PEM", Not: crt},
				{Of: "base64 of DER", Data: sh("openssl x509 -in crt.pem -outform der | base64 -w0"), Not: crt,
					Says: "is base64 without the first and the last line of PEM"},
				{Of: "HTML", Data: "<!doctype html>\n", Says: "a page of HTML", Not: crt},
				{Of: "PGP", Data: "-----BEGIN PGP PUBLIC KEY BLOCK-----\n", Says: "it is PGP", Not: crt},
				{Of: "SSH", Data: "ssh-ed25519 AAAA a@b\n", Says: "an SSH public key", Not: crt},
				{Of: "SSH, by ECDSA", Data: "ecdsa-sha2-nistp256 AAAA\n", Says: "an SSH public key", Not: crt},
				{Of: "RFC 4716", Data: "---- BEGIN SSH2 PUBLIC KEY ----\n", Says: "an SSH public key", Not: crt},
				{Of: "age", Data: "age1qq\n", Says: "an age recipient", Not: crt},
				{Of: "YAML", Data: "apiVersion: v1\nkind: Secret\n", Says: "it is YAML: a certificate in it", Not: crt},
				{Of: "JSON", Data: `{"kind": "Secret"}`, Says: "it is JSON: a certificate in it", Not: crt},
				{Of: "a negative serial number", Data: odd("-set_serial -5", ""), Says: "its serial number is negative",
					Not: odd("-set_serial 0", "")},
				{Of: "explicit parameters", Data: odd("", "-name prime256v1 -param_enc explicit"),
					Says: "its ECDSA key spells its curve out",
					Not:  odd("", "-name prime256v1 -param_enc named_curve")},
				{Of: "a curve of Bitcoin", Data: odd("", "-name secp256k1"),
					Says: "on a curve that no program of Kubernetes reads",
					Not:  odd("", "-name secp521r1")},
				{Of: "no certificate in the block", Data: strings.Replace(crt, "MII", "MIJ", 1),
					Says: "certificate 1: x509"},
				{Of: "too many", Data: strings.Repeat(crt, 300), Says: "more than 256 certificates",
					Not: strings.Repeat(crt, 10)},

				{
					Of:   "a company's: with a key",
					Data: sh("cat crt.pem key.pem"),
					Says: "only certificates belong here",
					Not:  sh("cat crt.pem crl.pem"),
					Read: all,
				},
				{Of: "a company's: UTF-16", Data: sh("iconv -t UTF-16 crt.pem"), Read: all},
				{Of: "a company's: DER", Data: der, Not: der[:len(der)-1], Instead: "is DER, and no certificate",
					Read: all},
				{Of: "a company's: PKCS #12", Data: p12, Says: "PKCS #12", Read: all},
				{
					Of:      "a company's: DER of something",
					Data:    "\x30\x03\x02\x01\x05",
					Says:    "a private key",
					Not:     "\x30\x02\x05\x00",
					Instead: "is DER, and no certificate that can be read",
					Read:    all,
				},
				{
					Of:   "a company's: lists alone",
					Data: sh("cat none.p7b"),
					Says: "is PKCS #7 and holds no certificate",
					Not:  p7b,
					Read: all,
				},
				{Of: "a company's: BER", Data: ber, Says: "in a form that is not read here", Not: derP7B,
					Read: all},
				{
					Of:   "a company's: a bad one",
					Data: strings.Replace(sh("cat der.p7b"), "\xa0\x03\x02\x01\x02", "\xa0\x03\x02\x01\x09", 1),
					Says: "certificate 1 of the PKCS #7",
					Read: all,
				},
			}, Except: map[string]string{"\x06\t*": "the DER of an object identifier"}},
	)
}
