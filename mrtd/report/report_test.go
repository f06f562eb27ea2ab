package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"limen/mrtd/authn"
	"limen/mrtd/lds"
	"limen/mrtd/specimen"
	"limen/mrtd/trust"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var (
	begin = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	check = time.Date(2026, 3, 2, 10, 20, 30, 405e6, time.UTC)

	utopia = []string{"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"}
	// personal is what of the specimen must be in no report.
	personal = []string{"ERIKSSON", "ANNA", "MARIA", "L898902C3", "740812", "120415", "ZE184226B", utopia[0], utopia[1]}
)

// specimenInput is a check of the specimen passport, judged as authn judges it.
func specimenInput(t *testing.T) Input {
	t.Helper()
	a, err := specimen.NewAuthority(specimen.DefaultProfile(begin), specimen.Seed("report"))
	if err != nil {
		t.Fatal(err)
	}
	dg2, err := lds.EncodeDG2([]byte("\xFF\xD8\xFF\xE0 not a picture \xFF\xD9"), 413, 531)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := a.Issue(specimen.Spec{Lines: utopia, SignedAt: begin.AddDate(0, 1, 0), Groups: map[int][]byte{2: dg2, 3: {0x63, 0}}})
	if err != nil {
		t.Fatal(err)
	}
	csca, err := trust.ParseCertificate(a.CSCA())
	if err != nil {
		t.Fatal(err)
	}
	store := trust.NewStore()
	store.Add(trust.Source{Name: "test", Imported: check.AddDate(0, 0, -2)}, csca)

	in := Input{
		Software: "limen test", Started: check, Took: 1900 * time.Millisecond, AtChip: 1234 * time.Millisecond, APDUs: 41, Bytes: 5120,
		Document: Document{Type: "P<", State: "UTO", Format: "TD3", LDS: "0107"},
		Access:   Access{Protocol: "PACE", PACE: "succeeded", Mapping: "ECDH-GM", Password: "MRZ", Domain: "brainpoolP256r1", Cipher: "AES-128"},
		Quirks:   []string{"length_refused"}, Returns: 1,
		Portraits: []Portrait{{Standard: "ISO/IEC 19794-5", Type: "full_frontal", Format: "JPEG", Width: 413, Height: 531, Bytes: 21}},
	}
	groups := map[int][]byte{}
	for _, f := range []lds.File{lds.EFCOM, lds.EFSOD} {
		in.Files = append(in.Files, File{f.Name, len(doc.Files[f.Path()]), "PACE"})
	}
	for n := 1; n <= 2; n++ {
		groups[n] = doc.Files[lds.Path(0x0100+n)]
		in.Files = append(in.Files, File{fmt.Sprintf("DG%d", n), len(groups[n]), "PACE"})
	}
	in.Passive = authn.PassiveFile(doc.Files[lds.EFSOD.Path()], groups, store, check)
	sod, err := lds.ParseSOD(doc.Files[lds.EFSOD.Path()])
	if err != nil {
		t.Fatal(err)
	}
	com, err := lds.ParseCOM(doc.Files[lds.EFCOM.Path()])
	if err != nil {
		t.Fatal(err)
	}
	changed := []string{utopia[0], strings.Replace(utopia[1], "740812", "740813", 1)}
	in.Verdicts = map[Check]authn.Verdict{
		EFCOM: {Status: authn.Passed}, DG2: {Status: authn.Passed}, COMAndSOD: authn.CompareCOM(&com, sod),
		CountryInDG1:           authn.CompareIssuer(in.Passive.Signer, "UTO"),
		MRZAndDG1:              authn.CompareMRZ(utopia, changed),
		ChipAuthentication:     {Status: authn.NotPresent, Code: "ca_absent"},
		ActiveAuthentication:   {Status: authn.Inconclusive, Code: "active_authentication_interrupted"},
		TerminalAuthentication: {Status: authn.NotPerformed, Code: "not_asked"},
	}
	return in
}

