package trust

import (
	"errors"
	"strings"
	"time"

	"limen/mrtd/ber"
)

// parseTime reads UTCTime and GeneralizedTime in the forms issuers have
// written: with and without seconds, fractions, "Z" and offsets. A time
// without a zone is taken as UTC.
func parseTime(t ber.TLV) (time.Time, error) {
	if len(t.Value) > 32 {
		return time.Time{}, errors.New("time longer than 32 characters")
	}
	s := strings.TrimSpace(string(t.Value))
	var layouts []string
	switch t.Tag {
	case ber.UTCTime:
		layouts = []string{"060102150405", "0601021504"}
	case ber.GeneralizedTime, 0x80, 0x81: // the context tags of a private key usage period
		layouts = []string{"20060102150405", "200601021504", "2006010215", "20060102"}
	default:
		return time.Time{}, errors.New("no time where one belongs")
	}
	for _, layout := range layouts {
		for _, zone := range []string{"Z", "-0700", "-07", ""} {
			form := layout + zone
			if zone == "Z" {
				form = layout + "Z07" // accepts the letter Z
			}
			at, err := time.ParseInLocation(form, s, time.UTC)
			if err != nil {
				continue
			}
			// time.Parse splits two-digit years at 69; X.509 at 50 (RFC 5280, 4.1.2.5.1).
			if t.Tag == ber.UTCTime && at.Year() >= 2050 {
				at = at.AddDate(-100, 0, 0)
			}
			return at.UTC(), nil
		}
	}
	return time.Time{}, errors.New("time in no known form")
}
