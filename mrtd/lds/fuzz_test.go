package lds

import (
	"encoding/json"
	"reflect"
	"testing"
	"unicode"

	"limen/internal/repotest"
)

func FuzzParseDG11(f *testing.F) {
	f.Add(example(f, "dg11"))
	for _, form := range []DateForm{TextDates, BCDDates} {
		b, err := EncodeDG11(fullDG11(form))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := repotest.Parsed(t, b, ParseDG11)
		if err != nil {
			return
		}
		if len(d.Unread) > maxElements || len(d.OtherNames) > maxParts || len(d.Address) > maxParts {
			t.Errorf("%d unread, %d names", len(d.Unread), len(d.OtherNames))
		}
		again, err := EncodeDG11(d)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseDG11(again)
		if err != nil || !reflect.DeepEqual(back.Name, d.Name) || back.Birth != d.Birth || !reflect.DeepEqual(back.Address, d.Address) {
			t.Errorf("does not survive its own encoding: %v", err)
		}
	})
}

func FuzzParseDG12(f *testing.F) {
	f.Add([]byte("\x6C\x10\x5C\x04\x5F\x19\x5F\x26\x5F\x19\x01A\x5F\x26\x04\x20\x07\x04\x16"))
	f.Add([]byte("\x6C\x12\xA0\x10\x02\x01\x01\x5F\x1A\x0AKARL<<ERIK"))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := repotest.Parsed(t, b, ParseDG12)
		if err != nil {
			return
		}
		again, err := EncodeDG12(d)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParseDG12(again)
		if err != nil || back.Issued != d.Issued || !reflect.DeepEqual(back.OtherPersons, d.OtherPersons) || back.Authority != d.Authority {
			t.Errorf("does not survive its own encoding: %v", err)
		}
	})
}

func FuzzParseDG16(f *testing.F) {
	f.Add(example(f, "dg16"))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := repotest.Parsed(t, b, ParseDG16)
		if err != nil {
			return
		}
		again, err := EncodeDG16(d)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := ParseDG16(again); err != nil || !reflect.DeepEqual(back.Persons, d.Persons) {
			t.Errorf("does not survive its own encoding: %v", err)
		}
	})
}

func FuzzParseDisplayed(f *testing.F) {
	f.Add(example(f, "dg5"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, parse := range []func([]byte) ([]Image, error){ParseDG5, ParseDG7} {
			images, err := repotest.Parsed(t, b, parse)
			total := 0
			for _, i := range images {
				total += len(i.Data)
			}
			if err == nil && (len(images) == 0 || total > len(b)) {
				t.Errorf("%d octets of %d pictures in %d", total, len(images), len(b))
			}
		}
	})
}

func FuzzParseDG3(f *testing.F) {
	f.Add(example(f, "dg3_empty"))
	f.Add(octetsOfGroup(f, 3, finger2011, wsqBytes))
	for _, standard := range []Standard{Finger2005, Finger2011, Finger39794} {
		b, err := EncodeDG3(nil, Finger{Standard: standard, Position: RightIndex, Width: 8, Height: 8, PPI: 500, Captured: day2023, Qualities: []Quality{{90, 1, 1}}, Image: wsqBytes})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		dg3, err := repotest.Parsed(t, b, ParseDG3)
		if err != nil {
			return
		}
		total := 0
		for _, finger := range dg3.Fingers {
			total += len(finger.Image)
			if len(finger.Image) == 0 || len(finger.Qualities) > maxQualities {
				t.Errorf("got %v with %d qualities", finger, len(finger.Qualities))
			}
		}
		if total > len(b) || len(dg3.Fingers) > maxTemplates*maxFingers {
			t.Errorf("%d octets of %d pictures in %d", total, len(dg3.Fingers), len(b))
		}
		again, err := EncodeDG3(nil, dg3.Fingers...)
		if err != nil {
			return // not every picture has a format that can be written
		}
		if back, err := ParseDG3(again); err != nil || len(back.Fingers) != len(dg3.Fingers) {
			t.Errorf("does not survive its own encoding: %v", err)
		}
	})
}

func FuzzParseDG4(f *testing.F) {
	f.Add(octetsOfGroup(f, 4, iris2011, jp2Bytes))
	for _, standard := range []Standard{Iris2005, Iris2011, Iris39794} {
		b, err := EncodeDG4(nil, Iris{Standard: standard, Eye: LeftEye, Width: 8, Height: 8, Captured: day2023, Qualities: []Quality{{90, 1, 1}}, Image: jp2Bytes})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		dg4, err := repotest.Parsed(t, b, ParseDG4)
		if err != nil {
			return
		}
		total := 0
		for _, iris := range dg4.Irises {
			total += len(iris.Image)
		}
		if total > len(b) || len(dg4.Irises) > maxTemplates*maxIrises {
			t.Errorf("%d octets of %d pictures in %d", total, len(dg4.Irises), len(b))
		}
		again, err := EncodeDG4(nil, dg4.Irises...)
		if err != nil {
			return // not every picture has a format that can be written
		}
		if back, err := ParseDG4(again); err != nil || len(back.Irises) != len(dg4.Irises) {
			t.Errorf("does not survive its own encoding: %v", err)
		}
	})
}

