// Package profile turns an entry of the schedule into the template of its
// certificate or revocation list. It is pure: the same entry, key, serial, time and issuer give
// the same template.
//
// What every certificate has, beside what the entry says:
//
//   - Basic constraints, critical, also on leaves; pathLen on authorities.
//   - Key usage, critical; extended key usage, not critical, when there is one.
//   - A subject key identifier: the leftmost 160 bits of the SHA-256 of the
//     public key's bits (RFC 7093, section 2, method 1).
//   - The issuer's subject key identifier as authority key identifier; a root's
//     is its own (RFC 5280, 4.2.1.1).
//   - A subject of O attributes, then CN, each in its own RDN. RFC 5280 readers,
//     including Kubernetes' own, treat several values in one RDN and several RDNs
//     alike, and people can read the latter.
//   - notBefore as given, the ceremony's; notAfter later by the entry's duration,
//     both in UTC and whole seconds. A certificate that would outlive its issuer is
//     an error. It is not shortened, because the schedule was approved as it is.
//
// A revocation list follows from its entry, the number, the time and the issuer in
// the same way.
//
// Serial numbers have 127 random bits in 16 octets.
package profile
