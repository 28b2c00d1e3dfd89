// Package awskmstest is a KMS that speaks AWS's protocol (AWS JSON 1.1 over
// HTTPS, requests signed with SigV4), holds real keys in memory, and misbehaves
// as a test tells it to. It knows the requests that package awskms makes, and
// refuses others. It does not check the signature of a request, only that there
// is one, for this Region and service.
package awskmstest
