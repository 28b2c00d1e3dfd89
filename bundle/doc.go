// Package bundle writes and checks signed node bundles.
package bundle
