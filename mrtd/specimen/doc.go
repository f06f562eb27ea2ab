// Package specimen issues specimen passports: a CSCA and a document signer of
// its own, the data groups of a traveller who does not exist, and EF.SOD over
// them, as a chip of package chipsim holds them; and the terminals that may read
// what such a chip keeps from others. Simulators, demonstrations and tests read
// these with the code that reads real documents.
//
// Everything is derived from one source of randomness, so a seed brings the
// same passport back. The arithmetic is not constant-time and the keys are
// nobody's secret: nothing here is fit to issue documents.
package specimen
