package signer

import (
	"fmt"
	"slices"
	"strings"
)

// awsToken returns what the keys of one Region and endpoint of AWS KMS share: an
// "awskms:" URI without its path and its policy. An ARN names its Region itself.
func awsToken(uri, rest string) (string, error) {
	path, query, _ := strings.Cut(rest, "?")
	name, ok := strings.CutPrefix(path, "///")
	if !ok {
		return uri, nil // for the backend to refuse
	}
	attributes, err := canonical(query, "&")
	if err != nil {
		return "", fmt.Errorf("awskms URI: %w", err)
	}
	region := false
	attributes = slices.DeleteFunc(attributes, func(a string) bool {
		region = region || strings.HasPrefix(a, "region=")
		return strings.HasPrefix(a, "policy=")
	})
	for i, a := range attributes {
		for strings.HasPrefix(a, "endpoint=") && strings.HasSuffix(a, "%2F") {
			a = strings.TrimSuffix(a, "%2F")
		}
		attributes[i] = a
	}
	if arn := strings.Split(name, ":"); len(arn) == 6 && arn[0] == "arn" && !region {
		attributes = append(attributes, "region="+escape(arn[3]))
		slices.Sort(attributes)
	}
	if len(attributes) == 0 {
		return "awskms:///", nil
	}
	return "awskms:///?" + strings.Join(attributes, "&"), nil
}
