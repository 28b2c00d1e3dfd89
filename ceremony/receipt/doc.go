// Package receipt checks certificates of authorities that others signed, when
// they come back to a ceremony whose root is external.
//
// For each line of kind "external" there is a file, NAME.crt: the certificate in
// PEM, and after it, where the root did not sign it itself, the CAs between the two;
// the root may stand at the end. What is accepted, all of it and nothing else:
//
//   - The public key is the one on record, made in this ceremony.
//   - The subject has the CN and the O's of the schedule, and no other attribute.
//     A CA may write them in another order or string type.
//   - Basic constraints are critical, CA, path length 0. Key usage is keyCertSign and
//     cRLSign, and may be digitalSignature as well, as Microsoft's CA has it. Extended
//     key usage is exactly the schedule's: what an authority lacks, or has too
//     much, every certificate below it would.
//   - Subject key identifier; an authority key identifier that is the issuer's.
//   - Beside those, where they are not critical: CRL distribution points, authority
//     information access, certificate policies, and the three by which
//     Microsoft's CA names its templates. No other extension.
//   - It is valid now, for at most what the line says, with at least what the line says
//     still before it, and no longer than its issuer.
//   - A chain of at most four CAs leads to the plan's root, each of them fit for
//     what stands below it (kubepki.Above), and every signature verifies.
//   - No serial number is one that is on record, or comes twice.
package receipt
