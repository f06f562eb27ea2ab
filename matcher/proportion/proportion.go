// Package proportion is k of n with the interval in which the true rate lies.
package proportion

import (
	"fmt"
	"math"
)

// Rate is k of n trials. Low and High bound the true rate with 95 % confidence
// (Wilson's interval), as if the trials were independent; several trials with
// one face are not quite.
type Rate struct {
	K    int     `json:"k"`
	N    int     `json:"n"`
	Rate float64 `json:"rate"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// Of is k of n; of no trials at all it says that the rate may be anything.
func Of(k, n int) Rate {
	r := Rate{K: k, N: n}
	if n > 0 {
		r.Rate = float64(k) / float64(n)
	}
	r.Low, r.High = Wilson(int64(k), int64(n))
	return r
}

// Wilson is the score interval of k of n independent trials (E. B. Wilson,
// 1927), of 95 %; of no trials it is all there is.
func Wilson(k, n int64) (low, high float64) {
	if n <= 0 {
		return 0, 1
	}
	const z = 1.959963984540054 // the normal distribution's 97.5 % point
	p, m := float64(k)/float64(n), float64(n)
	center := (p + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	low, high = max(center-half, 0), min(center+half, 1)
	if k == 0 { // where rounding would leave a trace
		low = 0
	}
	if k == n {
		high = 1
	}
	return low, high
}

// String is "3 of 48, 6.3 % (2.1 to 16.8)".
func (r Rate) String() string {
	return fmt.Sprintf("%d of %d, %.1f %% (%.1f to %.1f)", r.K, r.N, 100*r.Rate, 100*r.Low, 100*r.High)
}
