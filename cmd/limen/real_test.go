package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"limen/cmd/internal/cli"
	"limen/internal/repotest"
	"limen/matcher"
)

// command runs a command line in this process.
func command(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), args, &o, &e)
	return code, o.String(), e.String()
}

// answers runs a command with --json and decodes what it printed.
func answers(t *testing.T, want int, into any, args ...string) {
	t.Helper()
	code, out, errOut := command(t, append(args, "--json")...)
	if code != want {
		t.Errorf("limen %s: got exit code %d, want %d\n%s%s", strings.Join(args, " "), code, want, out, errOut)
	}
	if err := json.Unmarshal([]byte(out), into); err != nil {
		t.Fatalf("limen %s printed no JSON: %v\n%s%s", strings.Join(args, " "), err, out, errOut)
	}
}

// lists are the real master lists and the roots of the states that signed them.
func lists(t *testing.T) (de, nl, icao, rootDE, rootNL string) {
	t.Helper()
	dir := repotest.Shared(t, "data/emrtd/masterlists")
	return filepath.Join(dir, "DE_ML_2026-05-28-08-28-45.ml"), filepath.Join(dir, "NL_ML_2026-07-22.ml"),
		filepath.Join(dir, "ICAO_ml_September2023.bad-signature.ml"), filepath.Join(dir, "DE_ROOT_CA_CSCA07.cer"), filepath.Join(dir, "NL_ROOT_CA.cer")
}

// realTrust imports the German and the Dutch list by the command.
func realTrust(t *testing.T) string {
	t.Helper()
	de, nl, _, rootDE, rootNL := lists(t)
	dir := filepath.Join(t.TempDir(), "trust")
	for _, l := range [][2]string{{rootDE, de}, {rootNL, nl}} {
		if code, out, errOut := command(t, "trust", "import", "--root", l[0], l[1], "--trust", dir); code != 0 {
			t.Fatalf("cannot import %s: %s%s", l[1], out, errOut)
		}
	}
	return dir
}

func TestRealListsByCommand(t *testing.T) {
	de, nl, icao, rootDE, rootNL := lists(t)
	dir := filepath.Join(t.TempDir(), "trust")
	for _, c := range []struct {
		file, root   string
		exit         int
		certificates int
		added        int
		reason       string
	}{
		{de, rootNL, cli.ExitNo, 0, 0, "signature does not verify: no chain from"},
		{de, "", cli.ExitNo, 0, 0, "no root to judge it by"},
		{icao, rootDE, cli.ExitNo, 0, 0, "signature does not verify"},
		{icao, rootNL, cli.ExitNo, 0, 0, "signature does not verify"},
		{de, rootDE, 0, 588, 588, ""},
		{nl, rootNL, 0, 411, 39, ""},
		{de, rootDE, 0, 588, 0, ""}, // once more
		{rootDE, "", 0, 1, 0, ""},   // in the German list already
	} {
		args := []string{"trust", "import", c.file, "--trust", dir}
		if c.root != "" {
			args = append(args, "--root", c.root)
		}
		var got imported
		answers(t, c.exit, &got, args...)
		if got.File != c.file || got.Accepted != (c.exit == 0) || got.Certificates != c.certificates || got.Added != c.added || !strings.Contains(got.Reason, c.reason) {
			t.Errorf("%s under %s: got %+v, want %+v", filepath.Base(c.file), filepath.Base(c.root), got, c)
		}
	}
	var list struct {
		Certificates int
		Countries    map[string]int
	}
	answers(t, 0, &list, "trust", "list", "--trust", dir)
	if list.Certificates != 627 || len(list.Countries) != 129 || list.Countries["DE"] != 9 {
		t.Errorf("got %d certificates of %d states, %d of DE; want 627, 129, 9", list.Certificates, len(list.Countries), list.Countries["DE"])
	}
}

