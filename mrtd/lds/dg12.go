package lds

import (
	"fmt"
	"io"
	"log/slog"
	"time"

	"limen/mrtd/ber"
	"limen/mrtd/mrz"
)

// DG12 is the additional document details (Doc 9303-10, 4.7.12); every one of
// them is optional. It prints as redacted.
type DG12 struct {
	Listed []ber.Tag // the tag list 5C, which need not agree with what is there

	Authority    string   // that issued the document
	Issued       mrz.Date // a part that is 0 is unknown
	OtherPersons []Name   // included in the document, at most 64
	Endorsements string   // and observations
	TaxExit      string   // tax or exit requirements
	Front        []byte   // picture of the document's front, see SniffImage
	Rear         []byte
	Personalized time.Time // as the clock of the system showed, in UTC for want of a zone; zero where absent
	System       string    // serial number of the personalization system

	DateForm DateForm  // how Issued, or else Personalized, is written; "" where neither is
	Unread   []ber.TLV // elements of another tag, or whose value could not be read
}

// Tags of DG12 (table 73).
const (
	tagAuthority    ber.Tag = 0x5F19
	tagIssued       ber.Tag = 0x5F26
	tagOtherPerson  ber.Tag = 0x5F1A
	tagEndorsements ber.Tag = 0x5F1B
	tagTaxExit      ber.Tag = 0x5F1C
	tagFront        ber.Tag = 0x5F1D
	tagRear         ber.Tag = 0x5F1E
	tagPersonalized ber.Tag = 0x5F55
	tagSystem       ber.Tag = 0x5F56
)

// ParseDG12 reads the whole file, tag 6C. Only a file that is no template is
// an error: an element that cannot be read is among Unread and hides no other.
func ParseDG12(b []byte) (DG12, error) {
	elements, err := details(b, groupTags[12])
	if err != nil {
		return DG12{}, fmt.Errorf("DG12: %w", err)
	}
	var d DG12
	for _, e := range elements {
		if !d.add(e) {
			d.Unread = append(d.Unread, e)
		}
	}
	return d, nil
}

func (d *DG12) add(e ber.TLV) (read bool) {
	read = true
	switch e.Tag {
	case tagList:
		var err error
		d.Listed, err = parseTagList(e.Value)
		return err == nil
	case tagAuthority:
		d.Authority = spaced(text(e.Value))
	case tagIssued:
		d.Issued, d.DateForm, read = parseDay(e.Value)
	case tagOtherPerson:
		if len(d.OtherPersons) == maxParts {
			return false
		}
		d.OtherPersons = append(d.OtherPersons, parseName(e.Value))
	case tagEndorsements:
		d.Endorsements = text(e.Value)
	case tagTaxExit:
		d.TaxExit = text(e.Value)
	case tagFront:
		d.Front = e.Value
	case tagRear:
		d.Rear = e.Value
	case tagPersonalized:
		var form DateForm
		d.Personalized, form, read = parseMoment(e.Value)
		if d.DateForm == "" {
			d.DateForm = form
		}
	case tagSystem:
		d.System = text(e.Value)
	default:
		return false
	}
	return read
}

// EncodeDG12 writes DG12 with the elements that are not empty, in the order of
// table 73, and a tag list of them. Dates are written in DateForm, as text
// where that is "".
func EncodeDG12(d DG12) ([]byte, error) {
	var w detailer
	w.put(tagAuthority, []byte(d.Authority))
	if d.Issued != (mrz.Date{}) {
		issued, err := encodeDay(d.Issued, d.DateForm)
		if err != nil {
			return nil, fmt.Errorf("DG12: date of issue: %w", err)
		}
		w.put(tagIssued, issued)
	}
	w.names(tagOtherPerson, d.OtherPersons)
	w.put(tagEndorsements, []byte(d.Endorsements))
	w.put(tagTaxExit, []byte(d.TaxExit))
	w.put(tagFront, d.Front)
	w.put(tagRear, d.Rear)
	if !d.Personalized.IsZero() {
		digits := d.Personalized.UTC().Format("20060102150405")
		if len(digits) != 14 {
			return nil, fmt.Errorf("DG12: time of personalization in a year of more than four digits")
		}
		w.put(tagPersonalized, encodeDigits(digits, d.DateForm))
	}
	w.put(tagSystem, []byte(d.System))
	b, err := w.encode(groupTags[12])
	if err != nil {
		return nil, fmt.Errorf("DG12: %w", err)
	}
	return b, nil
}

// String tells nothing of the document.
func (d DG12) String() string { return "[DG12 redacted]" }

// Format writes String for every verb.
func (d DG12) Format(f fmt.State, _ rune) { io.WriteString(f, d.String()) }

// LogValue is String, for logs.
func (d DG12) LogValue() slog.Value { return slog.StringValue(d.String()) }

// MarshalText writes String, so that no encoder prints the details.
func (d DG12) MarshalText() ([]byte, error) { return []byte(d.String()), nil }
