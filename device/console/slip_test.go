package console

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"limen"
)

// Any reader of codes reads a slip; here OpenCV's.
func TestSlipIsReadByAnother(t *testing.T) {
	f := limen.Finished{Record: limen.Record{ID: strings.Repeat("0123456789abcdef", 2), Site: "utopia-airport", Device: "gate-1", Started: limen.MomentOf(noon)}, Receipt: limen.Receipt{Index: 4711}}
	text := f.Slip("ask at utopia.example/check or at this place, with the document")
	picture, err := SlipPNG(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{f.Record.ID, "entry 4711", "2026-03-09T12:00:00Z", "utopia-airport/gate-1", "utopia.example"} {
		if !strings.Contains(text, part) {
			t.Errorf("the slip lacks %q: %q", part, text)
		}
	}
	path := filepath.Join(t.TempDir(), "slip.png")
	if err := os.WriteFile(path, picture, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("python3", "-c", "import cv2, sys; sys.stdout.write(cv2.QRCodeDetector().detectAndDecode(cv2.imread(sys.argv[1]))[0])", path).Output()
	if err != nil {
		t.Skipf("OpenCV for Python is not installed (python3-opencv): %v", err)
	}
	if string(out) != text {
		t.Errorf("read %q, want %q", out, text)
	}
	if _, err := SlipPNG(strings.Repeat("x", 5000)); err == nil {
		t.Error("a code of 5000 bytes was made")
	}
	if err := limen.CheckAsk("two\nlines"); err == nil {
		t.Error("two lines were taken for how to ask")
	}
}

// The slip of the current inspection is served, of no other, and of none
// without a record.
func TestSlipIsTheCurrentInspections(t *testing.T) {
	s, site := serve(t, Options{Ask: "ask here"})
	client := insider(t, s, site)
	status := func(of string) int {
		t.Helper()
		r, err := client.Get(site.URL + "/slip?of=" + of)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		if r.StatusCode == http.StatusOK && (err != nil || http.DetectContentType(b) != "image/png") {
			t.Errorf("slip of %s: %s, %v; want a picture", of, http.DetectContentType(b), err)
		}
		return r.StatusCode
	}
	play(s, running(t, "one"))
	if got := status("one"); got != http.StatusNotFound {
		t.Errorf("before the record: %d, want 404", got)
	}
	play(s, admitted(t, "two"))
	if one, two := status("one"), status("two"); one != http.StatusNotFound || two != http.StatusOK {
		t.Errorf("got %d and %d, want 404 for the last and 200 for the current one", one, two)
	}
	play(s, events(t, "three", noon, true, goodChecks(), nil, limen.Decision{Outcome: limen.Admit}, fmt.Errorf("disk full")))
	if got := status("three"); got != http.StatusNotFound {
		t.Errorf("without a record: %d, want 404", got)
	}
}

// What was found out since stands beside an earlier check.
func TestEarlierChecksHaveTheirRemarks(t *testing.T) {
	w := english(t)
	v := w.personal(&inspection{personal: &personal{earlier: []limen.Earlier{
		{At: noon, Site: "port", Device: "gate-2", Outcome: limen.Refer, Officer: limen.Refuse, Lost: true, Correction: "it was another document"},
		{At: noon, Site: "port", Device: "gate-2", Outcome: limen.Admit},
	}}})
	want := []string{"An officer decided: Refused.", "It was on a list of lost or stolen documents.", "Corrected since: it was another document"}
	if got := v.Earlier[0].Remarks; strings.Join(got, "|") != strings.Join(want, "|") || v.Earlier[1].Remarks != nil {
		t.Errorf("got %q and %q, want %q and none", got, v.Earlier[1].Remarks, want)
	}
}
