// Package manifests writes what a cluster needs for a relay: the objects to apply, and the
// parts of the configuration of kubelets, API server and controller manager that make them
// use what it hands on.
//
// The relay may read CertificateSigningRequests, approve and sign for the signer names
// given and no others, and write one Lease and one ConfigMap, both of which are here and
// which it cannot make. It reads no Secret through the API.
package manifests