func TestGolden(t *testing.T) {
	r := Of(specimenInput(t))
	for name, write := range map[string]func() ([]byte, error){"specimen.json": r.JSON, "specimen.xml": r.XML} {
		got, err := write()
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := write(); !bytes.Equal(got, again) {
			t.Errorf("%s: the same report is not the same bytes", name)
		}
		if *update {
			if err := os.WriteFile("testdata/"+name, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: got other bytes than the golden file; look, then run with -update:\n%s", name, got)
		}
	}
	var back Report
	b, _ := r.JSON()
	if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(back, r) {
		t.Errorf("JSON read back: got %+v, %v, want %+v", back, err, r)
	}
}

func TestNothingKnownPassesNothing(t *testing.T) {
	r := Of(Input{})
	if len(r.Checks) != len(checks) {
		t.Errorf("got %d results, want one for each of %d checks", len(r.Checks), len(checks))
	}
	for c, x := range r.Checks {
		if want := (Result{Status: NotPerformed, Code: "not_made"}); !reflect.DeepEqual(x, want) {
			t.Errorf("%s: got %+v, want %+v", c, x, want)
		}
	}
	for _, s := range []authn.Status{"", "PASSED", "ok"} {
		if x := Of(Input{Verdicts: map[Check]authn.Verdict{MRZAndDG1: {Status: s, Subject: "x"}}}).Checks[MRZAndDG1]; x.Status != NotPerformed {
			t.Errorf("status %q: got %+v, want not performed", s, x)
		}
	}
}

// Every check takes every end that authn knows.
func TestStatuses(t *testing.T) {
	for _, c := range []struct {
		verdict authn.Verdict
		status  Status
		outcome Outcome
	}{
		{authn.Verdict{Status: authn.Passed}, Passed, "successful"},
		{authn.Verdict{Status: authn.Failed, Code: "x"}, Failed, "failed"},
		{authn.Verdict{Status: authn.Failed, Code: "chip_lost"}, Failed, "failed"},
		{authn.Verdict{Status: authn.Inconclusive, Code: "x"}, Undetermined, "undetermined"},
		{authn.Verdict{Status: authn.Inconclusive, Code: "x_interrupted"}, Undetermined, "aborted"},
		{authn.Verdict{Status: authn.NotPresent, Code: "x"}, NotPerformed, "not supported"},
		{authn.Verdict{Status: authn.NotPerformed, Code: "chip_lost"}, NotPerformed, "aborted"},
		{authn.Verdict{Status: authn.NotPerformed, Code: "x"}, NotPerformed, ""},
	} {
		for _, row := range checks {
			if row.check == PassiveAuthentication { // a sum, whatever is given
				continue
			}
			in := Input{Broken: "chip_lost", Verdicts: map[Check]authn.Verdict{row.check: c.verdict}}
			x := Of(in).Checks[row.check]
			if row.check == FileAvailability || row.check == GroupIntegrity { // made for each file
				x = in.result(c.verdict)
			}
			if x.Status != c.status || x.Outcome != c.outcome || x.Code != string(c.verdict.Code) {
				t.Errorf("%s: %s: got %+v, want %s, %q", row.check, c.verdict, x, c.status, c.outcome)
			}
		}
	}
}

// All combinations of what passive authentication sums up, against its definition.
func TestPassiveAuthentication(t *testing.T) {
	all := []authn.Status{authn.Passed, authn.Failed, authn.Inconclusive, authn.NotPresent, authn.NotPerformed}
	n := 0
	for _, signature := range all {
		for _, chain := range all {
			for _, revocation := range all {
				for _, dg1 := range all {
					for _, dg2 := range all {
						in := Input{Passive: authn.Result{
							Signature: authn.Verdict{Status: signature, Code: "a"}, Chain: authn.Verdict{Status: chain, Code: "b"},
							Groups: map[int]authn.Verdict{1: {Status: dg1, Code: "d"}, 2: {Status: dg2, Code: "e"}, 3: {Status: authn.NotPerformed, Code: authn.DGNotRead}},
						}, Verdicts: map[Check]authn.Verdict{Revocation: {Status: revocation, Code: "c"}}}
						counted := []authn.Status{signature, chain, dg1, dg2}
						if revocation != authn.NotPresent && revocation != authn.NotPerformed {
							counted = append(counted, revocation)
						}
						want := Undetermined
						if slices.Contains(counted, authn.Failed) {
							want = Failed
						} else if !slices.ContainsFunc(counted, func(s authn.Status) bool { return s != authn.Passed }) {
							want = Passed
						}
						if got := Of(in).Checks[PassiveAuthentication]; got.Status != want || (want == Passed) != (len(got.Reasons) == 0) {
							t.Fatalf("%s %s %s %s %s: got %+v, want %s", signature, chain, revocation, dg1, dg2, got, want)
						}
						n++
					}
				}
			}
		}
	}
	if n != 3125 {
		t.Errorf("got %d combinations, want 3125", n)
	}
	unread := Input{Passive: authn.Result{Signature: authn.Verdict{Status: authn.Passed}, Chain: authn.Verdict{Status: authn.Passed},
		Groups: map[int]authn.Verdict{1: {Status: authn.NotPerformed, Code: authn.DGNotRead}}}}
	if got := Of(unread).Checks[PassiveAuthentication]; got.Status != Undetermined || !slices.Equal(got.Reasons, []string{"no_group_read"}) {
		t.Errorf("no group read: got %+v, want undetermined", got)
	}
}

// What a verdict on EF.SOD, the chain or the access says of the guideline's finer checks.
func TestDerived(t *testing.T) {
	known := authn.Party{Country: "UT", Subject: "C=UT,CN=CSCA"}
	passed := authn.Verdict{Status: authn.Passed}
	failed := func(c authn.Code) authn.Verdict { return authn.Verdict{Status: authn.Failed, Code: c} }
	passive := func(signature, chain authn.Verdict, csca authn.Party) Input {
		return Input{Passive: authn.Result{Signature: signature, Chain: chain, CSCA: csca}}
	}
	read := func(names ...string) Input {
		var in Input
		for _, n := range names {
			in.Files = append(in.Files, File{Name: n})
		}
		return in
	}
	broken, absent := read("EF.SOD", "DG1"), read("EF.SOD", "DG1")
	broken.Broken, absent.Absent = "chip_lost", []string{"DG2"}
	signers := []Check{SignerSignature, CountryValidity, CountryInSigner, SignerValidity, SignerTrusted}
	sod := []Check{SODHashList, SODSignatureSection, SODSigner, SODDigest, SODSignature}
	access := []Check{PACE, BAC, PlainAccess, Application}
	for _, c := range []struct {
		name string
		in   Input
		of   []Check
		want string
	}{
		{"chain passed", passive(passed, passed, known), signers, "passed passed passed passed passed"},
		{"CSCA unknown", passive(passed, failed(authn.CSCAUnknown), authn.Party{}), signers, "undetermined undetermined undetermined undetermined failed"},
		{"CSCA did not sign", passive(passed, failed(authn.CSCASignatureInvalid), authn.Party{}), signers, "failed undetermined undetermined undetermined failed"},
		{"CSCA not valid", passive(passed, failed(authn.CSCANotValid), known), signers, "passed failed undetermined undetermined failed"},
		{"other state", passive(passed, failed(authn.IssuerCountryMismatch), known), signers, "passed passed failed undetermined failed"},
		{"signer expired", passive(passed, failed(authn.SignerExpired), known), signers, "passed passed passed failed failed"},
		{"key usage", passive(passed, failed(authn.SignerKeyUsage), known), signers, "passed undetermined undetermined undetermined failed"},
		{"revoked", Input{Passive: passive(passed, passed, known).Passive, Verdicts: map[Check]authn.Verdict{Revocation: failed("signer_revoked")}}, signers, "passed passed passed passed failed"},
		{"no EF.SOD", Input{Passive: authn.PassiveFile(nil, nil, nil, check)}, signers, "undetermined undetermined undetermined undetermined undetermined"},
		{"signature passed", passive(passed, passed, known), sod, "passed passed passed passed passed"},
		{"signature wrong", passive(failed(authn.SODSignatureInvalid), passed, known), sod, "passed passed passed undetermined failed"},
		{"signer missing", passive(failed(authn.SignerMissing), authn.Verdict{}, authn.Party{}), sod, "passed passed failed undetermined undetermined"},
		{"EF.SOD malformed", passive(failed(authn.SODMalformed), authn.Verdict{}, authn.Party{}), sod, "failed failed undetermined undetermined undetermined"},
		{"PACE", Input{Access: Access{Protocol: "PACE", PACE: "succeeded"}}, access, "passed not_performed not_performed passed"},
		{"BAC behind PACE", Input{Access: Access{Protocol: "BAC", PACE: "failed"}}, access, "failed passed not_performed passed"},
		{"BAC", Input{Access: Access{Protocol: "BAC", PACE: "not_offered"}}, access, "not_performed passed not_performed passed"},
		{"open", Input{Access: Access{Protocol: "none", PACE: "not_offered"}}, access, "not_performed not_performed passed passed"},
		{"all files", read("EF.SOD", "DG1", "DG2"), []Check{FileAvailability}, "passed"},
		{"DG2 unread", read("EF.SOD", "DG1"), []Check{FileAvailability}, "not_performed"},
		{"DG2 absent", absent, []Check{FileAvailability}, "failed"},
	} {
		var got []string
		r := Of(c.in)
		for _, check := range c.of {
			got = append(got, string(r.Checks[check].Status))
		}
		if got := strings.Join(got, " "); got != c.want {
			t.Errorf("%s: %v: got %s, want %s", c.name, c.of, got, c.want)
		}
	}
	if got := Of(broken); got.Checks[FileAvailability].Parts["DG2"].Outcome != Aborted || !slices.Equal(got.Reasons, []string{"chip_lost:DG2", "chip_lost"}) {
		t.Errorf("chip lost: got %+v, reasons %v, want aborted", got.Checks[FileAvailability], got.Reasons)
	}
}

// A signer's name is told only where a CSCA bears it out.
func TestParties(t *testing.T) {
	in := Input{Passive: authn.Result{Signer: authn.Party{Country: "ut", Subject: "CN=ANNA"}}}
	if r := Of(in); r.Signer == nil || r.Signer.Subject != "" || r.Signer.Country != "UT" || r.CSCA != nil || r.Trust != nil {
		t.Errorf("unknown CSCA: got %+v, want no name", r.Signer)
	}
	r := Of(specimenInput(t))
	if r.Signer.Subject == "" || r.CSCA.Subject == "" || r.Trust.AgeHours != 48 {
		t.Errorf("known CSCA: got %+v, %+v, %+v, want names and an age of 48 hours", r.Signer, r.CSCA, r.Trust)
	}
}

func TestNothingPersonal(t *testing.T) {
	hostile := specimenInput(t)
	hostile.Verdicts = maps.Clone(hostile.Verdicts)
	for i, s := range personal {
		hostile.Quirks = append(hostile.Quirks, s)
		hostile.Notes = append(hostile.Notes, authn.Note{Code: "seen", Subject: s}, authn.Note{Code: authn.Code(s)})
		hostile.Verdicts[checks[i].check] = authn.Verdict{Status: authn.Failed, Code: authn.Code(s), Subject: s}
		hostile.Verdicts[checks[20+i].check] = authn.Verdict{Status: authn.Failed, Code: "x", Subject: "DG1," + s}
		hostile.Files = append(hostile.Files, File{Name: s})
	}
	hostile.Broken = authn.Code(personal[0])
	hostile.Document = Document{Type: utopia[0], State: utopia[1], Format: personal[0], LDS: "L898"}
	for name, in := range map[string]Input{"specimen": specimenInput(t), "hostile": hostile} {
		r := Of(in)
		j, err := r.JSON()
		if err != nil {
			t.Fatal(err)
		}
		x, err := r.XML()
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range personal {
			if bytes.Contains(j, []byte(s)) || bytes.Contains(x, []byte(s)) {
				t.Errorf("%s: %q is in the report", name, s)
			}
		}
		if bytes.Contains(j, []byte("not a picture")) {
			t.Errorf("%s: the picture is in the report", name)
		}
	}
	noBytes(t, reflect.TypeFor[Report](), "Report", map[reflect.Type]bool{reflect.TypeFor[time.Time](): true})
}

// noBytes fails for a field that could hold a file, or anything at all.
func noBytes(t *testing.T, typ reflect.Type, path string, seen map[reflect.Type]bool) {
	if seen[typ] {
		return
	}
	seen[typ] = true
	switch typ.Kind() {
	case reflect.Slice, reflect.Map, reflect.Pointer:
		noBytes(t, typ.Elem(), path, seen)
	case reflect.Struct:
		for f := range typ.Fields() {
			noBytes(t, f.Type, path+"."+f.Name, seen)
		}
	case reflect.String, reflect.Int, reflect.Int64:
	default:
		t.Errorf("%s is a %s", path, typ.Kind())
	}
}