// The security objects of real passports, up to a CSCA of the imported lists.
// What is damaged in the others is told beside mrtd/authn's own test.
func TestRealSecurityObjectsByCommand(t *testing.T) {
	store := realTrust(t)
	for name, want := range map[string]struct{ country, signature, chain, reasons string }{
		"gmrtd-03.bin":  {"AT", "passed", "passed", ""},
		"gmrtd-06.bin":  {"AU", "passed", "passed", ""},
		"gmrtd-09.bin":  {"CN", "passed", "passed", ""},
		"gmrtd-12.bin":  {"DE", "passed", "passed", ""},
		"gmrtd-15.bin":  {"FI", "passed", "passed", ""},
		"gmrtd-18.bin":  {"FR", "passed", "passed", ""},
		"pymrtd-01.bin": {"DE", "passed", "failed", "csca_unknown"},
		"pymrtd-03.bin": {"DE", "failed", "failed", "csca_unknown sod_signature_invalid"},
		"gmrtd-01.bin":  {"", "failed", "not_performed", "sod_malformed"},
		"pymrtd-04.bin": {"", "failed", "not_performed", "sod_malformed"},
	} {
		exit := 0
		if want.reasons != "" {
			exit = cli.ExitNo
		}
		var got verifyResult
		// On a given day: signers without a signing time are judged at the time of the check.
		answers(t, exit, &got, "chip", "verify", "--sod", repotest.Shared(t, "data/emrtd/sod/"+name), "--trust", store, "--at", "2026-08-01")
		country := ""
		if got.Signer != nil {
			country = got.Signer.Country
		}
		if country != want.country || got.Signature != want.signature || got.Chain != want.chain || strings.Join(got.Reasons, " ") != want.reasons {
			t.Errorf("%s: got %s %s %s %v, want %v", name, country, got.Signature, got.Chain, got.Reasons, want)
		}
		if got.Chain == "passed" && (got.CSCA == nil || got.CSCA.Country != country || got.TrustDate == "") {
			t.Errorf("%s: got CSCA %v, trust of %q; want one of %s with a date", name, got.CSCA, got.TrustDate, country)
		}
	}
}

// Photographs of ten people: each matches the same person smiling, and none
// another. The figures of the whole set are package cvface's.
func TestRealFacesByCommand(t *testing.T) {
	dir := repotest.Shared(t, "data/faces/london")
	repotest.Shared(t, "models")
	t.Setenv("PATH", filepath.Dir(portraitProgram)+":"+os.Getenv("PATH"))
	photo := func(kind string, n int) string {
		return filepath.Join(dir, kind+"_front", fmt.Sprintf("%03d_%s.jpg", n, map[string]string{"neutral": "03", "smiling": "08"}[kind]))
	}
	for n := 1; n <= 10; n++ {
		var same, other matchResult
		answers(t, 0, &same, "face", "match", photo("neutral", n), photo("smiling", n))
		answers(t, cli.ExitNo, &other, "face", "match", photo("neutral", n), photo("smiling", n%10+1))
		if !same.Match || other.Match || *other.Score >= other.Threshold || !slices.Equal(other.Reasons, []string{"face_mismatch"}) {
			t.Errorf("person %d: got %+v for the same, %+v for another", n, same, other)
		}
		if a, b := same.Quality["A"], same.Quality["B"]; same.Verdict != "match" || other.Verdict != "no_match" || !a.Fit || !b.Fit || a.EyeDistance < 50 || b.Sharpness < 100 || len(a.Components) < 15 || len(b.Components) < 15 {
			t.Errorf("person %d: got %q and %q, quality %+v", n, same.Verdict, other.Verdict, same.Quality)
		}
		t.Logf("person %2d: same %.3f, another %.3f, threshold %.3f", n, *same.Score, *other.Score, same.Threshold)
	}
}

// A chip's portrait in JPEG 2000 is decoded for face match too; a picture
// without a face is an answer, and one that is none an error.
func TestRealPortraitByCommand(t *testing.T) {
	jp2 := repotest.Shared(t, "data/emrtd/specimen/silver.jp2")
	repotest.Shared(t, "models")
	t.Setenv("PATH", filepath.Dir(portraitProgram)+":"+os.Getenv("PATH"))
	var got matchResult
	answers(t, 0, &got, "face", "match", jp2, jp2)
	if !got.Match || *got.Score < 0.999 {
		t.Errorf("a portrait with itself: got %+v, want a match at 1", got)
	}
	var none matchResult
	answers(t, cli.ExitNo, &none, "face", "match", jp2, blank(t))
	if none.Match || none.Score != nil || !slices.Equal(none.Reasons, []string{"face_not_found:B"}) {
		t.Errorf("a picture without a face: got %+v, want face_not_found:B", none)
	}
	if b := none.Quality["B"]; none.Verdict != "not_compared" || b.Fit || len(b.Components) != 0 || !slices.Equal(b.Reasons, []matcher.Reason{matcher.FaceNotFound}) || !none.Quality["A"].Fit && len(none.Quality["A"].Reasons) == 0 {
		t.Errorf("a picture without a face: got %q, quality %+v", none.Verdict, none.Quality)
	}
	if code, out, errOut := command(t, "face", "match", jp2, repotest.Shared(t, "data/INDEX.md")); code != cli.ExitUse || out != "" || !strings.Contains(errOut, "not a picture that can be decoded") {
		t.Errorf("no picture: got %d %q %q, want %d and what is wrong", code, out, errOut, cli.ExitUse)
	}
}

// blank is a gray JPEG.
func blank(t *testing.T) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "blank.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(jpeg.Encode(f, image.NewGray(image.Rect(0, 0, 320, 400)), nil), f.Close()); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}
