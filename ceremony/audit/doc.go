// Package audit proves a finished ceremony from outside, with no token at hand.
package audit
