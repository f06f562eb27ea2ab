// Package seal reads and judges visible digital seals: signed data in a
// two-dimensional bar code on a visa, an emergency travel document or another
// paper (Doc 9303-13; BSI TR-03137-1 for the German ones).
//
//	bytes of a bar code -> Parse -> header, features, signature -> Verify -> verdicts
//
// Seals for non-constrained environments, which are JSON and carry their
// signer's certificate (ICAO TR VDS-NC), are read by ParseNC and judged by
// VerifyNC into the same verdicts.
//
// The bytes come from whoever decoded the bar code. Verdicts are of package
// authn's kind: a seal that is forged is a result, bytes that are no seal are an
// error. Nothing a seal says prints.
package seal
