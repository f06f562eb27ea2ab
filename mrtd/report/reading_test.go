package report_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"limen/mrtd"
	"limen/mrtd/authn"
	"limen/mrtd/chipsim"
	"limen/mrtd/lds"
	"limen/mrtd/mrz"
	"limen/mrtd/report"
	"limen/mrtd/specimen"
	"limen/mrtd/trust"
)

// A reading becomes a report without anybody filling a row by hand.
func TestReportOfAReading(t *testing.T) {
	at := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	lines := []string{"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F3404159ZE184226B<<<<<16"}
	m, err := mrz.Parse(lines, at)
	if err != nil {
		t.Fatal(err)
	}
	a, err := specimen.NewAuthority(specimen.DefaultProfile(at.AddDate(-1, 0, 0)), specimen.Seed("report"))
	if err != nil {
		t.Fatal(err)
	}
	crl, err := a.CRL(1, at.AddDate(0, 0, -3), at.AddDate(0, 1, 0))
	if err != nil {
		t.Fatal(err)
	}
	store := trust.NewStore()
	for _, b := range [][]byte{a.CSCA(), crl} {
		if _, err := store.Import("list", b, nil, at); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name  string
		full  lds.Name
		notes []string
	}{
		{"the same name", lds.Name{Primary: "Eriksson", Secondary: "Anna Maria"}, []string{}},
		{"another name", lds.Name{Primary: "Svensson", Secondary: "Anna Maria"}, []string{"full_name_differs:DG11"}},
	} {
		dg11, err := lds.EncodeDG11(lds.DG11{Name: c.full})
		if err != nil {
			t.Fatal(err)
		}
		p, err := a.Issue(specimen.Spec{Lines: lines, BAC: true, SignedAt: at.AddDate(0, -11, 0), Groups: map[int][]byte{11: dg11}})
		if err != nil {
			t.Fatal(err)
		}
		reading, err := mrtd.Read(context.Background(), chipsim.New(p, chipsim.Options{}), mrtd.Key{MRZ: m.KeyMaterial()}, mrtd.Options{Groups: []int{1, 11}})
		if err != nil {
			t.Fatal(err)
		}
		r := report.Of(report.InputOf(reading, nil, authn.Options{}.Examine(reading.Chip(lines), store, at), at))
		for check, want := range map[report.Check]report.Status{
			report.PassiveAuthentication: report.Passed, report.MRZAndDG1: report.Passed, report.Revocation: report.Passed, report.DateOfExpiry: report.Passed,
			report.COMAndSOD: report.Passed, report.BAC: report.Passed, report.PACE: report.NotPerformed, report.ActiveAuthentication: report.NotPerformed,
			"dg1_composite_check_digit": report.Passed, "dg1_sex": report.Passed,
		} {
			if got := r.Checks[check].Status; got != want {
				t.Errorf("%s: %s: got %s, want %s", c.name, check, got, want)
			}
		}
		if !slices.Equal(r.Notes, c.notes) {
			t.Errorf("%s: notes: got %v, want %v", c.name, r.Notes, c.notes)
		}
		if r.Access != "BAC" || r.Document.Type != "P" || !slices.Equal(r.Groups, []string{"DG1", "DG11"}) || r.Trust == nil || r.Trust.CRLAgeHours != 72 {
			t.Errorf("%s: got access %s, document %+v, groups %v, trust %+v", c.name, r.Access, r.Document, r.Groups, r.Trust)
		}
	}
}
