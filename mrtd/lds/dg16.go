package lds

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"limen/mrtd/ber"
	"limen/mrtd/mrz"
)

// DG16 is the persons to notify in an emergency (Doc 9303-10, 4.7.16).
type DG16 struct {
	Persons  []PersonToNotify
	DateForm DateForm // how the first date is written
}

// PersonToNotify is one of them. It prints as redacted.
type PersonToNotify struct {
	Recorded  mrz.Date
	Name      Name
	Telephone string
	Address   []string
}

// Tags of DG16 (table 80): A1, A2 … are the persons.
const (
	tagRecorded        ber.Tag = 0x5F50
	tagNotifyName      ber.Tag = 0x5F51
	tagNotifyTelephone ber.Tag = 0x5F52
	tagNotifyAddress   ber.Tag = 0x5F53

	maxPersons = 15 // A1 to AF
)

// ParseDG16 reads the whole file, tag 70. The count of templates is not relied
// on; an element that cannot be read is left empty.
func ParseDG16(b []byte) (DG16, error) {
	elements, err := details(b, groupTags[16])
	if err != nil {
		return DG16{}, fmt.Errorf("DG16: %w", err)
	}
	var d DG16
	for _, e := range elements {
		if e.Tag <= tagContent || e.Tag > tagContent+maxPersons {
			continue // the count, tag 02
		}
		if len(d.Persons) == maxPersons {
			return DG16{}, fmt.Errorf("DG16: more than %d persons", maxPersons)
		}
		fields, err := children(e, maxElements)
		if err != nil {
			return DG16{}, fmt.Errorf("DG16: person %d: %w", len(d.Persons)+1, err)
		}
		var p PersonToNotify
		for _, f := range fields {
			switch f.Tag {
			case tagRecorded:
				var form DateForm
				p.Recorded, form, _ = parseDay(f.Value)
				if d.DateForm == "" {
					d.DateForm = form
				}
			case tagNotifyName:
				p.Name = parseName(f.Value)
			case tagNotifyTelephone:
				p.Telephone = text(f.Value)
			case tagNotifyAddress:
				p.Address = parts(f.Value)
			}
		}
		d.Persons = append(d.Persons, p)
	}
	if len(d.Persons) == 0 {
		return DG16{}, errors.New("DG16: no person")
	}
	return d, nil
}

// EncodeDG16 writes DG16 for 1 to 15 persons.
func EncodeDG16(d DG16) ([]byte, error) {
	if len(d.Persons) == 0 || len(d.Persons) > maxPersons {
		return nil, fmt.Errorf("DG16: %d persons; 1 to %d are written", len(d.Persons), maxPersons)
	}
	body := ber.Encode(ber.Integer, []byte{byte(len(d.Persons))})
	for i, p := range d.Persons {
		recorded, err := encodeDay(p.Recorded, d.DateForm)
		if err != nil {
			return nil, fmt.Errorf("DG16: person %d: %w", i+1, err)
		}
		body = append(body, ber.Encode(tagContent+1+ber.Tag(i),
			ber.Encode(tagRecorded, recorded),
			ber.Encode(tagNotifyName, p.Name.encode()),
			ber.Encode(tagNotifyTelephone, []byte(p.Telephone)),
			ber.Encode(tagNotifyAddress, joinParts(p.Address)))...)
	}
	return ber.Encode(groupTags[16], body), nil
}

// String tells nothing of the person.
func (p PersonToNotify) String() string { return "[person to notify redacted]" }

// Format writes String for every verb.
func (p PersonToNotify) Format(f fmt.State, _ rune) { io.WriteString(f, p.String()) }

// LogValue is String, for logs.
func (p PersonToNotify) LogValue() slog.Value { return slog.StringValue(p.String()) }

// MarshalText writes String, so that no encoder prints the person.
func (p PersonToNotify) MarshalText() ([]byte, error) { return []byte(p.String()), nil }
