// Package manifests writes what a cluster needs for a relay: the objects to apply, and the
// parts of the configuration of kubelets, API server and controller manager that make them
// use the certificates it hands on.
//
// The relay may read CertificateSigningRequests, approve and sign only for the given
// signer names, and write one Lease and one ConfigMap. Both are among these objects, and
// the relay cannot create them. It reads no Secret through the API.
package manifests
