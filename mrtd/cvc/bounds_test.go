package cvc

import (
	"crypto"
	"testing"

	"limen/internal/repotest"
	"limen/mrtd/trust"
)

// A certificate, request or key costs no more memory than its length warrants,
// whichever of its elements swells.
func TestSwollenCertificatesStayWithinTheBound(t *testing.T) {
	a, _ := AlgorithmOf(trust.ECDSA, crypto.SHA256)
	k, public := newKey(t, a, "brainpoolP256r1")
	r, err := NewRequest(t.Context(), "UTDV00001", "UTIS00001", public, k)
	if err == nil {
		r, err = r.Vouch(t.Context(), "UTIS00000", a, k)
	}
	if err != nil {
		t.Fatal(err)
	}
	all := vectors(t, "testdata/openpace.txt")
	all["request"] = r.Raw
	for name, file := range all {
		t.Run(name, func(t *testing.T) {
			repotest.Inflate(file, func(b []byte) {
				repotest.Bounded(t, len(b), func() { Parse(b) })
				repotest.Bounded(t, len(b), func() { ParseRequest(b) })
				repotest.Bounded(t, len(b), func() { ParseKey(b) })
			})
		})
	}
}
