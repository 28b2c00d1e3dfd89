package signer

import "strings"

// googleToken returns what the keys of one Google Cloud KMS key ring share: the
// URI up to the key ring, and the endpoint.
func googleToken(rest string) string {
	path, query, _ := strings.Cut(rest, "?")
	ring, _, _ := strings.Cut(path, "/cryptoKeys/")
	for _, attribute := range strings.Split(query, "&") {
		if strings.HasPrefix(attribute, "endpoint=") {
			return "gcpkms:" + ring + "?" + attribute
		}
	}
	return "gcpkms:" + ring
}
