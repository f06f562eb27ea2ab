package console

import (
	"context"
	"errors"
	"image"
	"image/color"
	"math"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"limen"
	"limen/mrtd/mrz"
)

// The specimen of Doc 9303-4, Appendix B.
var specimen = []string{
	"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
	"L898902C36UTO7408122F1204159ZE184226B<<<<<10",
}

var noon = time.Date(2026, 3, 9, 12, 0, 0, 0, time.UTC)

func specimenMRZ(t *testing.T) *mrz.MRZ {
	t.Helper()
	m, err := mrz.Parse(specimen, noon)
	if err != nil {
		t.Fatal(err)
	}
	return &m
}

// drawFace draws somebody who does not exist: shapes that resemble a face.
func drawFace(width, height int, shirt color.RGBA, light float64) image.Image {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	inside := func(x, y, cx, cy, rx, ry float64) bool { return math.Hypot((x-cx)/rx, (y-cy)/ry) < 1 }
	for py := range height {
		for px := range width {
			x, y := float64(px)/float64(width), float64(py)/float64(height)
			c := color.RGBA{196, 205, 214, 255}
			switch {
			case inside(x, y, .42, .45, .035, .018), inside(x, y, .58, .45, .035, .018):
				c = color.RGBA{40, 42, 50, 255}
			case inside(x, y, .5, .66, .08, .015):
				c = color.RGBA{150, 70, 70, 255}
			case inside(x, y, .5, .56, .02, .05):
				c = color.RGBA{205, 160, 130, 255}
			case inside(x, y, .5, .5, .2, .29) && y > .33:
				c = color.RGBA{226, 184, 152, 255}
			case inside(x, y, .5, .42, .25, .28):
				c = color.RGBA{92, 62, 40, 255}
			case inside(x, y, .5, .8, .09, .12):
				c = color.RGBA{214, 170, 138, 255}
			case inside(x, y, .5, 1.08, .42, .26):
				c = shirt
			}
			shade := light * (1 - .25*x)
			m.SetRGBA(px, py, color.RGBA{uint8(float64(c.R) * shade), uint8(float64(c.G) * shade), uint8(float64(c.B) * shade), 255})
		}
	}
	return m
}

// events are an inspection's, from the document to the record.
func events(t *testing.T, id string, at time.Time, live bool, checks []limen.Check, match *limen.Comparison, d limen.Decision, recordErr error) []limen.Event {
	list := []limen.Event{
		{Step: limen.StepDocument},
		{Step: limen.StepMRZ, MRZ: specimenMRZ(t)},
		{Step: limen.StepFace},
		{Step: limen.StepLookup},
		{Step: limen.StepChip, Progress: &limen.ReadProgress{File: "EF.DG2", Read: 7100, Total: 16400}},
	}
	for i := range checks {
		list = append(list, limen.Event{Step: stepOf(checks[i].Name), Check: &checks[i]})
	}
	list = append(list, limen.Event{Step: limen.StepChip, Portrait: drawFace(240, 320, color.RGBA{60, 80, 120, 255}, 1)})
	if live {
		list = append(list, limen.Event{Step: limen.StepFace, Live: drawFace(480, 360, color.RGBA{130, 60, 60, 255}, .85)},
			limen.Event{Step: limen.StepFace, Quality: &limen.Quality{Picture: limen.PictureLive, Components: []limen.Component{
				{Name: "illumination_uniformity", Value: 44, Low: true}, {Name: "sharpness", Value: 97}, {Name: "luminance_mean", Value: 52, Low: true}}}},
			limen.Event{Step: limen.StepMatch, Quality: &limen.Quality{Picture: limen.PicturePortrait, Components: []limen.Component{{Name: "sharpness", Value: 99}}}})
	}
	list = append(list, limen.Event{Step: limen.StepHistory, Earlier: []limen.Earlier{
		{At: at.Add(-26 * time.Hour), Site: "Port South", Device: "gate-2", Outcome: limen.Admit},
		{At: at.Add(-9 * 24 * time.Hour), Site: "Land Border East", Device: "handheld-7", Outcome: limen.Refer},
	}})
	if match != nil {
		list = append(list, limen.Event{Step: limen.StepMatch, Match: match})
	}
	record := limen.Record{ID: id, Started: limen.MomentOf(at), Ended: limen.MomentOf(at.Add(4800 * time.Millisecond)), Checks: checks, Decision: d, Spent: limen.Spent{Total: limen.SpanOf(4812 * time.Millisecond)}}
	list = append(list, limen.Event{Step: limen.StepRecord, Finished: &limen.Finished{Record: record, Receipt: limen.Receipt{Index: 4711, Size: 4712}, Err: recordErr}})
	for i := range list {
		list[i].Inspection, list[i].At = id, at.Add(time.Duration(i)*200*time.Millisecond)
	}
	return list
}

