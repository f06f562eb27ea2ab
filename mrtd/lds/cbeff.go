package lds

import (
	"bytes"
	"errors"
	"fmt"

	"limen/mrtd/ber"
)

// BiometricHeader is what a biometric information template says of its record
// (Doc 9303-10, 4.7.2.1). Fields that are absent are zero.
type BiometricHeader struct {
	Type        int // 2 face, 8 finger, 16 iris
	Subtype     byte
	FormatOwner int // 0x0101: ISO/IEC JTC 1/SC 37
	FormatType  int // see formatTypes; not relied on to read the record
}

// Tags of CBEFF (ISO/IEC 7816-11).
const (
	tagGroupTemplate ber.Tag = 0x7F61
	tagTemplate      ber.Tag = 0x7F60
	tagHeader        ber.Tag = 0xA1
	tagBlock         ber.Tag = 0x5F2E
	tagBlockCons     ber.Tag = 0x7F2E // ISO/IEC 39794; also seen around 19794
	tagStandardized  ber.Tag = 0xA1   // inside 7F2E, around a block of ISO/IEC 39794
	tagDiscretionary ber.Tag = 0x53   // a number of the issuer's, so that empty groups differ
)

// Values of the header template's elements.
const (
	formatOwnerSC37 = 0x0101
	typeFace        = 0x02
	typeFinger      = 0x08
	typeIris        = 0x10
)

// formatTypes are the format types that SC 37 registered, by standard.
var formatTypes = map[Standard]int{
	Finger2005: 0x0007, Finger2011: 0x0007, Finger39794: 0x0028,
	Face2005: 0x0008, Face2011: 0x0008, Face39794: 0x002A,
	Iris2005: 0x0009, Iris2011: 0x0009, Iris39794: 0x002C,
}

// Standard is the standard and edition a biometric record is written in.
type Standard string

// The standards of DG2, DG3 and DG4. Editions of 2011 are not for travel
// documents (Doc 9303-10, 4.5.6) and found in national ones all the same.
const (
	Face2005    Standard = "ISO/IEC 19794-5:2005"
	Face2011    Standard = "ISO/IEC 19794-5:2011"
	Face39794   Standard = "ISO/IEC 39794-5:2019"
	Finger2005  Standard = "ISO/IEC 19794-4:2005"
	Finger2011  Standard = "ISO/IEC 19794-4:2011"
	Finger39794 Standard = "ISO/IEC 39794-4:2019"
	Iris2005    Standard = "ISO/IEC 19794-6:2005"
	Iris2011    Standard = "ISO/IEC 19794-6:2011"
	Iris39794   Standard = "ISO/IEC 39794-6:2021"
)

// What bounds the biometric groups: a file has at most 64 KiB on most chips,
// and 16 MiB leaves room for any; the count of templates is one octet.
const (
	maxBiometrics       = 16 << 20
	maxTemplates        = 32
	maxTemplateElements = 16
)

// template is one biometric information template.
type template struct {
	header BiometricHeader
	block  []byte // the record: of ISO/IEC 19794, or the outermost element of ISO/IEC 39794
}

// parseTemplates reads a whole file of a biometric group. None are found where
// the issuer had no such feature of the bearer (4.7.3.2.2).
func parseTemplates(b []byte, group int) ([]template, error) {
	if len(b) > maxBiometrics {
		return nil, fmt.Errorf("%d bytes are longer than %d", len(b), maxBiometrics)
	}
	outer, err := ber.Parse(b, groupTags[group])
	if err != nil {
		return nil, err
	}
	elements, err := children(outer, maxTemplateElements)
	if err != nil {
		return nil, err
	}
	grouped, ok := find(elements, tagGroupTemplate)
	if !ok {
		return nil, fmt.Errorf("no biometric group template %X", tagGroupTemplate)
	}
	list, err := children(grouped, maxTemplates+2) // the count and a discretionary object
	if err != nil {
		return nil, err
	}
	var out []template
	for _, e := range list {
		if e.Tag != tagTemplate {
			continue // the count, tag 02: what is there is what counts
		}
		if len(out) == maxTemplates {
			return nil, fmt.Errorf("more than %d biometric templates", maxTemplates)
		}
		t, err := parseTemplate(e)
		if err != nil {
			return nil, fmt.Errorf("template %d: %w", len(out)+1, err)
		}
		out = append(out, t)
	}
	return out, nil
}

