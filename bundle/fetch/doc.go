// Package fetch gets a node's bundle from a place that is trusted with nothing, and
// leaves its status there.
//
// A place is a folder, such as a mounted share, or a base URL of any web server that
// hands out files. Files are named after nodes: NODE.tar for the bundle. What comes
// back is bytes, no more: package install decides whether they are this node's.
//
// A place can delay and nothing else. Every read has a limit of size and one of time;
// redirects are not followed, content is not decompressed, cookies are not kept, and no
// environment variable names a proxy. A URL is https; plain http is taken from a
// loopback address alone. A server's certificate is verified against the system's roots
// or against the file that Options.CA is.
//
// Get asks with what the last answer said of itself (ETag, Last-Modified), so that what
// did not change does not travel. A place that says "not modified" proves nothing by
// it; whoever wants to know has to ask without a validator.
package fetch
