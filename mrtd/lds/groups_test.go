package lds

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"reflect"
	"strings"
	"testing"

	"limen/internal/repotest"
	"limen/mrtd/ber"
)

var utopia = []string{"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"}

// A picture's first bytes are all that parsing looks at.
var (
	jpegBytes = append([]byte{0xFF, 0xD8, 0xFF, 0xE0}, make([]byte, 40)...)
	jp2Bytes  = append([]byte{0, 0, 0, 12, 'j', 'P', ' ', ' ', 13, 10, 0x87, 10}, make([]byte, 40)...)
)

func TestCOM(t *testing.T) {
	for _, c := range []struct {
		name, in string
		groups   []int
		err      string
	}{
		{"Doc 9303-10, 4.6.1 example", "\x60\x16\x5F\x01\x040107\x5F\x36\x06040000\x5C\x04\x61\x75\x76\x6C", []int{1, 2, 4, 12}, ""},
		{"two-octet tag kept apart", "\x60\x17\x5F\x01\x040107\x5F\x36\x06040000\x5C\x05\x61\x7F\x61\x75\x6E", []int{1, 2, 14}, ""},
		{"no tag list", "\x60\x10\x5F\x01\x040107\x5F\x36\x06040000", nil, "no tag list"},
		{"cut tag list", "\x60\x04\x5C\x02\x61\x7F", nil, "inside a tag"},
		{"other file", "\x61\x00", nil, "tag 61"},
		{"letters", "\x60\x07\x5F\x01\x0401a7", nil, "no digit"},
		{"short", "\x60", nil, "truncated"},
	} {
		com, err := ParseCOM([]byte(c.in))
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: got %v, want an error with %q", c.name, err, c.err)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(com.Groups, c.groups) {
			t.Errorf("%s: got %v, %v; want %v", c.name, com.Groups, err, c.groups)
		}
	}
	want := COM{LDSVersion: "0107", UnicodeVersion: "040000", Groups: []int{1, 2, 14}}
	back, err := ParseCOM(EncodeCOM(want))
	want.Tags = []ber.Tag{0x61, 0x75, 0x6E}
	if err != nil || !reflect.DeepEqual(back, want) {
		t.Errorf("round trip: got %+v, %v; want %+v", back, err, want)
	}
}

