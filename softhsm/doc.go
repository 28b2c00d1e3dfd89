// Package softhsm finds SoftHSM and makes throw-away tokens for rehearsals,
// the demo and tests.
//
// SoftHSM keeps its tokens as files in the directory that a configuration file
// names, and finds that file by the environment variable SOFTHSM2_CONF when a
// program initializes the module. Init makes both:
//
//	DIR/softhsm2.conf   mode 0600
//	DIR/tokens/         mode 0700
//
// Tokens are made in this process, because softhsm2-util takes PINs as arguments,
// where any user of the machine can read them. Whoever can read DIR and knows a
// PIN has the keys, so do not use these tokens for keys that matter.
package softhsm