// FuzzRecord reads one record as each of the six kinds: inside a group the
// fuzzer would have to keep three lengths around it in step.
func FuzzRecord(f *testing.F) {
	faces, err := EncodeFaces(allFace(Face2005), allFace(Face2011), allFace(Face39794))
	if err != nil {
		f.Fatal(err)
	}
	fingers, irises := []Finger{}, []Iris{}
	for _, standard := range []Standard{Finger2005, Finger2011, Finger39794} {
		fingers = append(fingers, Finger{Standard: standard, Position: RightIndex, Width: 8, Height: 8, PPI: 500, Captured: day2023, Qualities: []Quality{{90, 1, 1}}, Image: wsqBytes})
	}
	for _, standard := range []Standard{Iris2005, Iris2011, Iris39794} {
		irises = append(irises, Iris{Standard: standard, Eye: LeftEye, Width: 8, Height: 8, Captured: day2023, Qualities: []Quality{{90, 1, 1}}, Image: jp2Bytes})
	}
	dg3, err := EncodeDG3(nil, fingers...)
	if err != nil {
		f.Fatal(err)
	}
	dg4, err := EncodeDG4(nil, irises...)
	if err != nil {
		f.Fatal(err)
	}
	for group, file := range map[int][]byte{2: faces, 3: dg3, 4: dg4} {
		templates, err := parseTemplates(file, group)
		if err != nil || len(templates) != 3 {
			f.Fatalf("DG%d: %d templates, %v", group, len(templates), err)
		}
		for _, t := range templates {
			f.Add(t.block)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		octets := 0
		for _, parse := range []func([]byte) ([]Face, error){parseFaces19794, parseFaces39794} {
			list, _ := repotest.Parsed(t, b, parse)
			for _, face := range list {
				octets += len(face.Image)
			}
		}
		for _, parse := range []func([]byte) ([]Finger, error){parseFingers19794, parseFingers39794} {
			list, _ := repotest.Parsed(t, b, parse)
			for _, finger := range list {
				octets += len(finger.Image)
			}
		}
		for _, parse := range []func([]byte) ([]Iris, error){parseIrises19794, parseIrises39794} {
			list, _ := repotest.Parsed(t, b, parse)
			for _, iris := range list {
				octets += len(iris.Image)
			}
		}
		if octets > len(b) {
			t.Errorf("%d octets of pictures in %d", octets, len(b))
		}
	})
}

// FuzzDescribe reads a file as any group, the opaque ones among them, and tells
// what it is made of.
func FuzzDescribe(f *testing.F) {
	f.Add(byte(11), example(f, "dg11"))
	f.Add(byte(13), EncodeDG13([]byte("specimen")))
	f.Add(byte(16), example(f, "dg16"))
	f.Fuzz(func(t *testing.T, group byte, b []byte) {
		n := int(group%16) + 1
		d, err := repotest.Parsed(t, b, func(b []byte) (Description, error) { return Describe(n, b) })
		if err != nil {
			return
		}
		octets := 0
		for _, p := range d.Pictures {
			octets += p.Bytes
		}
		if d.Group != n || d.Bytes != len(b) || octets > len(b) {
			t.Errorf("%+v of %d octets", d, len(b))
		}
		if _, err := json.Marshal(d); err != nil {
			t.Error(err)
		}
	})
}

// FuzzText reads what the elements of DG11, DG12 and DG16 are made of.
func FuzzText(f *testing.F) {
	for _, s := range []string{"ERIKSSON<<ANNA<MARIA", "19740812", "\x19\x74\x08\x12", "20240102030405", "M\xFCller", "a<\u202Eb", "1974<<<<"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		repotest.Bounded(t, len(b), func() {
			name := parseName(b)
			if back := parseName(name.encode()); back != name && name.Primary != "" {
				t.Error("a name does not survive its own encoding")
			}
			if n := len(parts(b)); n > maxParts {
				t.Errorf("%d parts", n)
			}
			if d, _, ok := parseDay(b); ok && (d.Month > 12 || d.Day > 31) {
				t.Errorf("a date in month %d", d.Month)
			}
			parseMoment(b)
		})
		for _, r := range text(b) {
			if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
				t.Errorf("%U gets through", r)
			}
		}
	})
}