func TestDG1(t *testing.T) {
	for _, lines := range [][]string{
		utopia,
		{"I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", "ERIKSSON<<ANNA<MARIA<<<<<<<<<<"},
		{"I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "D231458907UTO7408122F1204159<<<<<<<6"},
	} {
		b, err := EncodeDG1(lines)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseDG1(b)
		if err != nil || !reflect.DeepEqual([]string(back), lines) {
			t.Errorf("round trip of %d lines failed: %v", len(lines), err)
		}
	}
	for name, in := range map[string][]byte{
		"no MRZ":      {0x61, 0},
		"bad length":  ber.Encode(0x61, ber.Encode(0x5F1F, make([]byte, 89))),
		"lower case":  ber.Encode(0x61, ber.Encode(0x5F1F, bytes.Repeat([]byte("a"), 88))),
		"other group": ber.Encode(0x75, ber.Encode(0x5F1F, bytes.Repeat([]byte("A"), 88))),
	} {
		if _, err := ParseDG1(in); err == nil || !strings.HasPrefix(err.Error(), "DG1: ") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestDG2TrustsTheImageOverItsHeader(t *testing.T) {
	for _, c := range []struct {
		image []byte
		want  ImageFormat
	}{{jpegBytes, JPEG}, {jp2Bytes, JPEG2000}} {
		b, err := EncodeDG2(c.image, 413, 531)
		if err != nil {
			t.Fatal(err)
		}
		dg2, err := ParseDG2(b)
		if err != nil || len(dg2.Faces) != 1 || dg2.Faces[0].Format != c.want || dg2.Faces[0].Stated != c.want || !bytes.Equal(dg2.Faces[0].Image, c.image) {
			t.Errorf("%s: got %v, %v", c.want, dg2, err)
		}
		// The header's image data type, 45 octets into the record.
		at := bytes.Index(b, magicFace) + faceHeader2005 + facialInfo + 1
		b[at] ^= 1
		dg2, err = ParseDG2(b)
		if err != nil || dg2.Faces[0].Format != c.want || dg2.Faces[0].Stated == c.want {
			t.Errorf("%s with another stated: got %v, %v", c.want, dg2, err)
		}
	}
}

// record builds a facial record; each block states its length.
func record(count int, blocks ...[]byte) []byte {
	out := append(append([]byte{}, magicFace...), version2005...)
	out = append(out, 0, 0, 0, 0, byte(count>>8), byte(count))
	for _, b := range blocks {
		out = append(out, b...)
	}
	return out
}

func block(points int, image []byte) []byte {
	b := make([]byte, facialInfo+featurePoint*points+imageInfo)
	n := len(b) + len(image)
	b[2], b[3], b[4], b[5] = byte(n>>8), byte(n), byte(points>>8), byte(points)
	return append(b, image...)
}

func wrap(tag ber.Tag, blocks ...[]byte) []byte {
	out := [][]byte{{2, 1, byte(len(blocks))}}
	for _, b := range blocks {
		out = append(out, ber.Encode(tagTemplate, ber.Encode(tagHeader), ber.Encode(tag, b)))
	}
	return ber.Encode(0x75, ber.Encode(tagGroupTemplate, out...))
}

func TestDG2Shapes(t *testing.T) {
	short := block(0, jpegBytes)
	short[3] = 5
	overlong := block(0, jpegBytes)
	overlong[0] = 0x7F
	for _, c := range []struct {
		name  string
		in    []byte
		faces int
		err   string
	}{
		{"one", wrap(tagBlock, record(1, block(0, jpegBytes))), 1, ""},
		{"feature points", wrap(tagBlock, record(1, block(9, jp2Bytes))), 1, ""},
		{"two in one record", wrap(tagBlock, record(2, block(0, jpegBytes), block(1, jp2Bytes))), 2, ""},
		{"two templates", wrap(tagBlock, record(1, block(0, jpegBytes)), record(1, block(0, jp2Bytes))), 2, ""},
		{"constructed tag", wrap(tagBlockCons, record(1, block(0, jpegBytes))), 1, ""},
		{"constructed around", wrap(tagBlockCons, ber.Encode(tagBlock, record(1, block(0, jpegBytes)))), 1, ""},
		{"last length wrong", wrap(tagBlock, record(1, short)), 1, ""},
		{"first length wrong", wrap(tagBlock, record(2, short, block(0, jpegBytes))), 0, "face 1"},
		{"length beyond", wrap(tagBlock, record(2, overlong, block(0, jpegBytes))), 0, "face 1"},
		{"too many points", wrap(tagBlock, record(1, append(make([]byte, 4), bytes.Repeat([]byte{0xFF}, 60)...))), 0, "inside its headers"},
		{"no faces", wrap(tagBlock, record(0)), 0, "0 faces"},
		{"many faces", wrap(tagBlock, record(60000, block(0, jpegBytes))), 0, "60000 faces"},
		{"GIF", wrap(tagBlock, record(1, block(0, []byte("GIF89a")))), 0, "first bytes"},
		{"unknown edition", wrap(tagBlock, bytes.Replace(record(1, block(0, jpegBytes)), version2005, []byte("040\x00"), 1)), 0, `version "040"`},
		{"no record", wrap(tagBlock, []byte("nothing")), 0, "FAC"},
		{"empty", []byte{0x75, 0}, 0, "7F61"},
		{"no templates", wrap(tagBlock), 0, "no face"},
		{"no block", ber.Encode(0x75, ber.Encode(tagGroupTemplate, ber.Encode(tagTemplate))), 0, "5F2E"},
	} {
		dg2, err := ParseDG2(c.in)
		if c.err == "" && err != nil || len(dg2.Faces) != c.faces || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: got %v, %v; want %d faces, error %q", c.name, dg2, err, c.faces, c.err)
		}
	}
}

func TestRealDG2(t *testing.T) {
	b, err := os.ReadFile(repotest.Shared(t, "data/emrtd/specimen/bsi2008/Datagroup2.bin"))
	if err != nil {
		t.Fatal(err)
	}
	dg2, err := ParseDG2(b)
	if err != nil || len(dg2.Faces) != 1 {
		t.Fatalf("got %v, %v", dg2, err)
	}
	// Its header says 337 by 449; the JP2 itself 413 by 531, which decoders go by.
	if f := dg2.Faces[0]; f.Format != JPEG2000 || f.Stated != JPEG2000 || len(f.Image) != 14999 || f.Width != 337 || f.Height != 449 {
		t.Errorf("got %s %d by %d, %d bytes", f.Format, f.Width, f.Height, len(f.Image))
	}
}

func TestPrintedFormsAreRedacted(t *testing.T) {
	secret := []byte("PORTRAITBYTES")
	face := Face{Format: JPEG, Image: secret}
	dg2 := DG2{Faces: []Face{face}}
	sod := &SOD{Hashes: map[int][]byte{1: secret}}
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	logger.Info("x", "face", face, "dg2", dg2, "sod", sod, "mrz", MRZ(utopia))
	text := fmt.Sprintf("%v %+v %#v %v %+v %#v %v %+v %#v %v %#v", face, face, face, dg2, dg2, dg2, sod, sod, sod, MRZ(utopia), MRZ(utopia)) + log.String()
	for _, s := range []string{"PORTRAIT", "80 79 82", "0x50, 0x4f", "UE9SVFJB", "ERIKSSON", "L898902"} {
		if strings.Contains(text, s) {
			t.Errorf("printed %q in %s", s, text)
		}
	}
}

func FuzzParseCOM(f *testing.F) {
	f.Add(EncodeCOM(COM{LDSVersion: "0107", UnicodeVersion: "040000", Groups: []int{1, 2}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		com, err := repotest.Parsed(t, b, ParseCOM)
		if err == nil && len(com.Groups) > len(com.Tags) {
			t.Errorf("%d groups of %d tags", len(com.Groups), len(com.Tags))
		}
	})
}

func FuzzParseDG1(f *testing.F) {
	b, err := EncodeDG1(utopia)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		lines, err := repotest.Parsed(t, b, ParseDG1)
		if err != nil {
			return
		}
		again, err := EncodeDG1(lines)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := ParseDG1(again); err != nil || !reflect.DeepEqual(back, lines) {
			t.Errorf("does not survive its own encoding: %v", err)
		}
	})
}

func FuzzParseDG2(f *testing.F) {
	for _, image := range [][]byte{jpegBytes, jp2Bytes} {
		b, err := EncodeDG2(image, 10, 20)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add(wrap(tagBlock, record(2, block(0, jpegBytes), block(1, jp2Bytes))))
	for _, standard := range []Standard{Face2005, Face2011, Face39794} {
		b, err := EncodeFaces(allFace(standard))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		dg2, err := repotest.Parsed(t, b, ParseDG2)
		total := 0
		for _, face := range dg2.Faces {
			total += len(face.Image)
		}
		if err == nil && (total == 0 || total > len(b)) {
			t.Errorf("%d octets of pictures in %d", total, len(b))
		}
		if err != nil {
			return
		}
		again, err := EncodeFaces(dg2.Faces...)
		if err != nil {
			return // not every face has what can be written
		}
		if back, err := ParseDG2(again); err != nil || len(back.Faces) != len(dg2.Faces) || !reflect.DeepEqual(back.Faces[0].Image, dg2.Faces[0].Image) {
			t.Errorf("does not survive its own encoding: %v", err)
		}
	})
}
