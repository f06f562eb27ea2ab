// Package peers tests limen against what others have written: their software
// passports are read by ours, and their readers read our simulated chip, over
// the links that real ones use (pcscd with its virtual reader vpcd, and a
// PN532's serial line). It holds tests only; docs/peers.md tells who is met,
// where each comes from and what was measured.
//
// A test whose peer is not installed is skipped, and says how to have it.
package peers
