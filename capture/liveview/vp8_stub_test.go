//go:build !cgo

package liveview

import (
	"strings"
	"testing"
)

func TestWithoutCgoAnAnswerSaysWhatIsMissing(t *testing.T) {
	s, err := New(nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Answer(t.Context(), "v=0"); err == nil || !strings.Contains(err.Error(), "cgo") {
		t.Errorf("Answer: %v, want an error that names cgo", err)
	}
}
