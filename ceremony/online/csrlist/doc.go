// Package csrlist reads the CertificateSigningRequests that `kubectl get csr -o json` has
// written, and writes what `kubectl replace --raw` puts back: the offline way to an
// online signer.
//
// Of each object it reads name, uid, what the API server set of the spec, and the
// conditions. One that has a certificate, or was denied or has failed, is done with. The
// object that goes back has name and uid, so that one of the same name that was made since
// is not answered, the spec as it was, and no resource version: approval and certificate
// are put back one after the other.
package csrlist
