package limen

import (
	"fmt"
	"strings"
	"time"
)

// maxAsk bounds how to ask, so that a slip fits a code that any telephone reads.
const maxAsk = 200 // bytes

// CheckAsk says why a text is not what a slip can tell of how to ask.
func CheckAsk(ask string) error {
	if len(ask) > maxAsk || strings.ContainsAny(ask, "\r\n\x00") {
		return fmt.Errorf("has %d bytes; it is one line of at most %d", len(ask), maxAsk)
	}
	return nil
}

// Slip is what a traveler takes along of an inspection: its record's ID and
// entry, time and place, and how to ask what it says, to have it corrected or
// erased (GDPR, Art. 13 to 17). It holds nothing of the document or the outcome,
// so that one that is found tells nobody anything.
func (f Finished) Slip(ask string) string {
	r := f.Record
	s := fmt.Sprintf("limen border check\nrecord %s\nentry %d\n%s\n%s/%s\n", r.ID, f.Receipt.Index, r.Started.Time().Format(time.RFC3339), r.Site, r.Device)
	if ask != "" {
		s += ask + "\n"
	}
	return s
}
