package certfile

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"

	"officiant/bundle/charset"
)

var begin = []byte("-----BEGIN " + certificate)

// instead says what a text holds that has no certificate. The commands it names write
// one out that is read.
func instead(data []byte, kinds []kind) error {
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		return errors.New("is empty")
	case len(kinds) > 0:
		return kinds[0].error()
	case isDER(data):
		if what := derKind(data); what != nil {
			return what.error()
		}
		return errors.New("is DER and not PEM; " +
			"`openssl x509 -inform der -in FILE -out OTHER` makes PEM of a certificate")
	}
	if name := charset.Name(data); name != "UTF-8" {
		if text, err := charset.UTF8(data); err == nil && bytes.Contains(text, []byte("-----BEGIN ")) {
			return fmt.Errorf("is PEM in %s, and programs find no PEM in that; save it as ASCII or UTF-8 without a "+
				"byte order mark", name)
		}
	}
	if bytes.Contains(data, begin) {
		return damaged(data)
	}
	return noPEM(data)
}

// damaged says what became of the lines of PEM that is there and cannot be read.
func damaged(data []byte) error {
	const is = "holds no certificate: its PEM "
	_, after, _ := bytes.Cut(data, begin)
	_, after, _ = bytes.Cut(after, []byte("-----"))
	line, _, _ := bytes.Cut(data[bytes.Index(data, begin):], []byte("\n"))
	switch {
	case bytes.HasPrefix(after, []byte(`\n`)), bytes.HasPrefix(after, []byte(`\r\n`)):
		return errors.New(is + `has \n in place of ends of lines, as in JSON; ` +
			"`printf '%b' \"$(cat FILE)\" >OTHER` writes them out")
	case bytes.HasPrefix(after, []byte("\r")) && !bytes.Contains(after, []byte("\n")):
		return errors.New(is + "has lines that end in CR alone; `tr '\\r' '\\n' <FILE >OTHER` makes them LF")
	case bytes.Contains(line, []byte("-----END "+certificate)):
		return errors.New(is + "stands in one line; `sed 's/-----BEGIN CERTIFICATE-----/&\\n/g; s/-----END/\\n&/g' " +
			"FILE >OTHER` gives it its lines back")
	case indented(data):
		return errors.New(is + "is indented; `sed 's/^[[:blank:]]*//' FILE >OTHER` takes that away")
	}
	return errors.New(is + "is damaged (a line lost, or cut short)")
}

func indented(data []byte) bool {
	i := bytes.Index(data, begin)
	return i > 0 && (data[i-1] == ' ' || data[i-1] == '\t')
}

// noPEM says what a text without PEM is, as far as its beginning tells.
func noPEM(data []byte) error {
	text := bytes.TrimSpace(data)
	if decoded, err := base64.StdEncoding.DecodeString(string(bytes.Join(bytes.Fields(text), nil))); err == nil {
		switch {
		case bytes.Contains(decoded, begin):
			return errors.New("is base64 of PEM, as in a kubeconfig or a Secret; " +
				"`base64 -d FILE >OTHER` makes PEM of it")
		case isDER(decoded) && derKind(decoded) == nil:
			return errors.New("is base64 without the first and the last line of PEM; " +
				"`base64 -d FILE | openssl x509 -inform der -out OTHER` makes PEM of it")
		}
	}
	for _, f := range []struct{ begin, is string }{
		{"<", "a page of HTML or XML, as a server answers that wants a login"},
		{"-----BEGIN PGP", "PGP"},
		{"ssh-", "an SSH public key"}, {"ecdsa-sha2-", "an SSH public key"}, {"---- BEGIN SSH2", "an SSH public key"},
		{"age1", "an age recipient"},
		{"apiVersion:", "YAML: a certificate in it is the value of a field, in base64 or indented"},
		{"{", "JSON: a certificate in it is the value of a field, in base64 or with \\n in it"},
	} {
		if bytes.HasPrefix(text, []byte(f.begin)) {
			return fmt.Errorf("holds no certificate: it is %s", f.is)
		}
	}
	return errors.New("holds no certificate: neither PEM nor DER is in it")
}
