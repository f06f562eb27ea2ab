package mrz

import (
	"testing"
	"time"
)

func day(y int, m time.Month, d int) time.Time { return time.Date(y, m, d, 12, 0, 0, 0, time.UTC) }

func TestCenturies(t *testing.T) {
	for _, test := range []struct {
		now           time.Time
		birth, expiry string
		wantB, wantE  string
	}{
		{day(2026, 3, 15), "260315", "260315", "2026-03-15", "2026-03-15"},
		{day(2026, 3, 15), "260316", "760101", "1926-03-16", "2076-01-01"},
		{day(2026, 3, 15), "25<<<<", "770101", "2025-??-??", "1977-01-01"},
		{day(2026, 3, 15), "27<<<<", "991231", "1927-??-??", "1999-12-31"},
		{day(2026, 3, 15), "2604<<", "<<<<<<", "1926-04-??", "????-??-??"},
		{day(2026, 3, 15), "2603<<", "300000", "2026-03-??", "2030-??-??"},
		{day(2026, 3, 15), "000229", "280229", "2000-02-29", "2028-02-29"},
		{day(1999, 12, 31), "000101", "000101", "1900-01-01", "2000-01-01"},
		{day(1999, 12, 31), "991231", "490101", "1999-12-31", "2049-01-01"},
		{day(2095, 1, 1), "950101", "050101", "2095-01-01", "2105-01-01"},
	} {
		b, okB := parseDate(test.birth, birthCentury(test.now))
		e, okE := parseDate(test.expiry, expiryCentury(test.now))
		if b.ISO() != test.wantB || e.ISO() != test.wantE || !okB || !okE {
			t.Errorf("at %s: got %s %v, %s %v, want %s, %s", test.now.Format(time.DateOnly), b.ISO(), okB, e.ISO(), okE, test.wantB, test.wantE)
		}
	}
	for _, text := range []string{"7413<<", "741232", "740230", "7O0101", "<40101", "010229"} {
		if d, ok := parseDate(text, birthCentury(today)); ok {
			t.Errorf("%s: got %s, want no date", text, d.ISO())
		}
	}
}

func TestAge(t *testing.T) {
	for _, test := range []struct {
		birth Date
		at    time.Time
		years int
		known bool
	}{
		{Date{1974, 8, 12}, day(2026, 8, 11), 51, true},
		{Date{1974, 8, 12}, day(2026, 8, 12), 52, true},
		{Date{2008, 2, 29}, day(2026, 2, 28), 17, true},
		{Date{2008, 2, 29}, day(2026, 3, 1), 18, true},
		{Date{1974, 0, 0}, day(2026, 6, 1), 51, false},
		{Date{1974, 0, 0}, day(2026, 12, 31), 52, true},
		{Date{1974, 8, 0}, day(2026, 9, 1), 52, true},
		{Date{1974, 8, 0}, day(2026, 8, 15), 51, false},
		{Date{0, 8, 12}, day(2026, 8, 15), 0, false},
		{Date{}, day(2026, 8, 15), 0, false},
	} {
		if years, known := test.birth.Age(test.at); years != test.years || known != test.known {
			t.Errorf("born %s, at %s: got %d, %v, want %d, %v", test.birth.ISO(), test.at.Format(time.DateOnly), years, known, test.years, test.known)
		}
	}
}

func TestExpired(t *testing.T) {
	for _, test := range []struct {
		expiry         Date
		at             time.Time
		expired, known bool
	}{
		{Date{2026, 3, 15}, day(2026, 3, 15), false, true}, // good through its last day
		{Date{2026, 3, 15}, day(2026, 3, 16), true, true},
		{Date{2026, 3, 0}, day(2026, 3, 16), false, false},
		{Date{2026, 3, 0}, day(2026, 4, 1), true, true},
		{Date{2026, 0, 0}, day(2025, 12, 31), false, true},
		{Date{2026, 0, 0}, day(2027, 1, 1), true, true},
		{Date{}, day(2027, 1, 1), false, false},
	} {
		if expired, known := test.expiry.Expired(test.at); expired != test.expired || known != test.known {
			t.Errorf("good until %s, at %s: got %v, %v, want %v, %v", test.expiry.ISO(), test.at.Format(time.DateOnly), expired, known, test.expired, test.known)
		}
	}
	if !(Date{2026, 3, 16}).After(day(2026, 3, 15)) || (Date{2026, 3, 15}).After(day(2026, 3, 15)) || (Date{2026, 0, 0}).After(day(2026, 3, 15)) {
		t.Error("After: want the next day only")
	}
}
