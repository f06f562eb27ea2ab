package wire

import (
	"fmt"
	"strings"
)

// Health is how a device is, as it says itself. It speaks of parts, lists and
// disks, never of anybody who was checked. Times are milliseconds since 1970,
// UTC; 0 means that there is none.
type Health struct {
	At        int64  `cbor:"1,keyasint"`           // the device's clock when it said so
	Site      string `cbor:"2,keyasint,omitempty"` // where it stands
	Parts     []Part `cbor:"3,keyasint,omitempty"`
	DiskFree  uint64 `cbor:"4,keyasint,omitempty"` // bytes, where the journal lies
	DiskSize  uint64 `cbor:"5,keyasint,omitempty"`
	TrustList int64  `cbor:"6,keyasint,omitempty"` // when the newest list of issuers' certificates was taken in
	StopList  int64  `cbor:"7,keyasint,omitempty"` // when the oldest stop list in use was made
	// Full says that the journal takes no more entries: everybody is referred.
	Full bool `cbor:"8,keyasint,omitempty"`
}

// Part is one part of a device, such as a reader or a camera.
type Part struct {
	Name  string    `cbor:"1,keyasint"` // as the device's own page calls it
	State PartState `cbor:"2,keyasint"`
}

// PartState is whether a part works.
type PartState string

// The states of a part.
const (
	PartStarting PartState = "starting"
	PartWorking  PartState = "working"
	PartAway     PartState = "away"   // it should be there and is not
	PartAbsent   PartState = "absent" // none is configured
)

// maxParts bounds what a device says of its parts.
const maxParts = 32

func (h *Health) check() error {
	if h == nil {
		return nil
	}
	if len(h.Site) > maxWord || len(h.Parts) > maxParts {
		return fmt.Errorf("health with a site of %d bytes and %d parts; the limits are %d and %d", len(h.Site), len(h.Parts), maxWord, maxParts)
	}
	for _, p := range h.Parts {
		if len(p.Name) == 0 || len(p.Name) > 40 || strings.ContainsAny(p.Name, "\x00\n\r") {
			return fmt.Errorf("a part's name of %d bytes; it has 1 to 40 on one line", len(p.Name))
		}
		switch p.State {
		case PartStarting, PartWorking, PartAway, PartAbsent:
		default:
			return fmt.Errorf("part %q is %.20q, which is none of %s, %s, %s, %s", p.Name, p.State, PartStarting, PartWorking, PartAway, PartAbsent)
		}
	}
	if h.At < 0 || h.TrustList < 0 || h.StopList < 0 {
		return fmt.Errorf("health of a time before 1970")
	}
	return nil
}

// Encode writes a health alone, as the centre keeps it.
func (h Health) Encode() ([]byte, error) {
	if err := h.check(); err != nil {
		return nil, err
	}
	return encoding.Marshal(h)
}

// DecodeHealth reads what Encode wrote.
func DecodeHealth(b []byte) (Health, error) {
	h, err := decode[*Health](b)
	if err != nil || h == nil {
		return Health{}, fmt.Errorf("cannot read a health: %w", err)
	}
	return *h, nil
}
