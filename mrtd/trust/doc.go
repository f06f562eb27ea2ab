// Package trust is what a signature of a travel document rests on: tolerant
// X.509 certificates (RFC 5280, Doc 9303-12), signed messages (RFC 5652),
// master lists of CSCA certificates (Doc 9303-12, 9), and the store that holds
// the certificates an inspection trusts.
//
// crypto/x509 and encoding/asn1 are not used: they refuse brainpool curves,
// explicit curve parameters, BER lengths, and the serial numbers, times and
// PSS parameters real issuers have written. What is tolerated here is form;
// the signature over the exact bytes decides in every case.
//
// Certificate revocation lists are not read yet.
package trust
