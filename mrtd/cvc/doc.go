// Package cvc is the card-verifiable certificates with which an inspection
// system proves to a chip that it may read fingerprints and irises: their form,
// their chains and the keys that sign with them (BSI TR-03110-3, 2, A.7, C and
// D; Doc 9303-12, 7.2).
//
//	CVCA -> CVCA link -> document verifier -> inspection system -> signature
//
// A chip trusts the keys of one country verifying authority (CVCA) by their
// references; InspectionSystem finds the certificates that lead from such a key
// down to a key it holds, and signs with that. Certificates for other terminal
// types parse, and lead nowhere. Certificate extensions belong to version 2 of
// the protocol and are left unread.
package cvc
