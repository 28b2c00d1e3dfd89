// Package install places a verified bundle on a node, atomically, with a way back.
package install
