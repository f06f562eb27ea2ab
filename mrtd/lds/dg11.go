package lds

import (
	"fmt"
	"io"
	"log/slog"

	"limen/mrtd/ber"
	"limen/mrtd/mrz"
)

// DG11 is the additional personal details (Doc 9303-10, 4.7.11); every one of
// them is optional. It prints as redacted.
type DG11 struct {
	Listed []ber.Tag // the tag list 5C, which need not agree with what is there

	Name           Name   // in full, in national characters
	OtherNames     []Name // at most 64
	PersonalNumber string
	Birth          mrz.Date // a part that is 0 is unknown
	PlaceOfBirth   []string // from the place to the state, as the issuer splits it
	Address        []string
	Telephone      string
	Profession     string
	Title          string
	Summary        string
	Citizenship    []byte   // picture of a proof of citizenship, see SniffImage
	OtherDocuments []string // numbers of other valid travel documents
	Custody        string

	DateForm DateForm  // how Birth is written; "" where it is not
	Unread   []ber.TLV // elements of another tag, or whose value could not be read
}

// Tags of DG11 (table 71).
const (
	tagFullName       ber.Tag = 0x5F0E
	tagOtherName      ber.Tag = 0x5F0F
	tagPersonalNumber ber.Tag = 0x5F10
	tagFullBirth      ber.Tag = 0x5F2B
	tagPlaceOfBirth   ber.Tag = 0x5F11
	tagAddress        ber.Tag = 0x5F42
	tagTelephone      ber.Tag = 0x5F12
	tagProfession     ber.Tag = 0x5F13
	tagTitle          ber.Tag = 0x5F14
	tagSummary        ber.Tag = 0x5F15
	tagCitizenship    ber.Tag = 0x5F16
	tagOtherDocuments ber.Tag = 0x5F17
	tagCustody        ber.Tag = 0x5F18
)

// ParseDG11 reads the whole file, tag 6B. Only a file that is no template is
// an error: an element that cannot be read is among Unread and hides no other.
func ParseDG11(b []byte) (DG11, error) {
	elements, err := details(b, groupTags[11])
	if err != nil {
		return DG11{}, fmt.Errorf("DG11: %w", err)
	}
	var d DG11
	for _, e := range elements {
		if !d.add(e) {
			d.Unread = append(d.Unread, e)
		}
	}
	return d, nil
}

func (d *DG11) add(e ber.TLV) (read bool) {
	read = true
	switch e.Tag {
	case tagList:
		var err error
		d.Listed, err = parseTagList(e.Value)
		return err == nil
	case tagFullName:
		d.Name = parseName(e.Value)
	case tagOtherName:
		if len(d.OtherNames) == maxParts {
			return false
		}
		d.OtherNames = append(d.OtherNames, parseName(e.Value))
	case tagPersonalNumber:
		d.PersonalNumber = text(e.Value)
	case tagFullBirth:
		d.Birth, d.DateForm, read = parseDay(e.Value)
	case tagPlaceOfBirth:
		d.PlaceOfBirth = parts(e.Value)
	case tagAddress:
		d.Address = parts(e.Value)
	case tagTelephone:
		d.Telephone = text(e.Value)
	case tagProfession:
		d.Profession = spaced(text(e.Value))
	case tagTitle:
		d.Title = spaced(text(e.Value))
	case tagSummary:
		d.Summary = text(e.Value)
	case tagCitizenship:
		d.Citizenship = e.Value
	case tagOtherDocuments:
		d.OtherDocuments = parts(e.Value)
	case tagCustody:
		d.Custody = text(e.Value)
	default:
		return false
	}
	return read
}

// EncodeDG11 writes DG11 with the elements that are not empty, in the order of
// table 71, and a tag list of them. Birth is written in DateForm, as text where
// that is "".
func EncodeDG11(d DG11) ([]byte, error) {
	var w detailer
	w.put(tagFullName, d.Name.encode())
	w.names(tagOtherName, d.OtherNames)
	w.put(tagPersonalNumber, []byte(d.PersonalNumber))
	if d.Birth != (mrz.Date{}) {
		birth, err := encodeDay(d.Birth, d.DateForm)
		if err != nil {
			return nil, fmt.Errorf("DG11: date of birth: %w", err)
		}
		w.put(tagFullBirth, birth)
	}
	w.put(tagPlaceOfBirth, joinParts(d.PlaceOfBirth))
	w.put(tagAddress, joinParts(d.Address))
	w.put(tagTelephone, []byte(d.Telephone))
	w.put(tagProfession, []byte(d.Profession))
	w.put(tagTitle, []byte(d.Title))
	w.put(tagSummary, []byte(d.Summary))
	w.put(tagCitizenship, d.Citizenship)
	w.put(tagOtherDocuments, joinParts(d.OtherDocuments))
	w.put(tagCustody, []byte(d.Custody))
	b, err := w.encode(groupTags[11])
	if err != nil {
		return nil, fmt.Errorf("DG11: %w", err)
	}
	return b, nil
}

// String tells nothing of the bearer.
func (d DG11) String() string { return "[DG11 redacted]" }

// Format writes String for every verb.
func (d DG11) Format(f fmt.State, _ rune) { io.WriteString(f, d.String()) }

// LogValue is String, for logs.
func (d DG11) LogValue() slog.Value { return slog.StringValue(d.String()) }

// MarshalText writes String, so that no encoder prints the details.
func (d DG11) MarshalText() ([]byte, error) { return []byte(d.String()), nil }
