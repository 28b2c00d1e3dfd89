// Package ceremonytest makes small plans, requests and SoftHSM tokens for
// tests of whole ceremonies. Tests only.
package ceremonytest
