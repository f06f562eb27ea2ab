package console

import (
	"testing"

	"limen"
)

// The officer sees what the traveler is told, as long as it is told.
func TestGuidanceIsShownWhileItHolds(t *testing.T) {
	s, site := serve(t, Options{})
	client := insider(t, s, site)
	closer, none := limen.ComeCloser, limen.NoGuidance
	s.Observe(limen.Event{Inspection: "one", At: noon, Step: limen.StepFace, Guidance: &closer})
	next, stop := views(t, client, site.URL)
	defer stop()
	if v, _ := next(); v.Guidance == nil || v.Guidance.Code != "come_closer" || v.Guidance.Says != english(t).Guidance[limen.ComeCloser] {
		t.Errorf("got %+v, want come_closer in words", v.Guidance)
	}
	s.Observe(limen.Event{Inspection: "one", At: noon, Step: limen.StepFace, Guidance: &none})
	if v, _ := next(); v.Guidance != nil {
		t.Errorf("got %+v, want it taken back", v.Guidance)
	}
}
