package seal

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"limen/mrtd/mrz"
)

// parseHeader reads the header and returns what follows it.
func parseHeader(b []byte) (Header, []byte, error) {
	var h Header
	if len(b) < headerLength3 || b[0] != magic {
		return h, nil, errors.New("it does not begin with a header, DC")
	}
	h.Version = int(b[1]) + 1
	if h.Version != 3 && h.Version != 4 {
		return h, nil, fmt.Errorf("version %d; 3 and 4 are read", h.Version)
	}
	country, err := decodeC40(b[2:4])
	if err != nil {
		return h, nil, fmt.Errorf("issuing country: %w", err)
	}
	if h.Country = fillers(country); len(h.Country) != 3 {
		return h, nil, errors.New("issuing country is not three characters")
	}
	rest, err := h.setSigner(b[4:])
	if err != nil {
		return h, nil, fmt.Errorf("signer and certificate reference: %w", err)
	}
	if len(rest) < fixedHeader4-4 {
		return h, nil, errors.New("it ends inside its header")
	}
	if h.Issued, err = parseDate(rest[:3]); err != nil {
		return h, nil, fmt.Errorf("date of issue: %w", err)
	}
	if h.Signed, err = parseDate(rest[3:6]); err != nil {
		return h, nil, fmt.Errorf("date of signature: %w", err)
	}
	h.FeatureReference, h.Category = rest[6], rest[7]
	return h, rest[8:], nil
}

// setSigner reads nine characters in version 3. In version 4 two hexadecimal
// digits behind the signer tell how many characters of reference follow (2.2.1).
func (h *Header) setSigner(b []byte) (rest []byte, err error) {
	octets := 6
	if h.Version == 4 {
		start, err := decodeC40(b[:4]) // six characters: country, signer, count
		if err != nil {
			return nil, err
		}
		if len(start) < 6 {
			return nil, errors.New("fewer than six characters")
		}
		n, err := strconv.ParseUint(start[4:6], 16, 8)
		if err != nil || n == 0 || n > maxReference {
			return nil, fmt.Errorf("count of characters that is not 1 to %d", maxReference)
		}
		octets = (6 + int(n) + 2) / 3 * 2
		if octets > len(b) {
			return nil, errors.New("it ends inside its header")
		}
	}
	text, err := decodeC40(b[:octets])
	if err != nil {
		return nil, err
	}
	at := 4
	if h.Version == 4 {
		n, _ := strconv.ParseUint(text[4:6], 16, 8)
		if at = 6; len(text) != 6+int(n) {
			return nil, errors.New("reference is not as long as it says")
		}
	} else if len(text) != 9 {
		return nil, errors.New("not nine characters")
	}
	h.SignerCountry, h.Signer, h.Reference = text[:2], text[2:4], text[at:]
	if strings.Trim(h.Reference, "0123456789ABCDEF") != "" {
		return nil, errors.New("reference is not hexadecimal")
	}
	return b[octets:], nil
}

// parseDate reads month, day and year as digits of one number (2.3.1).
func parseDate(b []byte) (mrz.Date, error) {
	n := int(b[0])<<16 | int(b[1])<<8 | int(b[2])
	d := mrz.Date{Month: n / 1000000, Day: n / 10000 % 100, Year: n % 10000}
	if !isDay(d) {
		return mrz.Date{}, errors.New("it is no date")
	}
	return d, nil
}

func isDay(d mrz.Date) bool {
	t := time.Date(d.Year, time.Month(d.Month), d.Day, 0, 0, 0, 0, time.UTC)
	return d.Year > 0 && d.Year <= 9999 && t.Day() == d.Day && int(t.Month()) == d.Month
}

func fillers(s string) string { return strings.ReplaceAll(s, " ", "<") }

// encode writes the header.
func (h Header) encode() ([]byte, error) {
	reference := h.Reference
	switch {
	case h.Version == 4:
		reference = fmt.Sprintf("%02X%s", len(h.Reference), h.Reference)
	case h.Version != 3:
		return nil, fmt.Errorf("version %d; 3 and 4 are written", h.Version)
	case len(reference) != 5:
		return nil, errors.New("reference to the certificate is not five characters, as version 3 has it")
	}
	if len(h.Country) != 3 || len(h.SignerCountry) != 2 || len(h.Signer) != 2 || len(h.Reference) == 0 || len(h.Reference) > maxReference {
		return nil, errors.New("country is not three letters, signer's country or signer not two, or reference none")
	}
	out := []byte{magic, byte(h.Version - 1)}
	for _, text := range []string{h.Country, h.SignerCountry + h.Signer + reference} {
		b, err := encodeC40(text)
		if err != nil {
			return nil, err
		}
		out = append(out, b...)
	}
	for _, d := range []mrz.Date{h.Issued, h.Signed} {
		if !isDay(d) {
			return nil, errors.New("date of issue or of signature is none")
		}
		n := d.Month*1000000 + d.Day*10000 + d.Year
		out = append(out, byte(n>>16), byte(n>>8), byte(n))
	}
	return append(out, h.FeatureReference, h.Category), nil
}
