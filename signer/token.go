package signer

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// TokenOf returns what the keys of one token or KMS share: the URI of a key
// without what names the key, and in one spelling. That is a "pkcs11:" URI
// without its object, id and type attributes, an "awskms:" URI without its path,
// and a "gcpkms:" URI up to its key ring, with its endpoint; any other URI is its
// own token. A URI with a PIN in it is refused, and not repeated in the error.
func TokenOf(uri string) (string, error) {
	scheme, rest, ok := strings.Cut(uri, ":")
	if !ok || scheme == "" {
		return "", errors.New("key URI has no scheme, such as \"pkcs11:\"")
	}
	if strings.EqualFold(scheme, "awskms") {
		return awsToken(uri, rest)
	}
	if scheme == "gcpkms" {
		return googleToken(rest), nil
	}
	if !strings.EqualFold(scheme, "pkcs11") {
		return uri, nil
	}
	path, query, hasQuery := strings.Cut(rest, "?")
	attributes, err := canonical(path, ";")
	if err != nil {
		return "", fmt.Errorf("pkcs11 URI: %w", err)
	}
	attributes = slices.DeleteFunc(attributes, func(a string) bool {
		name, _, _ := strings.Cut(a, "=")
		return name == "object" || name == "id" || name == "type"
	})
	token := "pkcs11:" + strings.Join(attributes, ";")
	if !hasQuery {
		return token, nil
	}
	queries, err := canonical(query, "&")
	if err != nil {
		return "", fmt.Errorf("pkcs11 URI: %w", err)
	}
	return token + "?" + strings.Join(queries, "&"), nil
}

// canonical splits attributes, sorts them and escapes their values in one way,
// so that "a%2Db" and "a-b" name the same token (RFC 7512 section 2.3).
func canonical(s, separator string) ([]string, error) {
	if s == "" {
		return nil, nil
	}
	var out []string
	for i, part := range strings.Split(s, separator) {
		name, value, ok := strings.Cut(part, "=")
		if !ok || name == "" {
			return nil, fmt.Errorf("attribute %d is not NAME=VALUE", i+1)
		}
		if name == "pin-value" {
			return nil, errors.New("holds a PIN (pin-value); use pin-source, or type it")
		}
		value, err := url.PathUnescape(value)
		if err != nil {
			return nil, fmt.Errorf("attribute %q: a broken %%-escape", name)
		}
		out = append(out, name+"="+escape(value))
	}
	slices.Sort(out)
	return out, nil
}

// escape writes a value in the one way that canonical reads back as it is: a
// plus sign stands for itself in these URIs.
func escape(value string) string { return strings.ReplaceAll(url.QueryEscape(value), "+", "%20") }
