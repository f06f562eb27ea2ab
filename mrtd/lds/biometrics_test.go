package lds

import (
	"bytes"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"limen/internal/repotest"
	"limen/mrtd/ber"
	"limen/mrtd/mrz"
)

var (
	pngBytes = append([]byte("\x89PNG\r\n\x1A\n"), make([]byte, 40)...)
	wsqBytes = append([]byte{0xFF, 0xA0, 0xFF, 0xA4}, make([]byte, 40)...)
	rawBytes = bytes.Repeat([]byte{0x80}, 64)
	day2023  = mrz.Date{Year: 2023, Month: 9, Day: 30}
)

func realFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(repotest.Shared(t, "data/emrtd/specimen/"+name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReal39794Face(t *testing.T) {
	b := realFile(t, "sample-39794-5-ed-1-v1.der")
	for name, in := range map[string][]byte{
		"7F2E, A1":   wrap(tagBlockCons, ber.Encode(0xA1, b)),
		"7F2E alone": wrap(tagBlockCons, b),
		"5F2E":       wrap(tagBlock, b),
	} {
		dg2, err := ParseDG2(in)
		if err != nil || len(dg2.Faces) != 1 {
			t.Errorf("%s: got %v, %v", name, dg2, err)
			continue
		}
		f := dg2.Faces[0]
		want := FaceMetadata{
			Kind: "general purpose", Source: "static photograph", Captured: mrz.Date{Year: 2019, Month: 7, Day: 8},
			Qualities: []Quality{{50, 42, 0x1267}, {-1, 0x1E3F, 0x0672}},
			Gender:    "male", EyeColor: "hazel", HairColor: "brown", Height: 180, Expression: []string{"smile"},
			Pose:   &Pose{0, 15, 30, true, true, true},
			Points: []FeaturePoint{{"anthropometric", 21, 385, 480}, {"anthropometric", 22, 640, 475}},
		}
		if f.Standard != Face39794 || f.Format != JPEG || f.Stated != JPEG || f.Width != 0 || len(f.Image) != 893557 || !reflect.DeepEqual(f.Metadata, want) {
			t.Errorf("%s: got %s, %s stated as %s, %d wide, %d bytes, metadata as wanted: %t", name, f.Standard, f.Format, f.Stated, f.Width, len(f.Image), reflect.DeepEqual(f.Metadata, want))
		}
	}
}

func TestRealFingersAndIrises(t *testing.T) {
	dg3, err := ParseDG3(realFile(t, "bsi2008/Datagroup3.bin"))
	if err != nil || len(dg3.Fingers) != 2 {
		t.Fatalf("got %v, %v", dg3, err)
	}
	for i, position := range []FingerPosition{RightIndex, LeftIndex} {
		f := dg3.Fingers[i]
		if f.Standard != Finger2005 || f.Format != WSQ || f.Stated != WSQ || f.Position != position || f.PPI != 500 || f.Depth != 8 || f.Width == 0 ||
			f.Header != (BiometricHeader{typeFinger, subtypes[position], formatOwnerSC37, 7}) || !bytes.HasSuffix(f.Image, []byte{0xFF, 0xA1}) {
			t.Errorf("finger %d: got %v at position %d, %d by %d, header %+v", i, f, f.Position, f.Width, f.Height, f.Header)
		}
	}
	if f := dg3.Fingers[0]; f.Width != 620 || f.Height != 620 || !reflect.DeepEqual(f.Qualities, []Quality{{Score: 100}}) {
		t.Errorf("first finger: got %d by %d, quality %v", f.Width, f.Height, f.Qualities)
	}
	dg4, err := ParseDG4(realFile(t, "bsi2008/Datagroup4.bin"))
	if err != nil || len(dg4.Irises) != 2 {
		t.Fatalf("got %v, %v", dg4, err)
	}
	for i, eye := range []Eye{RightEye, LeftEye} {
		iris := dg4.Irises[i]
		if iris.Standard != Iris2005 || iris.Format != JPEG2000 || iris.Stated != JPEG2000 || iris.Eye != eye || iris.Width != []int{163, 160}[i] || iris.Height != []int{149, 152}[i] || iris.Depth != 24 {
			t.Errorf("iris %d: got %v of eye %d, %d by %d, depth %d", i, iris, iris.Eye, iris.Width, iris.Height, iris.Depth)
		}
	}
}

// allFace is metadata that every edition has words for.
func allFace(standard Standard) Face {
	f := Face{
		Standard: standard, Width: 413, Height: 531, Image: jp2Bytes,
		Metadata: FaceMetadata{
			Kind: "token frontal", ColorSpace: "24-bit RGB", Source: "static photograph from a digital camera",
			Qualities: []Quality{{Score: 77}}, Gender: "female", EyeColor: "green", HairColor: "brown",
			Properties: []string{"glasses", "mouth open"}, Expression: []string{"neutral"},
			Pose:   &Pose{-20, 0, 180, true, false, true},
			Points: []FeaturePoint{{"MPEG-4", 0xC1, 150, 200}, {"MPEG-4", 0x93, 1, 2}, {"anthropometric", 21, 3, 4}},
		},
	}
	switch standard {
	case Face2011, Face39794:
		f.Metadata.Captured, f.Metadata.Height = day2023, 171
		f.Metadata.Qualities = []Quality{{77, 1, 2}, {-1, 3, 4}}
		f.Metadata.Expression = []string{"neutral", "squinting"}
	}
	if standard == Face39794 {
		f.Metadata.Kind = "MRTD"
	}
	return f
}

func TestFacesRoundTrip(t *testing.T) {
	for _, standard := range []Standard{Face2005, Face2011, Face39794} {
		want := allFace(standard)
		b, err := EncodeFaces(want, want)
		if err != nil {
			t.Fatal(err)
		}
		dg2, err := ParseDG2(b)
		if err != nil || len(dg2.Faces) != 2 {
			t.Errorf("%s: got %v, %v", standard, dg2, err)
			continue
		}
		want.Format, want.Stated = JPEG2000, JPEG2000
		want.Header = BiometricHeader{typeFace, 0, formatOwnerSC37, formatTypes[standard]}
		if got := dg2.Faces[1]; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: not what was encoded; metadata the same: %t", standard, reflect.DeepEqual(got.Metadata, want.Metadata))
		}
		bare := Face{Standard: standard, Image: jpegBytes}
		if b, err = EncodeFaces(bare); err != nil {
			t.Fatal(err)
		}
		if dg2, err = ParseDG2(b); err != nil || dg2.Faces[0].Metadata.Pose != nil || dg2.Faces[0].Metadata.Points != nil || dg2.Faces[0].Metadata.Gender != "" || dg2.Faces[0].Format != JPEG {
			t.Errorf("%s without metadata: got %v, %v", standard, dg2, err)
		}
	}
	for name, f := range map[string]Face{
		"PNG in 2005": {Image: pngBytes}, "no picture": {}, "finger": {Standard: Finger2005, Image: jpegBytes},
		"too wide": {Image: jpegBytes, Width: 70000}, "pose": {Image: jpegBytes, Metadata: FaceMetadata{Pose: &Pose{Yaw: 200}}},
	} {
		if _, err := EncodeFaces(f); err == nil || !strings.HasPrefix(err.Error(), "DG2: ") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// A record of ISO/IEC 19794-5:2011, laid out field by field.
const face2011 = "46414300 30333000 00000000 0001 00 0000" + // FAC, 030, length left open, one, no certificates, no sequence
	"00000000 07E7091E0C0F1EFFFF 02 0001 0002 01 4B 0101 0001" + // length left open, 2023-09-30, camera, one quality of 75
	"0001 02 03 04 AA 000003 0002 01 5B B4 000000" + // one point, female, brown, brown, 170 cm, glasses, neutral, pose 0, 180, -2
	"01 C1 0064 00C8 0000" + // MPEG-4 12.1 at 100, 200
	"01 03 019D 0213 00 0000 00 01" + // full frontal, PNG, 413 by 531, RGB
	"00000030"

func TestFace2011FieldByField(t *testing.T) {
	dg2, err := ParseDG2(wrap(tagBlock, append(octets(t, strings.ReplaceAll(face2011, " ", "")), pngBytes...)))
	if err != nil {
		t.Fatal(err)
	}
	want := FaceMetadata{
		Kind: "full frontal", ColorSpace: "24-bit RGB", Source: "static photograph from a digital camera", Captured: day2023,
		Qualities: []Quality{{75, 0x0101, 1}}, Gender: "female", EyeColor: "brown", HairColor: "brown", Height: 170,
		Properties: []string{"glasses"}, Expression: []string{"neutral"}, Pose: &Pose{0, 180, -2, true, true, true},
		Points: []FeaturePoint{{"MPEG-4", 0xC1, 100, 200}},
	}
	f := dg2.Faces[0]
	// The expression mask 0002 lacks the bit that says it is specified: what is set is taken all the same.
	if f.Stated != PNG || f.Format != PNG || f.Width != 413 || f.Height != 531 || !bytes.Equal(f.Image, pngBytes) || !reflect.DeepEqual(f.Metadata, want) {
		t.Errorf("got %v, %d by %d, metadata as wanted: %t", f, f.Width, f.Height, reflect.DeepEqual(f.Metadata, want))
	}
}

// Records of ISO/IEC 19794-4:2011 and -6:2011, laid out field by field.
const (
	finger2011 = "46495200 30323000 00000000 0001 01 01" + // FIR, 020, one picture, with certificates, one position
		"00000000 07E7091E0C0F1EFFFF 00 0000 0000 01 3C 0101 0001" + // 2023-09-30, one quality of 60
		"01 0001 02" + // one certificate
		"07 01 02 00C5 00C5 00C5 00C5 08 02 08 0140 01E0 0000002C" // left index, per centimeter 197, 8 bits, WSQ, swipe, 320 by 480
	iris2011 = "49495200 30323000 00000000 0001 00 01" + // IIR, 020, one picture, no certificates, one eye
		"00000000 07E7091E0C0F1EFFFF 00 0000 0000 00 0001" + // 2023-09-30, no quality
		"02 03 0A 00 0280 01E0 08 0000 0000 0000 0000 0000 0000 0000 0000 0000 00000034" // left, cropped, JPEG 2000, 640 by 480
)

func TestRecords2011FieldByField(t *testing.T) {
	dg3, err := ParseDG3(octetsOfGroup(t, 3, finger2011, wsqBytes))
	if err != nil {
		t.Fatal(err)
	}
	if f := dg3.Fingers[0]; f.Standard != Finger2011 || f.Position != LeftIndex || f.PPI != 500 || f.Depth != 8 || f.Stated != WSQ || f.Format != WSQ || f.Impression != 8 ||
		f.Width != 320 || f.Height != 480 || f.Captured != day2023 || !reflect.DeepEqual(f.Qualities, []Quality{{60, 0x0101, 1}}) || len(f.Image) != 44 {
		t.Errorf("finger: got %v at %d, %d by %d at %d", f, f.Position, f.Width, f.Height, f.PPI)
	}
	dg4, err := ParseDG4(octetsOfGroup(t, 4, iris2011, jp2Bytes))
	if err != nil {
		t.Fatal(err)
	}
	if i := dg4.Irises[0]; i.Standard != Iris2011 || i.Eye != LeftEye || i.Stated != JPEG2000 || i.Format != JPEG2000 || i.Width != 640 || i.Height != 480 || i.Depth != 8 || i.Captured != day2023 {
		t.Errorf("iris: got %v of %d, %d by %d", i, i.Eye, i.Width, i.Height)
	}
}

// octetsOfGroup puts a record in hex and its picture into a biometric group.
func octetsOfGroup(t testing.TB, group int, record string, image []byte) []byte {
	t.Helper()
	block := append(octets(t, strings.ReplaceAll(record, " ", "")), image...)
	return ber.Encode(groupTags[group], ber.Encode(tagGroupTemplate, []byte{2, 1, 1}, ber.Encode(tagTemplate, ber.Encode(tagHeader), ber.Encode(tagBlock, block))))
}

func TestFingersAndIrisesRoundTrip(t *testing.T) {
	for _, c := range []struct {
		standard Standard
		images   [][]byte
	}{
		{Finger2005, [][]byte{wsqBytes, jpegBytes, jp2Bytes, pngBytes, rawBytes}},
		{Finger2011, [][]byte{wsqBytes, jpegBytes, jp2Bytes, pngBytes, rawBytes}},
		{Finger39794, [][]byte{wsqBytes, jp2Bytes, pngBytes, rawBytes}},
		{Iris2005, [][]byte{jpegBytes, jp2Bytes, rawBytes}},
		{Iris2011, [][]byte{jp2Bytes, pngBytes, rawBytes}},
		{Iris39794, [][]byte{jp2Bytes, pngBytes, rawBytes}},
	} {
		for _, image := range c.images {
			format := sniffed(image, Raw)
			var got, want string
			switch c.standard {
			case Finger2005, Finger2011, Finger39794:
				f := Finger{Standard: c.standard, Position: LeftThumb, Impression: 1, Width: 8, Height: 8, PPI: 500, Depth: 8, Captured: day2023, Qualities: []Quality{{90, 1, 1}}, Image: image}
				got, want = fingerTrip(t, f, format)
			default:
				i := Iris{Standard: c.standard, Eye: LeftEye, Width: 8, Height: 8, Depth: 8, Captured: day2023, Qualities: []Quality{{90, 1, 1}}, Image: image}
				got, want = irisTrip(t, i, format)
			}
			if got != want {
				t.Errorf("%s %s: got %s, want %s", c.standard, format, got, want)
			}
		}
	}
}

func fingerTrip(t *testing.T, f Finger, format ImageFormat) (got, want string) {
	b, err := EncodeDG3(nil, f)
	if err != nil {
		t.Fatal(err)
	}
	dg3, err := ParseDG3(b)
	if err != nil || len(dg3.Fingers) != 1 {
		t.Fatalf("%s: got %v, %v", f.Standard, dg3, err)
	}
	f.Header, f.Format, f.Stated = BiometricHeader{typeFinger, subtypes[f.Position], formatOwnerSC37, formatTypes[f.Standard]}, format, format
	switch f.Standard {
	case Finger2005:
		f.Captured, f.Qualities = mrz.Date{}, []Quality{{Score: 90}}
	case Finger39794: // states neither size nor depth
		f.Width, f.Height, f.Depth = 0, 0, 0
	}
	type bare Finger // without its redaction
	return fmt.Sprintf("%+v", bare(dg3.Fingers[0])), fmt.Sprintf("%+v", bare(f))
}

func irisTrip(t *testing.T, i Iris, format ImageFormat) (got, want string) {
	b, err := EncodeDG4(nil, i)
	if err != nil {
		t.Fatal(err)
	}
	dg4, err := ParseDG4(b)
	if err != nil || len(dg4.Irises) != 1 {
		t.Fatalf("%s: got %v, %v", i.Standard, dg4, err)
	}
	i.Header, i.Format, i.Stated = BiometricHeader{typeIris, byte(i.Eye), formatOwnerSC37, formatTypes[i.Standard]}, format, format
	switch i.Standard {
	case Iris2005:
		i.Captured, i.Qualities = mrz.Date{}, []Quality{{Score: 90}}
	case Iris39794: // states no size
		i.Width, i.Height = 0, 0
	}
	type bare Iris
	return fmt.Sprintf("%+v", bare(dg4.Irises[0])), fmt.Sprintf("%+v", bare(i))
}

func TestGroupsWithoutInstances(t *testing.T) {
	in := example(t, "dg3_empty")
	dg3, err := ParseDG3(in)
	if err != nil || len(dg3.Fingers) != 0 {
		t.Errorf("got %v, %v; want no finger", dg3, err)
	}
	if b, err := EncodeDG3([]byte{1, 2, 3, 4, 5, 6, 7, 8}); err != nil || !bytes.Equal(b, in) {
		t.Errorf("encoding: got %X, %v", b, err)
	}
	b, err := EncodeDG4(nil)
	if err != nil {
		t.Fatal(err)
	}
	if dg4, err := ParseDG4(b); err != nil || len(dg4.Irises) != 0 {
		t.Errorf("got %v, %v; want no iris", dg4, err)
	}
}

func TestBiometricShapes(t *testing.T) {
	two, err := EncodeDG3(nil, Finger{Image: wsqBytes, Position: RightIndex}, Finger{Image: wsqBytes, Position: LeftIndex})
	if err != nil {
		t.Fatal(err)
	}
	many := bytes.Repeat(ber.Encode(tagTemplate, ber.Encode(tagBlock)), maxTemplates+1)
	for _, c := range []struct {
		name, err string
		in        []byte
	}{
		{"other group", "tag 63", two},
		{"no group template", "7F61", []byte{0x76, 0}},
		{"too many templates", "more than", ber.Encode(0x76, ber.Encode(tagGroupTemplate, many))},
		{"no block", "5F2E", ber.Encode(0x76, ber.Encode(tagGroupTemplate, ber.Encode(tagTemplate)))},
		{"no record", "IIR", octetsOfGroup(t, 4, "00", nil)},
		{"finger record", "IIR", octetsOfGroup(t, 4, finger2011, wsqBytes)},
		{"unknown edition", `version "030"`, octetsOfGroup(t, 4, strings.Replace(iris2011, "30323000", "30333000", 1), jp2Bytes)},
		{"no picture", "inside its headers", octetsOfGroup(t, 4, iris2011, nil)},
		{"cut header", "inside its headers", octetsOfGroup(t, 4, iris2011[:60], nil)},
		{"many pictures", "65535 pictures", octetsOfGroup(t, 4, strings.Replace(iris2011, "00000000 0001", "00000000 FFFF", 1), jp2Bytes)},
		{"three eyes", "3 eyes", octetsOfGroup(t, 4, "49495200 30313000 00000000 0000 03 002D 0000 0000 0010 0001 0001 08"+strings.Repeat("00", 17), nil)},
		{"many irises", "more than", octetsOfGroup(t, 4, "49495200 30313000 00000000 0000 01 002D 0000 0000 0010 0001 0001 08"+strings.Repeat("00", 17)+"01 FFFF", nil)},
		{"39794 without representations", "0 representations", octetsOfGroup(t, 4, "6600", nil)},
		{"39794 of another part", "IIR", octetsOfGroup(t, 4, "6500", nil)},
		{"39794 without picture", "inside its headers", octetsOfGroup(t, 4, "6606 A104 3002 8000", nil)},
	} {
		if dg4, err := ParseDG4(c.in); err == nil || !strings.HasPrefix(err.Error(), "DG4: ") || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: got %v, %v; want an error with %q", c.name, dg4, err, c.err)
		}
	}
}
