package lds

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"limen/mrtd/ber"
)

func described(t testing.TB, group int, b []byte, err error) string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	d, err := Describe(group, b)
	if err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestDescribe(t *testing.T) {
	dg1, err1 := EncodeDG1(utopia)
	dg2, err2 := EncodeFaces(allFace(Face2011))
	dg3, err3 := EncodeDG3(nil, Finger{Image: wsqBytes, Width: 8, Height: 9, PPI: 500, Position: LeftLittle})
	dg4, err4 := EncodeDG4([]byte{1})
	dg5, err5 := EncodeDG5(jpegBytes)
	dg11, err11 := EncodeDG11(fullDG11(BCDDates))
	dg12, err12 := EncodeDG12(DG12{Authority: "Zenith", Rear: []byte("x")})
	for _, c := range []struct {
		group   int
		file    []byte
		err     error
		want    []string
		secrets []string
	}{
		{1, dg1, err1, []string{`"layout":"TD3"`, `"count":1`}, []string{"ERIKSSON", "L898902"}},
		{2, dg2, err2, []string{
			`"standard":"ISO/IEC 19794-5:2011"`, `"format":"JPEG 2000"`, `"width":413,"height":531`, `"kind":"token frontal"`, `"points":3`, `"quality":[77,-1]`,
			`"states":["source","capture_date","gender","eye_color","hair_color","height","properties","expression","pose"]`,
		}, []string{"female", "green", "glasses", "2023", "171", "neutral"}},
		{3, dg3, err3, []string{`"standard":"ISO/IEC 19794-4:2005"`, `"format":"WSQ"`, `"width":8,"height":9`, `"ppi":500`, `"states":["position"]`}, nil},
		{4, dg4, err4, []string{`"count":0`}, []string{"standard"}},
		{5, dg5, err5, []string{`"format":"JPEG"`, `"count":1`}, []string{"standard"}},
		{7, ber.Encode(0x67, ber.Encode(tagSignature, []byte("BM"))), nil, []string{`"format":""`}, nil},
		{11, dg11, err11, []string{`"count":13`, `"name"`, `"custody"`, `"date_form":"BCD"`, `"format":"JPEG"`}, []string{"1974", "Zenith", "ZE184226B", "Анна"}},
		{12, dg12, err12, []string{`"elements":["issuing_authority","image_of_rear"]`, `"format":""`}, []string{"Zenith"}},
		{13, EncodeDG13([]byte("SECRET")), nil, []string{`"bytes":8`}, []string{"SECRET"}},
		{14, ber.Encode(0x6E, octets(t, "3114"+paceInfoG1)), nil, []string{`"count":1`}, nil},
		{16, example(t, "dg16"), nil, []string{`"count":2`, `"date_form":"text"`}, []string{"SMITH", "2002"}},
	} {
		got := described(t, c.group, c.file, c.err)
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("DG%d: got %s, want %s in it", c.group, got, want)
			}
		}
		for _, secret := range c.secrets {
			if strings.Contains(got, secret) {
				t.Errorf("DG%d: got %s with %s in it", c.group, got, secret)
			}
		}
	}
	for group := range 18 {
		if _, err := Describe(group, []byte{0x30, 0}); err == nil {
			t.Errorf("DG%d: another file was described", group)
		}
	}
}

func TestDescribeRealGroups(t *testing.T) {
	for group, want := range map[int]Description{
		1: {Group: 1, Bytes: 93, Count: 1, Layout: "TD3"},
		2: {Group: 2, Bytes: 15083, Count: 1, Standard: Face2005},
		3: {Group: 3, Bytes: 32476, Count: 2, Standard: Finger2005},
		4: {Group: 4, Bytes: 13294, Count: 2, Standard: Iris2005},
	} {
		d, err := Describe(group, realFile(t, fmt.Sprintf("bsi2008/Datagroup%d.bin", group)))
		if err != nil || d.Bytes != want.Bytes || d.Count != want.Count || d.Layout != want.Layout || d.Standard != want.Standard {
			t.Errorf("DG%d: got %+v, %v; want %+v", group, d, err, want)
		}
		if group > 1 && slices.ContainsFunc(d.Pictures, func(p Picture) bool { return p.Format != p.Stated || p.Width == 0 }) {
			t.Errorf("DG%d: got %+v", group, d.Pictures)
		}
	}
}
