// Package trust is what a signature of a travel document rests on: tolerant
// X.509 certificates (RFC 5280, Doc 9303-12), signed messages (RFC 5652),
// master lists of CSCA certificates (Doc 9303-12, 9), revocation lists (7.1.4),
// deviation lists (10), directories as the ICAO PKD ships them (LDIF, RFC
// 2849), and the store that holds what an inspection trusts.
//
// crypto/x509 and encoding/asn1 are not used: they refuse brainpool curves,
// explicit curve parameters, BER lengths, and the serial numbers, times and
// PSS parameters real issuers have written. What is tolerated here is form;
// the signature over the exact bytes decides in every case.
//
// What may enter the store is decided once, on import; what is in it is judged
// again by Audit. Delta, partial and indirect revocation lists are refused
// (Doc 9303-12, D.1.2), and nothing is fetched: files come from the caller.
package trust
