// Package endpoint answers requests to an online signer over HTTP: on a Unix socket, or
// with mutual TLS. Each request gets one answer. This page specifies the format,
// version 1.
//
// POST /v1/sign takes JSON, of at most 64 KiB:
//
//	{"signerName":"kubernetes.io/kubelet-serving","username":"system:node:worker-1",
//	 "groups":["system:nodes"],"usages":["digital signature","server auth"],
//	 "expirationSeconds":86400,"request":"LS0tLS1CRUdJTi…"}
//
// The fields are those of a CertificateSigningRequest's spec, as the API server set
// them; request is base64 of the PEM, expirationSeconds may be left out. Any other field
// is an error. A decision has status 200:
//
//	{"state":"signed","certificate":"LS0t…","head":{"seq":12,"hash":"9c4e…"}}
//	{"state":"denied","reason":"san-not-in-grant","detail":"…","head":{…}}
//	{"state":"later","reason":"token","detail":"…","head":{…}}
//
// certificate is base64 of PEM: the certificate, then its authority's. A denial is final.
// "later" decides nothing: ask again. Then, and after a broken connection, the same
// request gets the same certificate. head is the journal's last line: keep the newest.
//
// A body that is not a request gets status 400, another method or path 405 or 404, with
// an answer in text. GET /v1/status reports the signer's state.
//
// A separate listener has /metrics for Prometheus, /readyz (503 while nothing could
// be signed) and /healthz. None of these names a node or a user.
package endpoint
