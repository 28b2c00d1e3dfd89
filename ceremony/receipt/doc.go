// Package receipt checks authorities' certificates that come back from an external
// root.
//
// For each line of kind "external" there is a file, NAME.crt: the certificate in PEM
// and, if the root did not sign it itself, the CAs in between. The root may follow at
// the end. All of this is required, and nothing else is accepted:
//
//   - The public key is the one on record, made in this ceremony.
//   - The subject has the CN and the O's of the schedule, and no other attribute.
//     A CA may write them in another order or string type.
//   - Basic constraints are critical, CA, path length 0. Key usage is keyCertSign and
//     cRLSign, optionally with digitalSignature, as Microsoft's CA has it. Extended
//     key usage is exactly the schedule's, because every certificate below the
//     authority would inherit what it lacks or has in excess.
//   - Subject key identifier; an authority key identifier that is the issuer's.
//   - Other extensions, if not critical: CRL distribution points, authority
//     information access, certificate policies, and the three in which Microsoft's CA
//     names its templates. No others.
//   - It is valid now, for at most what the line says, with at least what the line
//     says left, and no longer than its issuer.
//   - A chain of at most four CAs leads to the plan's root. Each is fit for what is
//     below it (kubepki.Above), and every signature verifies.
//   - No serial number is already on record, or occurs twice.
package receipt
