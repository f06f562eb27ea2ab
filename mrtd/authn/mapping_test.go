package authn

import (
	"testing"

	"limen/mrtd/chipsim"
	"limen/mrtd/lds"
	"limen/mrtd/specimen"
)

func TestChipMapping(t *testing.T) {
	cam := chipsim.PACE{OID: "0.4.0.127.0.7.2.2.4.6.2", ParameterID: 13}
	gm := chipsim.PACE{OID: "0.4.0.127.0.7.2.2.4.2.2", ParameterID: 13}
	with, store := proving(t, specimen.Spec{PACE: []chipsim.PACE{cam, gm}})
	without, _ := proving(t, specimen.Spec{PACE: []chipsim.PACE{gm}})
	access, dg14 := lds.EFCardAccess.Path(), lds.Path(0x010E)
	judge := func(p chipsim.Passport, files map[lds.Path][]byte) Result {
		return PassiveFile(p.Files[lds.EFSOD.Path()], map[int][]byte{14: files[dg14]}, store, check)
	}
	passed := Verdict{Status: Passed}
	for _, c := range []struct {
		name               string
		o                  Outcome
		security           Verdict
		cardAccess, signed []byte
		r                  Result
		want               string
	}{
		{"proven", Answered, passed, with.Files[access], with.Files[dg14], judge(with, with.Files), "passed"},
		{"by a key of nobody", Answered, Verdict{}, with.Files[access], with.Files[dg14], judge(with, with.Files), "inconclusive chip_key_not_authentic:EF.CardSecurity"},
		{"another key", Contradicted, passed, with.Files[access], with.Files[dg14], judge(with, with.Files), "failed chip_mapping_failed"},
		{"declined", Declined, passed, with.Files[access], with.Files[dg14], judge(with, with.Files), "failed chip_mapping_declined"},
		{"lost", Interrupted, passed, with.Files[access], with.Files[dg14], judge(with, with.Files), "inconclusive chip_mapping_interrupted"},
		{"not run", NotRun, Verdict{}, with.Files[access], with.Files[dg14], judge(with, with.Files), "not_performed"},
		{"not there", NotRun, Verdict{}, without.Files[access], without.Files[dg14], judge(without, without.Files), "not_present"},
		{"neither file", NotRun, Verdict{}, nil, nil, judge(without, without.Files), "not_present"},
		{"hidden", NotRun, Verdict{}, without.Files[access], with.Files[dg14], judge(with, with.Files), "failed chip_mapping_hidden:EF.CardAccess"},
		{"hidden with all of EF.CardAccess", NotRun, Verdict{}, nil, with.Files[dg14], judge(with, with.Files), "failed chip_mapping_hidden:EF.CardAccess"},
		{"listed in a DG14 of nobody", NotRun, Verdict{}, without.Files[access], with.Files[dg14], judge(without, with.Files), "not_present"},
	} {
		if got := ChipMapping(c.o, c.security, c.cardAccess, c.signed, c.r).String(); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}
