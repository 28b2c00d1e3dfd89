// Package pages runs the documents: each command that a page shows is typed,
// and what appears must be what the page says. Tests only.
package pages
