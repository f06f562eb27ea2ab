package lds

import (
	"bytes"
	"fmt"

	"limen/mrtd/ber"
)

// DIR is EF.DIR: which applications the card says it has (Doc 9303-10,
// 3.11.2). It is not signed.
type DIR []Application

// Application is one application of a card.
type Application struct {
	AID   []byte // 5 to 16 octets
	Label string // what the card calls it; "" in most
}

// The applications of a travel document by their identifiers.
var (
	AIDTravelDocument = []byte{0xA0, 0x00, 0x00, 0x02, 0x47, 0x10, 0x01} // LDS1
	AIDTravelRecords  = []byte{0xA0, 0x00, 0x00, 0x02, 0x47, 0x20, 0x01} // LDS2
	AIDVisaRecords    = []byte{0xA0, 0x00, 0x00, 0x02, 0x47, 0x20, 0x02}
	AIDBiometrics     = []byte{0xA0, 0x00, 0x00, 0x02, 0x47, 0x20, 0x03}
)

const (
	tagApplication ber.Tag = 0x61
	tagAID         ber.Tag = 0x4F
	tagLabel       ber.Tag = 0x50

	maxDIR          = 4 << 10
	maxApplications = 32
	maxAID          = 16
)

// ParseDIR reads the whole file: application templates 61, or application
// identifiers 4F without one, which ISO/IEC 7816-4, 8.2.1.1 allows too. A
// template without an identifier is left out.
func ParseDIR(b []byte) (DIR, error) {
	if len(b) > maxDIR {
		return nil, fmt.Errorf("EF.DIR: %d bytes are longer than %d", len(b), maxDIR)
	}
	objects, err := paddedList(b)
	if err != nil {
		return nil, fmt.Errorf("EF.DIR: %w", err)
	}
	var out DIR
	for _, o := range objects {
		parts := []ber.TLV{o}
		if o.Tag == tagApplication {
			if parts, err = children(o, maxATRObjects); err != nil {
				return nil, fmt.Errorf("EF.DIR: application %d: %w", len(out)+1, err)
			}
		}
		var a Application
		for _, p := range parts {
			switch p.Tag {
			case tagAID:
				a.AID = p.Value
			case tagLabel:
				a.Label = text(p.Value)
			}
		}
		if len(a.AID) == 0 || len(a.AID) > maxAID {
			continue
		}
		if len(out) == maxApplications {
			return nil, fmt.Errorf("EF.DIR: more than %d applications", maxApplications)
		}
		out = append(out, a)
	}
	return out, nil
}

// Has tells whether an application is listed.
func (d DIR) Has(aid []byte) bool {
	for _, a := range d {
		if bytes.Equal(a.AID, aid) {
			return true
		}
	}
	return false
}

// EncodeDIR writes an application template for each application.
func EncodeDIR(d DIR) []byte {
	var out []byte
	for _, a := range d {
		parts := ber.Encode(tagAID, a.AID)
		if a.Label != "" {
			parts = append(parts, ber.Encode(tagLabel, []byte(a.Label))...)
		}
		out = append(out, ber.Encode(tagApplication, parts)...)
	}
	return out
}
