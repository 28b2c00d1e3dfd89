// Package fleet lays out what nodes fetch, wave by wave, and reports which node has what.
//
// A published folder holds, for a web server or a share,
//
//	NODE.tar        the bundle that a node is to have
//	fleet.json      kind Fleet: every node, its wave, the bundle it is to have
//	status/         NODE.json, which nodes leave there (or elsewhere)
//
// A node is to have the bundle of the newest ceremony that made one for it. If that
// bundle places and announces the same as the published one, the published one
// stays: nothing would change on the node, so nothing needs to be transferred. fleet.json
// lists the equivalent bundles (accepts).
//
// A wave is published when every node of the earlier waves is healthy: its signed status
// (package statement) is recent, refers to an equivalent bundle, is signed by that
// bundle's own key, and has no findings. Nodes that no wave names come last, in a wave
// without a name.
//
// A status of a bundle that is not published is believed only for what harms its own node:
// that it lags, or that it went back.
package fleet
