package lds

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"limen/internal/repotest"
	"limen/mrtd/ber"
)

func TestATRInfo(t *testing.T) {
	for _, c := range []struct {
		name, in          string
		command, response int
		extended          bool
		objects           int
		err               string
	}{
		{"Doc 9303-10, table 29", "470394 01E0 7F6608 020203E8 020203E8", 1000, 1000, true, 2, ""},
		{"card service data, pre-issuing data, capabilities, lengths", "4301B8 460404ED03F0 4703940180 7F660A 0203010000 0203010000", 65536, 65536, false, 4, ""},
		{"unsigned length", "47039401E0 7F6608 0202FFFF 0202FFFF", 65535, 65535, true, 2, ""},
		{"padding", "00 47039401C0 0000 FFFF", 0, 0, true, 1, ""},
		{"COMPACT-TLV", "80 31B8 739401C0", 0, 0, true, 2, ""},
		{"COMPACT-TLV with status", "00 739401C0 059000", 0, 0, true, 1, ""},
		{"historical bytes inside", "5F520580739401C0 00", 0, 0, true, 2, ""},
		{"one integer", "7F6604 020203E8", 0, 0, false, 1, ""},
		{"absurd lengths", "7F660C 0204 7FFFFFFF 0204 7FFFFFFF", 0, 0, false, 1, ""},
		{"capabilities of five octets", "4705FFFFFFFFFF", 0, 0, false, 1, ""},
		{"empty", "", 0, 0, false, 0, "0 bytes"},
		{"cut", "470394", 0, 0, false, 0, "truncated"},
		{"cut COMPACT-TLV", "8073", 0, 0, false, 0, "truncated"},
		{"reference to a file", "1001", 0, 0, false, 0, "category 10"},
		{"status missing", "0001", 0, 0, false, 0, "status"},
	} {
		a, err := ParseATRInfo(octets(t, strings.ReplaceAll(c.in, " ", "")))
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: got %v, want an error with %q", c.name, err, c.err)
			}
			continue
		}
		if err != nil || a.MaxCommand != c.command || a.MaxResponse != c.response || a.ExtendedLength != c.extended || len(a.Objects) != c.objects {
			t.Errorf("%s: got %v, %v; want command %d, response %d, extended length %t, %d objects", c.name, a, err, c.command, c.response, c.extended, c.objects)
		}
	}
	if _, err := ParseATRInfo(bytes.Repeat([]byte{0x41, 0}, maxATRObjects+1)); err == nil {
		t.Error("too many objects: no error")
	}
}

func TestATRInfoRoundTrip(t *testing.T) {
	want := ATRInfo{ShortEF: true, CommandChaining: true, ExtendedLength: true, MaxCommand: 1033, MaxResponse: 65535,
		Objects: []ber.TLV{{Tag: 0x46, Value: []byte("SERIAL")}}}
	got, err := ParseATRInfo(EncodeATRInfo(want))
	if err != nil || !got.ShortEF || !got.CommandChaining || !got.ExtendedLength || got.MaxCommand != 1033 || got.MaxResponse != 65535 || len(got.Objects) != 3 {
		t.Errorf("got %v, %v", got, err)
	}
	if s := fmt.Sprintf("%v %+v %#v", got, got, got); strings.Contains(s, "SERIAL") || strings.Contains(s, "83 69") || strings.Contains(s, "0x53") {
		t.Errorf("printed an object: %s", s)
	}
}

func FuzzParseATRInfo(f *testing.F) {
	f.Add(EncodeATRInfo(ATRInfo{ExtendedLength: true, MaxCommand: 1000, MaxResponse: 1000}))
	f.Add(octets(f, "8031B8739401C0"))
	f.Add(octets(f, "00739401C0059000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := repotest.Parsed(t, b, ParseATRInfo)
		if err == nil && (a.MaxCommand < 0 || a.MaxResponse < 0 || len(a.Objects) > maxATRObjects*(maxATRObjects+1)) {
			t.Errorf("got %v", a)
		}
	})
}
