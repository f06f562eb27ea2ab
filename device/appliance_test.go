package device

import (
	"testing"

	"limen"
)

func TestAppliancePresentsTheNewestDocument(t *testing.T) {
	a := New(Defaults(), Parts{})
	defer a.closeFace()
	for _, line := range []string{"one", "two", "three"} {
		a.Present(limen.Presented{Lines: []string{line}})
	}
	if got := <-a.documents; got.Lines[0] != "three" {
		t.Errorf("got %q, want the newest", got.Lines[0])
	}
	a.SetCAN("123456")
	if first, second := a.takeCAN(), a.takeCAN(); first != "123456" || second != "" {
		t.Errorf("CAN: got %q then %q; want it to serve once", first, second)
	}
}
