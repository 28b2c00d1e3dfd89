package certfile

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"officiant/bundle/charset"
)

const certificate = "CERTIFICATE"

// Max bounds how many certificates one file has.
const Max = 256

// PEM reads the certificates of PEM text as Kubernetes does, in their order. Text
// without any is an error.
func PEM(data []byte) ([]*x509.Certificate, error) {
	list, kinds, err := blocks(data)
	switch {
	case err != nil:
		return nil, err
	case len(list) == 0:
		return nil, instead(data, kinds)
	}
	return list, nil
}

// All reads one certificate or more, whether in PEM, DER or PKCS #7. What is there
// twice is returned once.
func All(data []byte) ([]*x509.Certificate, error) {
	var list []*x509.Certificate
	var err error
	if isDER(data) {
		list, err = fromDER(data)
	} else {
		list, err = fromText(data)
	}
	if err != nil {
		return nil, err
	}
	return once(list), nil
}

func fromText(data []byte) ([]*x509.Certificate, error) {
	data, err := charset.UTF8(data)
	if err != nil {
		return nil, err
	}
	list, kinds, err := blocks(data)
	if err != nil {
		return nil, err
	}
	for _, k := range kinds {
		if k.private {
			return nil, fmt.Errorf("holds %s; only certificates belong here", k.is)
		}
	}
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "PKCS7" && block.Type != "CMS" {
			continue
		}
		more, err := fromPKCS7(block.Bytes, pkcs7PEM)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	if len(list) == 0 {
		return nil, instead(data, kinds)
	}
	return list, nil
}

func fromDER(data []byte) ([]*x509.Certificate, error) {
	if isPKCS7(data) {
		return fromPKCS7(data, pkcs7DER)
	}
	c, err := Parse(data)
	if err != nil {
		if what := derKind(data); what != nil {
			return nil, what.error()
		}
		return nil, fmt.Errorf("is DER, and no certificate that can be read: %w", err)
	}
	return []*x509.Certificate{c}, nil
}

// blocks reads the certificates of a text, and lists what other blocks it has.
func blocks(data []byte) (list []*x509.Certificate, others []kind, err error) {
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return list, others, nil
		}
		if block.Type != certificate || len(block.Headers) > 0 {
			if k, ok := pemKinds[block.Type]; ok {
				others = append(others, k)
			} else {
				others = append(others, kind{is: "a PEM block of another kind"})
			}
			continue
		}
		c, err := Parse(block.Bytes)
		if err != nil {
			return nil, nil, fmt.Errorf("certificate %d: %w", len(list)+1, err)
		}
		if list = append(list, c); len(list) > Max {
			return nil, nil, fmt.Errorf("holds more than %d certificates", Max)
		}
	}
}

func once(list []*x509.Certificate) []*x509.Certificate {
	var out []*x509.Certificate
	seen := map[string]bool{}
	for _, c := range list {
		if !seen[string(c.Raw)] {
			seen[string(c.Raw)] = true
			out = append(out, c)
		}
	}
	return out
}
