package pn532

import (
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"limen/internal/repotest"
)

// FuzzTargetData: whatever a chip says of a card, nothing panics and what is
// accepted has sane figures.
func FuzzTargetData(f *testing.F) {
	for _, s := range []string{"0100082004" + "08a1b2c3" + "0578778102", "01000408040102030400", "0150aabbccdd000000007781810100", "01000820ff"} {
		b, err := hex.DecodeString(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		for _, parse := range []func([]byte) (Info, error){parseTypeA, parseTypeB} {
			i, err := repotest.Parsed(t, p, parse)
			if err != nil {
				continue
			}
			if i.FrameSize < 16 || i.FrameSize > 256 || i.FrameWait <= 0 || i.FrameWait > 5*time.Second {
				t.Fatalf("got frames of %d bytes, wait %v", i.FrameSize, i.FrameWait)
			}
			if a, b := i.rateCodes(424_000); a > 2 || b > 2 {
				t.Fatalf("got rate codes %d, %d, want at most 2", a, b)
			}
		}
	})
}

func TestRateCodes(t *testing.T) {
	for _, c := range []struct {
		ta               byte
		limit            int
		toCard, fromCard byte
	}{
		{0x77, 424_000, 2, 2},
		{0x77, 212_000, 1, 1},
		{0x77, 106_000, 0, 0},
		{0x13, 424_000, 2, 1},
		{0x93, 424_000, 1, 1}, // the same rate both ways only
		{0x44, 424_000, 0, 0}, // 848 alone
		{0x7F, 424_000, 0, 0}, // reserved bit
		{0x00, 424_000, 0, 0},
	} {
		var i Info
		i.readRates(c.ta)
		if a, b := i.rateCodes(c.limit); a != c.toCard || b != c.fromCard {
			t.Errorf("TA %02X up to %d: got %d, %d, want %d, %d", c.ta, c.limit, a, b, c.toCard, c.fromCard)
		}
	}
}

// A card with a broken answer to select must not have the reader taken for
// broken, closed and opened again for as long as it lies there.
func TestBrokenATSIsTheCardsFault(t *testing.T) {
	for name, target := range map[string]string{
		"longer than what came":   "010008200408a1b2c3" + "7F7877",
		"of length zero":          "010008200408a1b2c3" + "00",
		"ends before its TA byte": "010008200408a1b2c3" + "0270",
		"ends before its TC byte": "010008200408a1b2c3" + "04707781",
	} {
		b, err := hex.DecodeString(target)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseTypeA(b); !errors.Is(err, errNoISODEP) {
			t.Errorf("ATS %s: got %v, want %v", name, err, errNoISODEP)
		}
	}
}
