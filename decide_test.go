package limen

import (
	"slices"
	"strings"
	"testing"
)

// testPolicy demands what a gate demands.
func testPolicy() Policy {
	return Policy{
		Name:      "test",
		Mandatory: []Requirement{"mrz", "chip_access", "chip_read", "sod_signature", "csca_chain", "dg_hash:DG1", "dg_hash:DG2", "face_capture", "face_match"},
		Lookups:   []LookupPolicy{{Name: "national", Mandatory: true, Offline: OfflineRefer}},
	}
}

// clean is the evidence of a traveller with whom nothing is wrong.
func clean() Evidence {
	return Evidence{Checks: []Check{
		pass(CheckMRZ), pass(CheckEligibility), pass(CheckExpiry), pass(CheckChipAccess), pass(CheckChipRead),
		pass(CheckSODSignature), pass(CheckCSCAChain), pass(CheckDGHash).of("DG1"), pass(CheckDGHash).of("DG2"),
		pass(CheckMRZChip), notPerformed(CheckChipGenuine, because(NotSupported)), pass(CheckFace), pass(CheckPortrait), pass(CheckFaceMatch),
		pass(CheckLookup).of("national"), pass(CheckHistory), pass(CheckCompleted),
	}}
}

// with replaces the checks of the same name and subject.
func with(e Evidence, replacements ...Check) Evidence {
	e.Checks = slices.Clone(e.Checks)
	for _, r := range replacements {
		i := slices.IndexFunc(e.Checks, func(c Check) bool { return c.Name == r.Name && c.Subject == r.Subject })
		e.Checks[i] = r
	}
	return e
}

func codes(reasons []Reason) []string {
	var out []string
	for _, r := range reasons {
		out = append(out, r.String())
	}
	return out
}

func TestDecide(t *testing.T) {
	accept := testPolicy()
	accept.Lookups[0].Offline = OfflineAccept
	for _, c := range []struct {
		name     string
		evidence Evidence
		policy   Policy
		outcome  Outcome
		reasons  []string
		notes    []string
		advice   Recommendation
	}{
		{"nothing wrong", clean(), testPolicy(), Admit, nil, nil, RecommendNone},
		{"no evidence at all", Evidence{}, testPolicy(), Refer,
			[]string{"mandatory_check_missing:mrz", "mandatory_check_missing:chip_access", "mandatory_check_missing:chip_read", "mandatory_check_missing:sod_signature",
				"mandatory_check_missing:csca_chain", "mandatory_check_missing:dg_hash:DG1", "mandatory_check_missing:dg_hash:DG2", "mandatory_check_missing:face_capture",
				"mandatory_check_missing:face_match", "mandatory_check_missing:lookup:national"}, nil, RecommendServe},
		{"no evidence and no demands", Evidence{}, Policy{}, Refer, nil, nil, RecommendRepeat},
		{"a note does not refer", with(clean(), pass(CheckChipAccess, because(PACENotOffered))), testPolicy(), Admit, nil, []string{"pace_not_offered"}, RecommendNone},
		{"a failure refers though nobody demanded the check", with(clean(), fail(CheckExpiry, because(DocumentExpired))), testPolicy(), Refer, []string{"document_expired"}, nil, RecommendServe},
		{"a check without answer refers where it is demanded", with(clean(), inconclusive(CheckChipRead, because(ChipLost))), testPolicy(), Refer, []string{"chip_lost"}, nil, RecommendRepeat},
		{"a check without answer and without demand is noted", with(clean(), inconclusive(CheckHistory, because(HistoryAway))), testPolicy(), Admit, nil, []string{"history_unavailable"}, RecommendNone},
		{"a file that is not there is noted", with(clean(), Check{Name: CheckMRZChip, Status: NotPresent, Reasons: []Reason{because("com_absent")}}), testPolicy(), Admit, nil, []string{"com_absent"}, RecommendNone},
		{"consequences are not causes", with(clean(), fail(CheckDGHash, because("dg_hash_mismatch", "DG2")).of("DG2"), needs(CheckFaceMatch, CheckDGHash)), testPolicy(),
			Refer, []string{"dg_hash_mismatch:DG2"}, nil, RecommendExamine},
		{"a consequence alone still refers", with(clean(), needs(CheckFaceMatch, CheckDGHash)), testPolicy(), Refer, []string{"prerequisite_missing:dg_hash"}, nil, RecommendExamine},
		{"the zero status is not passed", with(clean(), Check{Name: CheckFaceMatch}), testPolicy(), Refer, []string{"mandatory_check_missing:face_match"}, nil, RecommendServe},
		{"a hit outweighs nothing but is gravest", with(clean(), fail(CheckLookup, because(StopListHit, "national")).of("national"), inconclusive(CheckChipRead, because(ChipLost))), testPolicy(),
			Refer, []string{"chip_lost", "stop_list_hit:national"}, nil, RecommendHold},
		{"a database away refers", with(clean(), inconclusive(CheckLookup, because(LookupUnavailable, "national")).of("national")), testPolicy(),
			Refer, []string{"lookup_unavailable:national"}, nil, RecommendServe},
		{"a database away may be borne, visibly", with(clean(), notPerformed(CheckLookup, because(LookupUnavailable, "national")).of("national")), accept,
			Admit, nil, []string{"lookup_unavailable:national"}, RecommendNone},
		{"an inspection cut short refers", with(clean(), inconclusive(CheckCompleted, because(CutShort))), testPolicy(), Refer, []string{"inspection_cut_short"}, nil, RecommendRepeat},
	} {
		got := Decide(c.evidence, c.policy)
		if got.Outcome != c.outcome || !slices.Equal(codes(got.Reasons), c.reasons) || !slices.Equal(codes(got.Notes), c.notes) || got.Recommendation != c.advice {
			t.Errorf("%s: got %s %v notes %v, %q; want %s %v notes %v, %q", c.name,
				got.Outcome, codes(got.Reasons), codes(got.Notes), got.Recommendation, c.outcome, c.reasons, c.notes, c.advice)
		}
	}
}

