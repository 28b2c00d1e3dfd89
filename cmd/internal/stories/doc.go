// Package stories runs the two programs as people do: user stories as scripts
// under testdata/script, and every console block of the documents, where what
// appears must be what the page says. Tests only.
package stories