func stepOf(name limen.CheckName) limen.Step {
	switch name {
	case limen.CheckMRZ:
		return limen.StepMRZ
	case limen.CheckEligibility, limen.CheckExpiry:
		return limen.StepEligibility
	case limen.CheckFace, limen.CheckFaceAlive, limen.CheckPortrait:
		return limen.StepFace
	case limen.CheckFaceMatch:
		return limen.StepMatch
	case limen.CheckLookup:
		return limen.StepLookup
	case limen.CheckHistory:
		return limen.StepHistory
	case limen.CheckCompleted:
		return limen.StepDecision
	}
	return limen.StepAuthenticity
}

func because(code limen.ReasonCode, subject string) limen.Reason {
	return limen.Reason{Code: code, Subject: subject}
}

func goodChecks() []limen.Check {
	unsupported := []limen.Reason{because(limen.NotSupported, "")}
	return []limen.Check{
		{Name: limen.CheckMRZ, Status: limen.Passed},
		{Name: limen.CheckEligibility, Status: limen.Passed},
		{Name: limen.CheckExpiry, Status: limen.Passed},
		{Name: limen.CheckChipAccess, Status: limen.Passed, Reasons: []limen.Reason{because(limen.PACENotOffered, "")}},
		{Name: limen.CheckChipRead, Status: limen.Passed},
		{Name: limen.CheckSODSignature, Status: limen.Passed},
		{Name: limen.CheckCSCAChain, Status: limen.Passed},
		{Name: limen.CheckIssuer, Status: limen.Passed},
		{Name: limen.CheckDGHash, Subject: "DG1", Status: limen.Passed},
		{Name: limen.CheckDGHash, Subject: "DG2", Status: limen.Passed},
		{Name: limen.CheckCOM, Status: limen.Passed},
		{Name: limen.CheckMRZChip, Status: limen.Passed},
		{Name: limen.CheckChipGenuine, Status: limen.NotPerformed, Reasons: unsupported},
		{Name: limen.CheckFace, Status: limen.Passed},
		{Name: limen.CheckFaceAlive, Status: limen.NotPerformed, Reasons: unsupported},
		{Name: limen.CheckPortrait, Status: limen.Passed},
		{Name: limen.CheckFaceMatch, Status: limen.Passed},
		{Name: limen.CheckLookup, Subject: "national", Status: limen.Passed},
		{Name: limen.CheckLookup, Subject: "stop_list", Status: limen.Passed},
		{Name: limen.CheckHistory, Status: limen.Passed, Reasons: []limen.Reason{because(limen.SeenBefore, "")}},
		{Name: limen.CheckCompleted, Status: limen.Passed},
	}
}

// admitted is a traveler for whom everything passes.
func admitted(t *testing.T, id string) []limen.Event {
	checks := goodChecks()
	match := &limen.Comparison{Score: .71, Threshold: .46, Model: "sface 4ad2c1", Grade: "operational", FMR: 1e-4}
	d := limen.Decision{Outcome: limen.Admit, Notes: []limen.Reason{because(limen.PACENotOffered, ""), because(limen.SeenBefore, "")}}
	return events(t, id, noon, true, checks, match, d, nil)
}

// referred is one whose portrait in the chip was changed, by whom the face
// cannot be compared, and whom one database does not know.
func referred(t *testing.T, id string) []limen.Event {
	checks := goodChecks()
	for i := range checks {
		switch c := &checks[i]; {
		case c.Name == limen.CheckDGHash && c.Subject == "DG2":
			c.Status, c.Reasons = limen.Failed, []limen.Reason{because("dg_hash_mismatch", "DG2")}
		case c.Name == limen.CheckFaceMatch:
			c.Status, c.Reasons = limen.NotPerformed, []limen.Reason{because(limen.PrerequisiteMissing, "dg_hash")}
		case c.Name == limen.CheckLookup && c.Subject == "national":
			c.Status, c.Reasons = limen.Inconclusive, []limen.Reason{because(limen.LookupUnavailable, "national")}
		}
	}
	d := limen.Decision{Outcome: limen.Refer, Recommendation: limen.RecommendExamine,
		Reasons: []limen.Reason{because(limen.LookupUnavailable, "national"), because("dg_hash_mismatch", "DG2")}}
	return events(t, id, noon, true, checks, nil, d, nil)
}

