package lds

import (
	"reflect"
	"testing"
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
		d, err := ParseDG11(b)
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
		d, err := ParseDG12(b)
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
		d, err := ParseDG16(b)
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
			images, err := parse(b)
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
