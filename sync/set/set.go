// Package set is what the centre sends to devices in versions: trust lists,
// stop lists, decision policies, configuration.
//
//	content ─sign─▶ Manifest ─offer, pieces─▶ Client ─signature, address, age, size, hash─▶ apply ─▶ Store
//
// A set has a name and a number that only grows. What is signed is the
// manifest, which names the content by its hash; the content travels packed,
// whole or as a delta from an earlier number, in pieces that are fetched again
// where they stopped. Who carries them is trusted with nothing. An earlier
// content comes back under a new number: nothing else takes a device back.
//
// The key is the centre's operations key, which a device learns at enrolment
// and changes by a command (package command). It is not the receipt key: a
// process that gives receipts cannot make sets.
package set

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"

	"limen/sync/wire"
)

// head begins what is signed of a set.
const head = "limen set v1"

// Bounds.
const (
	MaxContent   = 64 << 20 // bytes, unpacked
	maxAddresses = 32
	clockSlack   = 10 * time.Minute // the centre's clock before the device's
)

// Manifest is what is signed of one version of a set.
type Manifest struct {
	Name    string   `cbor:"1,keyasint" json:"name"`
	Number  uint64   `cbor:"2,keyasint" json:"number"`
	For     []string `cbor:"3,keyasint" json:"for"`     // "*", "site:NAME", "device:NAME"
	Issued  int64    `cbor:"4,keyasint" json:"issued"`  // milliseconds since 1970
	Expires int64    `cbor:"5,keyasint" json:"expires"` // it is not taken after that
	Size    uint64   `cbor:"6,keyasint" json:"size"`    // bytes of the content
	SHA256  []byte   `cbor:"7,keyasint" json:"sha256"`
	Repeats uint64   `cbor:"8,keyasint,omitempty" json:"repeats,omitempty"` // a roll-back: the number whose content this is again
}

// Everyone addresses a set to all devices.
const Everyone = "*"

// New makes the manifest of a content.
func New(name string, number uint64, content []byte, addresses []string, issued time.Time, valid time.Duration) (Manifest, error) {
	sum := sha256.Sum256(content)
	m := Manifest{
		Name: name, Number: number, For: addresses, Issued: issued.UnixMilli(), Expires: issued.Add(valid).UnixMilli(),
		Size: uint64(len(content)), SHA256: sum[:],
	}
	return m, m.check()
}

func (m Manifest) check() error {
	if err := wire.CheckIdentifier(m.Name); err != nil {
		return fmt.Errorf("a set is named as a device is: %w", err)
	}
	switch {
	case m.Number == 0 || m.Number > 1<<53:
		return fmt.Errorf("number %d; a set's begins at 1", m.Number)
	case m.Size > MaxContent:
		return fmt.Errorf("content of %d bytes; the limit is %d", m.Size, MaxContent)
	case len(m.SHA256) != sha256.Size:
		return fmt.Errorf("hash of %d bytes; it has %d", len(m.SHA256), sha256.Size)
	case m.Expires <= m.Issued:
		return errors.New("it expires before it is issued")
	case m.Repeats >= m.Number:
		return fmt.Errorf("number %d repeats %d, which is not before it", m.Number, m.Repeats)
	case len(m.For) == 0 || len(m.For) > maxAddresses:
		return fmt.Errorf("%d addresses; it has 1 to %d", len(m.For), maxAddresses)
	}
	return CheckAddresses(m.For)
}

// CheckAddresses says which address is none.
func CheckAddresses(addresses []string) error {
	for _, a := range addresses {
		if a == Everyone {
			continue
		}
		kind, name, ok := cutAddress(a)
		if !ok || kind != "site" && kind != "device" || wire.CheckIdentifier(name) != nil {
			return fmt.Errorf("%.60q is no address: * is everyone, site:NAME the devices of a site, device:NAME one", a)
		}
	}
	return nil
}

func cutAddress(a string) (kind, name string, ok bool) {
	for i := range len(a) {
		if a[i] == ':' {
			return a[:i], a[i+1:], true
		}
	}
	return "", "", false
}

// Addresses tells whether a device at a site is meant.
func Addresses(addresses []string, site, device string) bool {
	return slices.ContainsFunc(addresses, func(a string) bool {
		return a == Everyone || a == "site:"+site || a == "device:"+device
	})
}

// Sign signs as the centre's operations.
func (m Manifest) Sign(operations note.Signer) ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("set %s: %w", m.Name, err)
	}
	return wire.Seal(head, m, operations)
}

// Open reads a signed manifest; wire.ErrSignature when no key that counts
// signed it.
func Open(signed []byte, keys note.Verifiers) (Manifest, error) {
	var m Manifest
	if err := wire.Unseal(head, signed, keys, &m); err != nil {
		return Manifest{}, err
	}
	return m, m.check()
}

// holds tells whether content is what the manifest names.
func (m Manifest) holds(content []byte) bool {
	sum := sha256.Sum256(content)
	return uint64(len(content)) == m.Size && slices.Equal(sum[:], m.SHA256)
}

// Why is why a device refuses a set.
type Why string

// The reasons.
const (
	WhySignature Why = "signature" // not by the operations key
	WhyMalformed Why = "malformed"
	WhyForeign   Why = "foreign" // for other devices
	WhyOlder     Why = "older"   // no newer than what the device has
	WhyExpired   Why = "expired"
	WhyFuture    Why = "future" // issued later than now: one of the clocks is wrong
	WhySize      Why = "size"
	WhyContent   Why = "content" // not what the manifest names
	WhyUnfit     Why = "unfit"   // the device cannot run it
)

// Refusal is a set refused: by which reason, and what was wrong.
type Refusal struct {
	Name   string
	Number uint64
	Why    Why
	Detail string
}

// Error implements error.
func (r *Refusal) Error() string {
	return fmt.Sprintf("set %s number %d refused: %s: %s", r.Name, r.Number, r.Why, r.Detail)
}

func refuse(m Manifest, why Why, format string, args ...any) *Refusal {
	return &Refusal{m.Name, m.Number, why, fmt.Sprintf(format, args...)}
}

// judge says why a device that has number have of a set does not take this one.
func judge(signed []byte, keys note.Verifiers, site, device string, now time.Time, have func(name string) uint64) (Manifest, *Refusal) {
	m, err := Open(signed, keys)
	switch {
	case errors.Is(err, wire.ErrSignature):
		return m, refuse(m, WhySignature, "%v", err)
	case m.Size > MaxContent:
		return m, refuse(m, WhySize, "%v", err)
	case err != nil:
		return m, refuse(m, WhyMalformed, "%v", err)
	case !Addresses(m.For, site, device):
		return m, refuse(m, WhyForeign, "it is for %v and this is %s at %s", m.For, device, site)
	case m.Number <= have(m.Name):
		return m, refuse(m, WhyOlder, "number %d is here", have(m.Name))
	case now.UnixMilli() >= m.Expires:
		return m, refuse(m, WhyExpired, "it expired at %s", time.UnixMilli(m.Expires).UTC().Format(time.RFC3339))
	case now.Add(clockSlack).UnixMilli() < m.Issued:
		return m, refuse(m, WhyFuture, "it is issued at %s: check both clocks", time.UnixMilli(m.Issued).UTC().Format(time.RFC3339))
	}
	return m, nil
}

// AddressesOf reads whom a manifest is for without looking at its signature:
// it is for those who keep manifests, not for those who run sets.
func AddressesOf(signed []byte) ([]string, error) {
	var m Manifest
	if err := wire.Unsealed(head, signed, &m); err != nil {
		return nil, err
	}
	return m.For, nil
}