// mismatched is one whose face is not the portrait's.
func mismatched(t *testing.T, id string) []limen.Event {
	checks := goodChecks()
	i := slices.IndexFunc(checks, func(c limen.Check) bool { return c.Name == limen.CheckFaceMatch })
	checks[i].Status, checks[i].Reasons = limen.Failed, []limen.Reason{because(limen.FaceMismatch, "")}
	match := &limen.Comparison{Score: .21, Threshold: .46, Model: "sface 4ad2c1", Grade: "demo", FMR: 1e-4}
	d := limen.Decision{Outcome: limen.Refer, Recommendation: limen.RecommendIdentify, Reasons: []limen.Reason{because(limen.FaceMismatch, "")}}
	return events(t, id, noon, true, checks, match, d, nil)
}

// cloned is one whose document was seen with another chip elsewhere, where an
// officer refused it since.
func cloned(t *testing.T, id string) []limen.Event {
	why := []limen.Reason{because(limen.SODChanged, "land-border-east"), because(limen.TravelImpossible, "land-border-east"), because(limen.RefusedBefore, "land-border-east")}
	checks := append(goodChecks(),
		limen.Check{Name: limen.CheckHistory, Subject: limen.HistoryTravel, Status: limen.Failed, Reasons: why[1:2]},
		limen.Check{Name: limen.CheckHistory, Subject: limen.HistoryChip, Status: limen.Failed, Reasons: why[:1]},
		limen.Check{Name: limen.CheckHistory, Subject: limen.HistoryRefusals, Status: limen.Failed, Reasons: why[2:]},
		limen.Check{Name: limen.CheckHistory, Subject: limen.HistoryLosses, Status: limen.Passed})
	list := events(t, id, noon, true, checks, nil, limen.Decision{Outcome: limen.Refer, Recommendation: limen.RecommendExamine, Reasons: why}, nil)
	for i, e := range list {
		if e.Earlier != nil {
			list[i].Earlier = []limen.Earlier{{At: noon.Add(-40 * time.Minute), Site: "land-border-east", Device: "handheld-7", Outcome: limen.Refer,
				Officer: limen.Refuse, Correction: "the holder was let go after an hour"}}
		}
	}
	return list
}

// running is an inspection half way through.
func running(t *testing.T, id string) []limen.Event {
	checks := goodChecks()[:3]
	list := events(t, id, noon, true, checks, nil, limen.Decision{}, nil)
	return append(list[:4:4], append(list[5:8:8], list[4])...)
}

// testOfficer notes what was decided.
type testOfficer struct {
	mu    sync.Mutex
	fail  bool
	taken []string
}

func (o *testOfficer) Decide(_ context.Context, inspection string, outcome limen.Outcome, officer, grounds string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fail {
		return errors.New("journal is full")
	}
	o.taken = append(o.taken, inspection+" "+string(outcome)+" "+officer+" "+grounds)
	return nil
}

func (o *testOfficer) decisions() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.taken...)
}

type testDevices []DeviceState

func (d testDevices) Devices() []DeviceState { return d }

var someDevices = testDevices{
	{Name: "pn532", Kind: "chip_reader", State: DeviceReady},
	{Name: "elyctis", Kind: "mrz_reader", State: DeviceReady},
	{Name: "gate", Kind: "camera", State: DeviceLost, Detail: "The camera delivers no pictures.", NextAction: "Check its cable and power."},
	{Name: "", Kind: "uplink", State: DeviceDegraded, Detail: "12 records wait for the center.", NextAction: "Nothing to do; they are sent when the network is back."},
}

type testCAN struct {
	mu   sync.Mutex
	last string
}

func (c *testCAN) SetCAN(can string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = can
}

func (c *testCAN) taken() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// serve starts a server and its site; both end with the test.
func serve(t *testing.T, opts Options) (*Server, *httptest.Server) {
	t.Helper()
	if opts.Site == "" {
		opts.Site, opts.Device = "Port North", "gate-3"
	}
	s, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	site := httptest.NewServer(s.Handler())
	t.Cleanup(func() {
		s.Close()
		site.Close()
	})
	return s, site
}

func play(s *Server, list []limen.Event) {
	for _, e := range list {
		s.Observe(e)
	}
}
