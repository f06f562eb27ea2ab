package seal

import (
	"strings"
	"unicode/utf8"

	"limen/mrtd/lds"
)

// Text returns a feature's characters, "" where the seal has none of that
// name, or one that is not of the form its profile gives it. An MRZ is in one
// piece, with fillers: see MRZ.
func (s *Seal) Text(name Name) string {
	f, d, ok := s.find(name)
	if !ok {
		return ""
	}
	switch d.form {
	case characters:
		text, err := decodeC40(f.Value)
		if err != nil {
			return ""
		}
		if name == MRZ {
			return fillers(text)
		}
		return strings.TrimRight(text, " ")
	case unicode:
		if utf8.Valid(f.Value) {
			return string(f.Value)
		}
	}
	return ""
}

// Octets returns a feature's value as it came, nil where the seal has none of
// that name.
func (s *Seal) Octets(name Name) []byte {
	f, _, _ := s.find(name)
	return f.Value
}

// Names lists the features the seal has by the names of its kind, as they come;
// those its kind does not know are left out.
func (s *Seal) Names() []Name {
	var out []Name
	for _, f := range s.Features {
		if d, ok := s.profile().features[f.Tag]; ok {
			out = append(out, d.name)
		}
	}
	return out
}

// find returns the first feature of the name. A kind that is not known has none.
func (s *Seal) find(name Name) (Feature, definition, bool) {
	known := s.profile().features
	for _, f := range s.Features {
		if d, ok := known[f.Tag]; ok && d.name == name {
			return f, d, true
		}
	}
	return Feature{}, definition{}, false
}

// MRZ returns the lines of the document's MRZ, nil where the seal has none. A
// visa's seal leaves out the end of the lower line, optional data, which is
// fillers here.
func (s *Seal) MRZ() lds.MRZ {
	_, d, ok := s.find(MRZ)
	if !ok {
		return nil
	}
	text := s.Text(MRZ)
	lines, width, last := d.shape[0], d.shape[1], d.shape[2]
	if most := (lines-1)*width + last; len(text) > most {
		return nil
	}
	text += strings.Repeat("<", lines*width-len(text))
	out := make(lds.MRZ, lines)
	for i := range out {
		out[i] = text[i*width : (i+1)*width]
	}
	return out
}

// Stay is how long a visa's bearer may stay (Doc 9303-7, 9.1.3, table 1).
type Stay struct {
	// Limit is what the triple of numbers means where it is no duration.
	Limit                StayLimit
	Days, Months, Years  int // of Limit "", their sum from entry on
	UnlimitedEntries     bool
	Entries              int // 0 where the visa does not say, or they are unlimited
	PassportNumber, Type string
}

// StayLimit is a rule in place of a duration.
type StayLimit string

// The rules.
const (
	UntilExpiry StayLimit = "until_expiry" // the MRZ's expiry is the last day of stay
	AtEntry     StayLimit = "at_entry"     // the authority decides at entry
	TransitOnly StayLimit = "transit_only" // no entry
)

// Stay returns what a visa's seal says of the stay; false where the seal is no
// visa's, or does not say.
func (s *Seal) Stay() (Stay, bool) {
	b := s.Octets(Duration)
	if len(b) != 3 {
		return Stay{}, false
	}
	v := Stay{PassportNumber: s.Text(PassportNumber), Type: printableType(s.Octets(VisaType))}
	switch [3]byte(b) {
	case [3]byte{}:
		v.Limit = UntilExpiry
	case [3]byte{255, 255, 255}:
		v.Limit = AtEntry
	case [3]byte{254, 254, 254}:
		v.Limit = TransitOnly
	default:
		v.Days, v.Months, v.Years = int(b[0]), int(b[1]), int(b[2])
	}
	if e := s.Octets(Entries); len(e) == 1 {
		v.Entries, v.UnlimitedEntries = int(e[0]), e[0] == 0
	}
	return v, true
}

// printableType is a visa type that is characters, "" otherwise: the standard
// leaves its octets to the issuer.
func printableType(b []byte) string {
	for _, c := range b {
		if c < 0x20 || c > 0x7E {
			return ""
		}
	}
	return string(b)
}
