package proportion

import (
	"math"
	"testing"
)

// The bounds are Newcombe's worked examples of Wilson's interval (Statistics in
// Medicine 17, 1998, table I, method 3).
func TestWilson(t *testing.T) {
	for _, c := range []struct {
		k, n      int
		low, high float64
	}{
		{81, 263, 0.2553, 0.3662},
		{15, 148, 0.0624, 0.1605},
		{0, 20, 0, 0.1611},
		{1, 29, 0.0061, 0.1718},
	} {
		got := Of(c.k, c.n)
		if math.Abs(got.Low-c.low) > 5e-5 || math.Abs(got.High-c.high) > 5e-5 {
			t.Errorf("%d of %d: got %.4f to %.4f, want %.4f to %.4f", c.k, c.n, got.Low, got.High, c.low, c.high)
		}
	}
	if got := Of(0, 0); got.Low != 0 || got.High != 1 {
		t.Errorf("no trials: got %v, want anything from 0 to 1", got)
	}
	if got := Of(7, 7); got.High != 1 {
		t.Errorf("all of 7: got %v, want a bound of 1", got)
	}
}
