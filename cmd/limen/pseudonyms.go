package main

import (
	"math"
	"os"
	"path/filepath"

	"limen"
	"limen/device"
	"limen/device/lookup"
	"limen/hw/keystore"
)

// pseudonyms fits the keystore, which knows nothing of limen, to its port.
type pseudonyms struct{ keys *keystore.Keystore }

// Traces implements limen.Pseudonymizer.
func (p pseudonyms) Traces(issuer, number string) (out []limen.Trace) {
	for _, k := range p.keys.Traces(issuer, number) {
		out = append(out, limen.Trace{Key: k.Key, Hash: k.Hash})
	}
	return out
}

// Marks implements limen.Pseudonymizer.
func (p pseudonyms) Marks(what string, pseudonym limen.Pseudonym, value []byte) (out []limen.Mark) {
	for _, k := range p.keys.Marks(what, pseudonym, value) {
		out = append(out, append(limen.Mark(k.Key[:]), k.Hash[:limen.MarkSize-len(k.Key)]...))
	}
	return out
}

// stopHash is the keyed hash of a stop list's entries.
func stopHash(keys *keystore.Keystore) lookup.Hasher {
	return func(value []byte) []limen.Mark {
		return pseudonyms{keys}.Marks("stop list", limen.Pseudonym{}, value)
	}
}

// receiptPath is where the centre's last receipt lies.
func receiptPath(cfg device.Config) string { return filepath.Join(cfg.Store, "receipt.note") }

// sent tells how many entries the centre may hold: what is erased of them it
// must be told of. What was sent without a receipt yet may be held too.
func (a *assembly) sent() func() uint64 { return sentBefore(a.cfg) }

func sentBefore(cfg device.Config) func() uint64 {
	if cfg.Uplink.Broker == "" {
		if _, err := os.Stat(receiptPath(cfg)); err != nil {
			return nil // no centre, and there never was one
		}
	}
	return func() uint64 { return math.MaxUint64 }
}
