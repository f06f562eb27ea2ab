package seal

import (
	"errors"
	"fmt"
	"strings"
)

// C40 is how seals write capitals, digits and spaces: three characters in two
// octets (Doc 9303-13, 2.6; ISO/IEC 16022).

// alphabet is the characters of C40's values 3 to 39; 0 to 2 are shifts.
const (
	alphabet   = " 0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	firstValue = 3
	unlatch    = 0xFE // the character after it is in DataMatrix's ASCII: its code plus one
)

// decodeC40 reads characters. Shifts have no meaning in seals but for the one
// that fills up the last triple.
func decodeC40(b []byte) (string, error) {
	if len(b)%2 != 0 {
		return "", fmt.Errorf("C40 of %d octets, which come in pairs", len(b))
	}
	var out strings.Builder
	for i := 0; i < len(b); i += 2 {
		last := i == len(b)-2
		if b[i] == unlatch {
			c := int(b[i+1]) - 1
			if !last || c < 0 || strings.IndexByte(alphabet, byte(c)) < 0 {
				return "", errors.New("C40 with a single character that is none, or not at the end")
			}
			out.WriteByte(byte(c))
			break
		}
		v := int(b[i])<<8 | int(b[i+1])
		if v == 0 || v > 64000 {
			return "", errors.New("C40 with a pair of octets that is no three characters")
		}
		v--
		for place, u := range [3]int{v / 1600, v / 40 % 40, v % 40} {
			if u == 0 && last && (place == 2 || place == 1 && v%40 == 0) {
				return out.String(), nil
			}
			if u < firstValue {
				return "", errors.New("C40 with a shift, which no seal has")
			}
			out.WriteByte(alphabet[u-firstValue])
		}
	}
	return out.String(), nil
}

// encodeC40 writes characters; fillers become spaces.
func encodeC40(s string) ([]byte, error) {
	values := make([]int, 0, len(s))
	for i, c := range []byte(strings.ReplaceAll(s, "<", " ")) {
		at := strings.IndexByte(alphabet, c)
		if at < 0 {
			return nil, fmt.Errorf("character %d is none of C40's: capitals, digits, spaces and fillers are", i+1)
		}
		values = append(values, at+firstValue)
	}
	var out []byte
	for ; len(values) >= 3; values = values[3:] {
		out = appendTriple(out, values[0], values[1], values[2])
	}
	switch len(values) {
	case 2:
		out = appendTriple(out, values[0], values[1], 0)
	case 1:
		out = append(out, unlatch, alphabet[values[0]-firstValue]+1)
	}
	return out, nil
}

func appendTriple(b []byte, u1, u2, u3 int) []byte {
	v := 1600*u1 + 40*u2 + u3 + 1
	return append(b, byte(v>>8), byte(v))
}
