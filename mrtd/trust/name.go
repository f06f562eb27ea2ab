package trust

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"

	"limen/mrtd/ber"
)

// Name is a distinguished name. It names an authority, never a person's document.
type Name struct {
	Raw     []byte
	Country string // upper case alpha-2 as issuers write it: "DE"; "" where there is none

	text, key string
}

// String is the name from its most general part: "C=DE, O=bund, CN=csca-germany".
func (n Name) String() string { return n.text }

// Equal compares names as RFC 5280, 7.1 does: string type, case and spacing
// do not count, since issuers re-encode their name from one certificate to the
// next. A signature must still vouch for what a name only suggests.
func (n Name) Equal(o Name) bool { return n.key == o.key }

const (
	maxNameParts = 64
	maxName      = 16 << 10
	oidCountry   = "2.5.4.6"
)

var nameTypes = map[string]string{
	"2.5.4.3": "CN", "2.5.4.5": "serialNumber", oidCountry: "C", "2.5.4.7": "L", "2.5.4.8": "ST",
	"2.5.4.10": "O", "2.5.4.11": "OU", "0.9.2342.19200300.100.1.25": "DC", "1.2.840.113549.1.9.1": "email",
}

// ParseName reads a distinguished name.
func ParseName(raw []byte) (Name, error) {
	if len(raw) > maxName {
		return Name{}, fmt.Errorf("name: %d bytes are longer than %d", len(raw), maxName)
	}
	seq, err := ber.Parse(raw, ber.Sequence)
	if err != nil {
		return Name{}, fmt.Errorf("name: %w", err)
	}
	sets, err := seq.Children()
	if err != nil {
		return Name{}, fmt.Errorf("name: %w", err)
	}
	n := Name{Raw: raw}
	var text, key []string
	for _, set := range sets {
		attributes, err := set.Children()
		if err != nil {
			return Name{}, fmt.Errorf("name: %w", err)
		}
		for _, a := range attributes {
			pair, err := a.Children()
			if err != nil {
				return Name{}, fmt.Errorf("name: %w", err)
			}
			if len(pair) != 2 || len(text) >= maxNameParts {
				return Name{}, fmt.Errorf("name: malformed, or of more than %d parts", maxNameParts)
			}
			oid, err := pair[0].OID()
			if err != nil {
				return Name{}, fmt.Errorf("name: %w", err)
			}
			value := strings.Join(strings.Fields(printable(pair[1])), " ")
			if oid == oidCountry {
				n.Country = strings.ToUpper(value)
			}
			short := nameTypes[oid]
			if short == "" {
				short = oid
			}
			text = append(text, short+"="+value)
			key = append(key, oid+"="+strings.ToLower(value))
		}
	}
	n.text, n.key = strings.Join(text, ", "), strings.Join(key, "\x00")
	return n, nil
}

// printable decodes a directory string and drops what would not print, or would
// steer what it is printed on.
func printable(t ber.TLV) string {
	var s string
	switch t.Tag {
	case 0x1E: // BMPString
		units := make([]uint16, len(t.Value)/2)
		for i := range units {
			units[i] = uint16(t.Value[2*i])<<8 | uint16(t.Value[2*i+1])
		}
		s = string(utf16.Decode(units))
	case 0x14: // TeletexString, in practice Latin-1
		runes := make([]rune, len(t.Value))
		for i, c := range t.Value {
			runes[i] = rune(c)
		}
		s = string(runes)
	default:
		s = string(t.Value)
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}
