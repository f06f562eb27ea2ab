package authn

import (
	"bytes"
	"testing"

	"limen/internal/repotest"
	"limen/mrtd/chipsim"
	"limen/mrtd/lds"
)

// FuzzExamine judges a chip of which every file is somebody's work: none that
// differs from the one that was signed passes.
func FuzzExamine(f *testing.F) {
	s := bothKeys
	s.PACE = []chipsim.PACE{{OID: "0.4.0.127.0.7.2.2.4.6.2", ParameterID: 13}}
	s.Lines, s.BAC, s.SignedAt = utopia, true, signed
	a := newAuthority(f, quick(), "fuzz")
	p, err := a.Issue(s)
	if err != nil {
		f.Fatal(err)
	}
	store := storeOf(f, a.CSCA())
	dg14, _ := lds.FileOfGroup(14)
	dg15, _ := lds.FileOfGroup(15)
	paths := []lds.Path{lds.EFSOD.Path(), 0x0101, dg14.Path(), dg15.Path(), lds.EFCOM.Path(), lds.EFCardAccess.Path(), lds.EFCardSecurity.Path()}
	file := func(i int) []byte { return p.Files[paths[i]] }
	f.Add(file(0), file(1), file(2), file(3), file(4), file(5), file(6))
	f.Add(file(0), file(1), []byte(nil), []byte(nil), []byte(nil), []byte{0x31, 0}, []byte(nil))
	f.Fuzz(func(t *testing.T, sod, dg1, dg14, dg15, com, cardAccess, cardSecurity []byte) {
		files, n := map[lds.Path][]byte{}, 0
		for i, b := range [][]byte{sod, dg1, dg14, dg15, com, cardAccess, cardSecurity} {
			files[paths[i]] = b
			n += len(b)
		}
		c := Chip{Files: files, ChipAuth: Answered, ActiveAuth: Answered, Challenge: challenge, Signature: bytes.Repeat([]byte{7}, 64), Printed: utopia}
		var got Findings
		repotest.Bounded(t, n, func() { got = Options{}.Examine(c, store, check) })
		if r := got.Passive; r.Signature.Status == Passed && r.Chain.Status == Passed {
			for group, v := range r.Groups {
				path, _ := lds.FileOfGroup(group)
				if v.Status == Passed && !bytes.Equal(files[path.Path()], p.Files[path.Path()]) {
					t.Errorf("DG%d was changed and passes", group)
				}
			}
		}
		if got.ActiveAuth.Status == Passed {
			t.Error("a signature nobody made proves the chip")
		}
	})
}
