// Package fetch gets a node's bundle from an untrusted location, and leaves the node's
// status there.
//
// A location is a folder, such as a mounted share, or a base URL of any web server that
// serves files. Files are named after nodes: NODE.tar for the bundle. What comes
// back is only bytes: package install decides whether they are this node's.
//
// A location can delay a node, and nothing else. Every read has a size limit and a time
// limit. Redirects are not followed, content is not decompressed, cookies are not kept,
// and no environment variable sets a proxy. A URL is https; plain http is accepted only
// from a loopback address. A server's certificate is verified against the system's roots
// or against the file in Options.CA.
//
// Get sends the validators of the last answer (ETag, Last-Modified), so that unchanged
// files are not transferred. "Not modified" from a location proves nothing; a caller that
// needs to know must ask without a validator.
package fetch
