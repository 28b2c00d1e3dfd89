// Package csrlist reads the CertificateSigningRequests that `kubectl get csr -o json`
// wrote, and writes what `kubectl replace --raw` puts back: the offline way to an
// online signer.
//
// From each object it reads name, uid, the fields of the spec that the API server set, and
// the conditions. An object that has a certificate, or was denied or has failed, is
// finished. The object that goes back has name and uid, so that a later object of the same
// name is not answered. It has the spec as it was, and no resource version: approval and
// certificate are put back one after the other.
package csrlist
