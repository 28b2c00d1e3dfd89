// Package bundletest makes whole PKIs, nodes and signed bundles in memory, with
// Go's own crypto and no ceremony. Tests only.
package bundletest
