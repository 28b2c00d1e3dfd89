// Package fleet lays out what nodes fetch, wave by wave, and says who has what.
//
// A folder that is published holds, for a web server or a share,
//
//	NODE.tar        the bundle that a node is to have
//	fleet.json      kind Fleet: every node, its wave, the bundle it is to have
//	status/         NODE.json, which nodes leave there (or elsewhere)
//
// A node is to have the bundle of the newest ceremony that made one for it. Where that
// one places and announces the same as the bundle that is published, the published one
// stays: nothing would change on the node, and nothing has to travel. fleet.json lists
// the bundles that are as good (accepts).
//
// A wave is published when every node of the waves before it is well: its signed status
// (package statement) is not old, speaks of a bundle that is as good, is signed by that
// bundle's own key, and has no findings. Nodes that no wave names come last, in a wave
// without a name.
//
// A status of a bundle that is not published is believed for what harms its node alone:
// that it lags, or that it went back.
package fleet
