package authn

import (
	"bytes"
	"fmt"
	"testing"

	"limen/internal/repotest"
	"limen/mrtd/chipsim"
	"limen/mrtd/lds"
)

// A chip whose files swell costs no more memory to judge than their length
// warrants.
func TestSwollenChipsStayWithinTheBound(t *testing.T) {
	s := bothKeys
	s.PACE = []chipsim.PACE{{OID: "0.4.0.127.0.7.2.2.4.6.2", ParameterID: 13}}
	s.Lines, s.BAC, s.SignedAt = utopia, true, signed
	a := newAuthority(t, quick(), "swell")
	p, err := a.Issue(s)
	if err != nil {
		t.Fatal(err)
	}
	store := storeOf(t, a.CSCA())
	dg14, _ := lds.FileOfGroup(14)
	for _, path := range []lds.Path{lds.EFCOM.Path(), lds.EFSOD.Path(), lds.EFCardAccess.Path(), lds.EFCardSecurity.Path(), dg14.Path()} {
		file := p.Files[path]
		t.Run(fmt.Sprintf("%04X", path), func(t *testing.T) {
			repotest.Inflate(file, func(b []byte) {
				c := Chip{Files: map[lds.Path][]byte{}, ChipAuth: Answered, ActiveAuth: Answered, Challenge: challenge, Signature: bytes.Repeat([]byte{7}, 64), Printed: utopia}
				n := len(b)
				for other, whole := range p.Files {
					c.Files[other] = whole
					n += len(whole)
				}
				c.Files[path] = b
				repotest.Bounded(t, n, func() { Options{}.Examine(c, store, check) })
			})
		})
	}
}
