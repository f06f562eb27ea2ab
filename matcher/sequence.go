package matcher

// Sequence says when the frames at hand are enough to compare by, of a
// recogniser whose threshold is Threshold. A score well above or below it will
// hardly cross it with further frames; one near it is worth waiting for more,
// as long as there is time. It is no verdict: that is the score's at the end.
//
// Every look at a growing mean is another chance for an impostor's noise, so
// that stopping early asks for more than the threshold: a tenth of the way from
// it to a perfect score. Below it, three tenths.
type Sequence struct{ Threshold float64 }

const (
	framesToStop  = 3 // fused frames, at least, before stopping for a good score
	framesToClear = 5 // … and before stopping for a bad one
)

// Enough tells whether a mean's score over so many frames is clear.
func (s Sequence) Enough(score float64, frames int) bool {
	room := 1 - s.Threshold
	return frames >= framesToStop && score >= s.Threshold+0.1*room ||
		frames >= framesToClear && score <= s.Threshold-0.3*room
}
