// Package bundletest makes whole PKIs, nodes and signed bundles in memory, with
// Go's own crypto and nothing of a ceremony. Tests only.
package bundletest
