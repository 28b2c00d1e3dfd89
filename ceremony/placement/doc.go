// Package placement says whether a station's locations can hold a plan's keys, as far
// as can be known without a login: before anybody enters the room, and again before a
// ceremony asks for its first PIN.
//
// From plan and station alone: a key without a location, one location for two keys, a
// URI that its backend cannot parse, evidence that no key there can ever have, a PIN
// source that is missing or that others may read, a module that cannot be read. With
// a token at hand: that it is ready, what it reports about its PIN, that it is not
// software if the plan requires more, and that it can create and use the key's
// algorithm.
//
// # Verdict
//
// A finding refuses the plan at this station. A missing token is not a finding, since
// people insert it later: it is in Absent, and nothing is known about it. What is
// only worth checking is a warning.
//
// The ceremony checks what needs a login before it creates its first key: whether a
// key is there, whether a name is free, what a token does with a canary.
package placement