func parseTemplate(t ber.TLV) (template, error) {
	elements, err := children(t, maxTemplateElements)
	if err != nil {
		return template{}, err
	}
	var out template
	for _, e := range elements {
		switch e.Tag {
		case tagHeader:
			if out.header, err = parseHeader(e); err != nil {
				return template{}, err
			}
		case tagBlock:
			out.block = e.Value
		case tagBlockCons:
			out.block = innerBlock(e)
		}
	}
	if out.block == nil {
		return template{}, fmt.Errorf("no biometric data block %X or %X", tagBlock, tagBlockCons)
	}
	return out, nil
}

func parseHeader(t ber.TLV) (BiometricHeader, error) {
	elements, err := children(t, maxTemplateElements)
	if err != nil {
		return BiometricHeader{}, fmt.Errorf("biometric header: %w", err)
	}
	var h BiometricHeader
	for _, e := range elements {
		if len(e.Value) == 0 || len(e.Value) > 3 {
			continue // dates and the creator are not read
		}
		n := int(unsigned(e.Value).Int64())
		switch e.Tag {
		case 0x81:
			h.Type = n
		case 0x82:
			h.Subtype = byte(n)
		case 0x87:
			h.FormatOwner = n
		case 0x88:
			h.FormatType = n
		}
	}
	return h, nil
}

// innerBlock finds the record inside 7F2E: under A1 (Doc 9303-10, 4.5.6, table
// 2), under 5F2E, or, as some write it, at once.
func innerBlock(t ber.TLV) []byte {
	for _, magic := range [][]byte{magicFace, magicFinger, magicIris} {
		if bytes.HasPrefix(t.Value, magic) { // seen around ISO/IEC 19794
			return t.Value
		}
	}
	elements, err := children(t, maxTemplateElements)
	if err != nil {
		return t.Value
	}
	if e, ok := find(elements, tagBlock); ok {
		return e.Value
	}
	if e, ok := find(elements, tagStandardized); ok {
		return e.Value
	}
	return t.Value
}

// written is a record to be put into a template.
type written struct {
	standard Standard
	kind     int // biometric type
	subtype  byte
	block    []byte
}

// encodeTemplates writes a whole file of a biometric group. With no record it
// is the empty group template, beside it the discretionary octets.
func encodeTemplates(group int, discretionary []byte, records ...written) ([]byte, error) {
	if len(records) > maxTemplates {
		return nil, fmt.Errorf("%d records are more than %d", len(records), maxTemplates)
	}
	body := ber.Encode(ber.Integer, []byte{byte(len(records))})
	for _, r := range records {
		format, ok := formatTypes[r.standard]
		if !ok {
			return nil, fmt.Errorf("standard %q is not one that is written", r.standard)
		}
		header := ber.Encode(tagHeader,
			ber.Encode(0x81, []byte{byte(r.kind)}),
			ber.Encode(0x82, []byte{r.subtype}),
			ber.Encode(0x87, []byte{formatOwnerSC37 >> 8, formatOwnerSC37 & 0xFF}),
			ber.Encode(0x88, []byte{byte(format >> 8), byte(format)}))
		block := ber.Encode(tagBlock, r.block)
		switch r.standard {
		case Face39794, Finger39794, Iris39794:
			block = ber.Encode(tagBlockCons, ber.Encode(tagStandardized, r.block))
		}
		body = append(body, ber.Encode(tagTemplate, header, block)...)
	}
	content := ber.Encode(tagGroupTemplate, body)
	if len(discretionary) > 0 {
		content = append(content, ber.Encode(tagDiscretionary, discretionary)...)
	}
	if len(content) > maxBiometrics-8 {
		return nil, errors.New("the records are too long for a file")
	}
	return ber.Encode(groupTags[group], content), nil
}
