// Package stories runs the two programs as people do. User stories are scripts
// under testdata/script. It also runs every console block of the documents, and the
// output must be what the page says. Tests only.
package stories