// Whatever becomes of one demanded check, only "passed" admits.
func TestOnlyPassedAdmits(t *testing.T) {
	p := testPolicy()
	for i, c := range clean().Checks {
		demanded := slices.ContainsFunc(p.Mandatory, func(r Requirement) bool { return r.matches(c) }) || c.Name == CheckLookup || c.Name == CheckCompleted
		for _, s := range []Status{"", NotPresent, NotPerformed, Inconclusive, Failed, Passed} {
			e := clean()
			e.Checks[i].Status = s
			want := Admit
			if s == Failed || demanded && s != Passed {
				want = Refer
			}
			if got := Decide(e, p).Outcome; got != want {
				t.Errorf("%s %s with status %q: got %s, want %s", c.Name, c.Subject, s, got, want)
			}
		}
	}
}

// A demanded check that was answered twice has to have passed twice.
func TestACheckAnsweredTwiceCountsTwice(t *testing.T) {
	p := testPolicy()
	for _, c := range clean().Checks {
		demanded := slices.ContainsFunc(p.Mandatory, func(r Requirement) bool { return r.matches(c) }) || c.Name == CheckLookup || c.Name == CheckCompleted
		if !demanded {
			continue
		}
		e := clean()
		e.Checks = append(e.Checks, inconclusive(c.Name, because(CutShort)).of(c.Subject))
		if got := Decide(e, p).Outcome; got != Refer {
			t.Errorf("%s %s passed and then inconclusive: got %s, want %s", c.Name, c.Subject, got, Refer)
		}
	}
}

func TestALookupIsListedOnce(t *testing.T) {
	p := linePolicy()
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	again := p.Lookups[0]
	again.Mandatory = false
	p.Lookups = append([]LookupPolicy{again}, p.Lookups...)
	if err := p.Validate(); err == nil || !strings.HasPrefix(err.Error(), "lookups[1].name: ") {
		t.Errorf("a lookup listed twice: got %v, want an error at lookups[1].name", err)
	}
}

// A machine never refuses: that word is an officer's.
func TestMachineNeverRefuses(t *testing.T) {
	e := clean()
	for i := range e.Checks {
		e.Checks[i].Status = Failed
	}
	if got := Decide(e, testPolicy()).Outcome; got != Refer {
		t.Errorf("everything failed: got %s, want %s", got, Refer)
	}
}
