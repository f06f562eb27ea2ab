// Package view is how the centre's people come to see a device's camera: a
// request signed by the centre, for one device and one browser, that lives for
// seconds; and the answer.
//
//	browser's offer ─▶ centre: audit, Sign ─▶ any broker ─▶ Taker: signature, address, age ─▶ consent light, journal ─▶ answer
//	browser ◀────────────────────── pictures, from peer to peer (WebRTC) ──────────────────────── camera
//
// What is signed holds the hash of the offer, and with it the fingerprint of
// the browser's DTLS certificate: whoever carries it cannot have the pictures
// sent elsewhere. It is no command: commands are signed by a key that may be
// put away, and this one is asked for by somebody who waits before a page.
package view

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"limen/sync/wire"
)

// head begins what is signed of a request.
const head = "limen view v1"

// Bounds.
const (
	MaxLife    = 30 * time.Second
	Life       = 20 * time.Second // of the requests that the centre makes
	MaxWord    = 200              // bytes of who asked, and of why
	clockSlack = 10 * time.Second // the centre's clock before the device's
)

// Request asks one device for the live picture of its camera.
type Request struct {
	Device  string `cbor:"1,keyasint"`
	ID      []byte `cbor:"2,keyasint"` // 16 random bytes
	Issued  int64  `cbor:"3,keyasint"` // milliseconds since 1970
	Expires int64  `cbor:"4,keyasint"`
	By      string `cbor:"5,keyasint"` // who asked, as the centre's audit names them
	Why     string `cbor:"6,keyasint"`
	Offer   []byte `cbor:"7,keyasint"` // SHA-256 of the browser's session description
}

// HashOf is the hash that a request has of an offer.
func HashOf(offer string) []byte {
	h := sha256.Sum256([]byte(offer))
	return h[:]
}

func (r Request) check() error {
	if err := wire.CheckIdentifier(r.Device); err != nil {
		return err
	}
	switch {
	case len(r.ID) != wire.ViewIDSize || len(r.Offer) != sha256.Size:
		return fmt.Errorf("an id of %d bytes and a hash of %d; they have %d and %d", len(r.ID), len(r.Offer), wire.ViewIDSize, sha256.Size)
	case r.Expires <= r.Issued || r.Expires-r.Issued > MaxLife.Milliseconds():
		return fmt.Errorf("it is to live %v; a request lives up to %v", time.Duration(r.Expires-r.Issued)*time.Millisecond, MaxLife)
	case strings.TrimSpace(r.By) == "" || len(r.By) > MaxWord || strings.TrimSpace(r.Why) == "" || len(r.Why) > MaxWord:
		return fmt.Errorf("who asked has %d bytes and why %d; each has 1 to %d", len(r.By), len(r.Why), MaxWord)
	}
	return nil
}

// Sign signs as the centre's processes, with the receipt key.
func (r Request) Sign(receipt note.Signer) ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("request for a live view: %w", err)
	}
	return wire.Seal(head, r, receipt)
}

// Is tells whether something sealed says it is a request.
func Is(sealed []byte) bool { return strings.HasPrefix(string(sealed), head+"\n") }

// Open reads a signed request; wire.ErrSignature when no key that counts signed it.
func Open(signed []byte, keys note.Verifiers) (Request, error) {
	var r Request
	if err := wire.Unseal(head, signed, keys, &r); err != nil {
		return Request{}, err
	}
	return r, r.check()
}

// Why is why a device refuses a request.
type Why string

// The reasons.
const (
	WhySignature Why = "signature"
	WhyMalformed Why = "malformed"
	WhyForeign   Why = "foreign"  // for another device
	WhyReplayed  Why = "replayed" // not newer than the last one, or than this program's start
	WhyExpired   Why = "expired"
	WhyFuture    Why = "future"
	WhyOffer     Why = "offer" // what came as the browser's offer is not the one that was signed
)

// Refusal is a request refused.
type Refusal struct {
	Why    Why
	Detail string
	Times  int // as many as it: those in between were not told one by one
}

// Error implements error.
func (r *Refusal) Error() string { return fmt.Sprintf("live view refused: %s: %s", r.Why, r.Detail) }

func refuse(why Why, format string, args ...any) *Refusal {
	return &Refusal{Why: why, Detail: fmt.Sprintf(format, args...), Times: 1}
}

// judge says why a device does not grant a request; last is when the last one
// was issued.
func judge(signed []byte, keys note.Verifiers, device string, last int64, now time.Time) (Request, *Refusal) {
	r, err := Open(signed, keys)
	switch {
	case errors.Is(err, wire.ErrSignature):
		return r, refuse(WhySignature, "%v", err)
	case err != nil:
		return r, refuse(WhyMalformed, "%v", err)
	case r.Device != device:
		return r, refuse(WhyForeign, "it is for %s and this is %s", r.Device, device)
	case now.UnixMilli() >= r.Expires:
		return r, refuse(WhyExpired, "it expired at %s: check both clocks if it came at once", time.UnixMilli(r.Expires).UTC().Format(time.RFC3339))
	case now.Add(clockSlack).UnixMilli() < r.Issued:
		return r, refuse(WhyFuture, "it is issued at %s: check both clocks", time.UnixMilli(r.Issued).UTC().Format(time.RFC3339))
	case r.Issued <= last:
		return r, refuse(WhyReplayed, "it is not newer than the last one, or than the start of this device")
	}
	return r, nil
}
