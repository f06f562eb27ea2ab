package seal_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"limen/internal/repotest"
	"limen/mrtd/seal"
	"limen/mrtd/specimen"
	"limen/mrtd/trust"
)

// A seal costs no more memory than its length warrants, however often what it
// holds is repeated.
func TestSwollenSealsStayWithinTheBound(t *testing.T) {
	a := authority(t, "swell")
	by, cert := sealSigner(t, a, specimen.SealProfile{Name: "01", Serial: 1, Curve: "P-256", Types: []string{"NV"}})
	store := storeOf(t, a.CSCA())
	for _, version := range []int{3, 4} {
		b, err := by.encode(visaSeal(t, version))
		if err != nil {
			t.Fatal(err)
		}
		for at := range b {
			for _, filler := range [][]byte{{0x04, 0}, {0xFF, 0}, {0x5A}, b[at:]} {
				swollen := append(bytes.Clone(b[:at]), bytes.Repeat(filler, 1+(16<<10)/len(filler))...)
				repotest.Bounded(t, len(swollen), func() {
					if s, err := seal.Parse(swollen); err == nil {
						seal.Verify(s, []*trust.Certificate{cert}, store, check)
					}
				})
			}
		}
	}
	nc := openSSLNC(t)
	for name, members := range map[string]string{
		"lists":      `"x":[` + strings.Repeat("[],", 5000) + "0],",
		"numbers":    `"x":[` + strings.Repeat("0,", 8000) + "0],",
		"objects":    `"x":[` + strings.Repeat(`{"":0},`, 2500) + "0],",
		"the same":   strings.Repeat(`"a":0,`, 3000),
		"names":      manyNames(2000, ""),
		"long names": manyNames(100, strings.Repeat("a", 200)),
		"depth":      `"x":` + strings.Repeat("[", 30) + strings.Repeat("]", 30) + ",",
		"deeper":     `"x":` + strings.Repeat("[", 8000) + strings.Repeat("]", 8000) + ",",
		"escapes":    `"x":"` + strings.Repeat(`\u0001`, 3000) + `",`,
	} {
		b := bytes.Replace(nc, []byte(`"data": {`), []byte(`"data": {`+members), 1)
		if len(b) == len(nc) {
			t.Fatal("the example's data is not where it was")
		}
		t.Run(name, func(t *testing.T) {
			repotest.Bounded(t, len(b), func() {
				if n, err := seal.ParseNC(b); err == nil {
					seal.VerifyNC(n, store, check)
				}
			})
		})
	}
}

// manyNames are members of an object that differ in the end of their names.
func manyNames(n int, begin string) string {
	var s strings.Builder
	for i := range n {
		fmt.Fprintf(&s, `"%s%d":0,`, begin, i*7919%n)
	}
	return s.String()
}
