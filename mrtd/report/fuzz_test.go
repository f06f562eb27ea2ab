package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"testing"

	"limen/internal/repotest"
	"limen/mrtd"
	"limen/mrtd/authn"
	"limen/mrtd/lds"
	"limen/mrtd/trust"
)

// FuzzReport makes a report of a chip that nobody vouches for: whatever it
// holds, the report is JSON and XML that others can read.
func FuzzReport(f *testing.F) {
	dg1, err := lds.EncodeDG1(utopia)
	if err != nil {
		f.Fatal(err)
	}
	dg2, err := lds.EncodeDG2([]byte("\xFF\xD8\xFF\xE0 not a picture \xFF\xD9"), 413, 531)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(nil), dg1, dg2, lds.EncodeCOM(lds.COM{LDSVersion: "0107", UnicodeVersion: "040000", Groups: []int{1, 2}}), "length_refused", "chip_lost")
	f.Add([]byte{0x77, 0}, dg1, []byte{0x75, 0}, []byte{0x60, 0}, "<&>\x00\xFF", "]]>")
	f.Fuzz(func(t *testing.T, sod, dg1, dg2, com []byte, quirk, protocol string) {
		r := mrtd.Reading{
			Files:  map[lds.Path][]byte{lds.EFSOD.Path(): sod, 0x0101: dg1, 0x0102: dg2, lds.EFCOM.Path(): com},
			Access: mrtd.Access{Protocol: protocol, PACE: quirk}, Quirks: []mrtd.Quirk{mrtd.Quirk(quirk)},
		}
		var report Report
		repotest.Bounded(t, len(sod)+len(dg1)+len(dg2)+len(com)+len(quirk)+len(protocol), func() {
			found := authn.Options{}.Examine(authn.Chip{Files: r.Files}, trust.NewStore(), check)
			report = Of(InputOf(r, nil, found, check))
		})
		if b, err := report.JSON(); err != nil || !json.Valid(b) {
			t.Errorf("JSON: %v", err)
		}
		b, err := report.XML()
		if err != nil {
			t.Fatalf("XML: %v", err)
		}
		for d := xml.NewDecoder(bytes.NewReader(b)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("the XML does not parse: %v", err)
			}
		}
	})
}
