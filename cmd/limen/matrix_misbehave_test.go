package main

import (
	"crypto"
	"slices"
	"strings"
	"testing"

	"limen/mrtd"
	"limen/mrtd/access"
	"limen/mrtd/chipsim"
	"limen/mrtd/lds"
	"limen/mrtd/report"
)

// misbehaviorProfiles are chips that depart from Doc 9303 by every name that
// package chipsim has, and what a reading makes of it.
func misbehaviorProfiles() []profile {
	return slices.Concat(openingMisbehaviors(), lengthMisbehaviors(), fileMisbehaviors(), proofMisbehaviors(), returningMisbehaviors())
}

// twoVariants open a chip by the second that it lists where the first is refused.
func twoVariants(p *profile) {
	pace("ECDH-GM", access.AES128, 13)(p)
	pace("ECDH-GM", access.AES256, 13)(p)
	slices.Reverse(p.spec.PACE)
}

func openingMisbehaviors() []profile {
	gm, cam := pace("ECDH-GM", access.AES128, 13), pace("ECDH-CAM", access.AES128, 13)
	var all []profile
	for _, name := range []string{"master_file_refused", "master_file_6a81", "master_file_6a86", "master_file_6a87", "master_file_6985", "master_file_6d00"} {
		all = append(all, document("10 3.11", gm, misbehaves(name, string(mrtd.QuirkMasterFileRefused))),
			document("10 3.11", bac, misbehaves(name))) // it has no file there
	}
	// EF.CardAccess does not say what the signed DG14 does: someone may have hidden PACE.
	for name, quirk := range map[string][]string{
		"card_access_unreadable": {string(mrtd.QuirkCardAccessUnreadable)}, "card_access_6985": {string(mrtd.QuirkCardAccessUnreadable)},
		"card_access_empty": {string(mrtd.QuirkCardAccessUnreadable)}, "card_access_absent": nil,
	} {
		all = append(all, document("11 4.2", bac, gm, misbehaves(name, quirk...), opensBy("BAC", "pace_not_offered"), ends(1, "pace_hidden:EF.CardAccess")),
			document("11 4.2", gm, misbehaves(name, quirk...), closed(3, "chip_read_failed", "chip_read_failed:DG1", "chip_read_failed:DG2", "chip_read_failed:EF.SOD")))
	}
	for _, way := range []part{bac, gm} {
		all = append(all,
			document("10 3.6.1", way, misbehaves("application_wants_file_information", string(mrtd.QuirkApplicationWantsFCI))),
			document("10 3.6.1", way, misbehaves("file_information_unasked")),
			document("10 3.6.1", way, misbehaves("le_unwanted")),
		)
	}
	return append(all,
		document("11 4.4.4", twoVariants, misbehaves("pace_variant_refused", string(mrtd.QuirkPACEVariantRefused)),
			gives(func(o *outcome) { o.channel = "AES-128 brainpoolP256r1" })),
		document("11 4.4.4", bac, gm, misbehaves("pace_variant_refused"), opensBy("BAC", "pace_failed_bac_used")),
		document("11 4.4.4", gm, misbehaves("pace_parameters_wanted", string(mrtd.QuirkPACEParametersWanted))),
		document("11 4.4.4", cam, misbehaves("pace_parameters_wanted", string(mrtd.QuirkPACEParametersWanted))),
		document("11 4.4.4", gm, byCAN, misbehaves("pace_tries_counted")),
		document("11 4.4.4", gm, misbehaves("pace_tries_counted")),
		document("11 4.4", bac, gm, misbehaves("pace_token_refused"), opensBy("BAC", "pace_failed_bac_used")),
		document("11 4.4", bac, cam, misbehaves("pace_token_refused"), opensBy("BAC", "pace_failed_bac_used")),
		document("11 4.4", gm, misbehaves("pace_token_refused"), closed(1, "chip_access_denied", "pace_failed", "file_unread:DG1", "file_unread:DG2", "file_unread:EF.SOD")),
		document("11 4.4", bac, gm, misbehaves("pace_breaks_off"), opensBy("BAC", "pace_failed_bac_used")),
		document("11 4.4", bac, gm, misbehaves("chain_left_open", string(mrtd.QuirkChainLeftOpen)), opensBy("BAC", "pace_failed_bac_used")),
		document("11 4.4", bac, twoVariants, misbehaves("chain_left_open", string(mrtd.QuirkChainLeftOpen)), opensBy("BAC", "pace_failed_bac_used")),
		document("11 4.3", bac, misbehaves("bac_answers_key_not_found", string(mrtd.QuirkBACRefusedAsMissing)), closed(1, "chip_access_denied")),
		document("11 4.3", bac, gm, misbehaves("bac_answers_key_not_found")),
	)
}

// unread is a chip that BAC opens and that gives nothing of worth.
func unread(p *profile) {
	closed(3, "chip_read_failed", "chip_read_failed:DG1", "chip_read_failed:DG2", "chip_read_failed:EF.SOD")(p)
	p.want.access = "BAC"
}

func lengthMisbehaviors() []profile {
	short, gm := reading("--max-le", "256"), pace("ECDH-GM", access.AES128, 13)
	length, extended := string(mrtd.QuirkLengthRefused), string(mrtd.QuirkExtendedRefused)
	bare, over, end := string(mrtd.QuirkBareError), string(mrtd.QuirkSessionBrokenOff), string(mrtd.QuirkPastEndRefused)
	var all []profile
	for n, way := range []part{bac, gm} {
		for _, m := range []struct {
			name   string
			quirks []string // in short lengths
			long   []string // and in extended
		}{
			{"no_short_identifiers", []string{string(mrtd.QuirkNoShortIdentifiers)}, []string{string(mrtd.QuirkNoShortIdentifiers)}},
			{"length_refused", []string{length}, []string{extended, length}},
			{"length_refused_160", []string{length}, []string{extended, length}},
			{"length_refused_6282", []string{length}, []string{extended, length}},
			{"length_refused_6f00", []string{length}, []string{extended, length}},
			{"exact_length_named", []string{length}, []string{extended}},
			{"extended_length_refused", nil, []string{extended}},
			{"past_end_refused", []string{end}, []string{end}},
			{"past_end_6282", []string{end}, []string{end}},
			{"short_answer", []string{string(mrtd.QuirkShortAnswer)}, []string{string(mrtd.QuirkShortAnswer)}},
			{"empty_success", []string{string(mrtd.QuirkEmptySuccess)}, []string{string(mrtd.QuirkEmptySuccess), extended}},
			{"answers_in_pieces", nil, nil},
			{"error_outside_secure_messaging", []string{bare, length}, []string{bare, extended, length}},
			{"error_not_counted", []string{bare, over, length}, []string{bare, over, extended, length}},
			{"session_broken_off", []string{bare, over, length}, []string{bare, over, extended, length}},
			{"checksum_wrong_once", []string{string(mrtd.QuirkChecksumAtEnd)}, []string{string(mrtd.QuirkChecksumAtEnd)}},
			{"status_object_missing", []string{string(mrtd.QuirkStatusMissing)}, []string{string(mrtd.QuirkStatusMissing)}},
			{"files_padded", nil, nil},
		} {
			all = append(all, document("10 3.6.3", way, misbehaves(m.name, m.quirks...), short))
			if m.name == "exact_length_named" && n == 1 { // EF.CardAccess comes in short length
				m.long = append(m.long, length)
			}
			if m.name == "status_object_missing" && n == 0 { // every file comes at once and with 6282, which stands inside
				m.long = nil
			}
			all = append(all, document("10 3.6.3", way, misbehaves(m.name, m.long...)))
		}
	}
	return append(all,
		document("10 3.6.3", bac, misbehaves("length_refused_224", length), short),
		document("10 3.6.3", gm, misbehaves("length_refused_224", length), short), // EF.CardAccess alone: AES leaves room for 223
		document("10 3.6.3", bac, misbehaves("endless_answers"), unread),
		document("10 3.6.3", bac, misbehaves("answers_too_long"), unread),
		document("10 3.6.3", bac, misbehaves("one_byte_answers", string(mrtd.QuirkShortAnswer)), short, unread),
	)
}

func fileMisbehaviors() []profile {
	gm := pace("ECDH-GM", access.AES128, 13)
	var all []profile
	for _, way := range []part{bac, gm} {
		for _, name := range []string{"optional_file_6982", "optional_file_6985"} {
			all = append(all, document("10 3.11", way, misbehaves(name)), document("10 4.6.1", way, misbehaves(name), without(lds.EFCOM)))
		}
	}
	for _, name := range []string{"group_withheld", "group_withheld_6982", "group_withheld_6a88"} {
		all = append(all, document("10 4.6", bac, bears(12, "text"), misbehaves(name),
			gives(func(o *outcome) { o.groups = []int{1, 2} }), ends(3, "chip_read_failed")))
	}
	return all
}

func proofMisbehaviors() []profile {
	ca, two := proves(onCurve(access.AES128, "P-256", -1)), proves(onCurve(access.AES256, "P-256", 1), onCurve(access.AES128, "brainpoolP256r1", 2))
	rsa, curve := signsRSA(1024, crypto.SHA256), signsECDSA("brainpoolP256r1", false, crypto.SHA256)
	length, failed := string(mrtd.QuirkActiveAuthLength), report.Failed
	chipFails := gives(func(o *outcome) { o.chip = failed })
	activeFails := gives(func(o *outcome) { o.active = failed })
	var all []profile
	for _, way := range []part{bac, pace("ECDH-GM", access.AES128, 13)} {
		all = append(all,
			document("11 6.2", way, ca, misbehaves("chip_authentication_key_missing"), chipFails, ends(1, "chip_authentication_failed")),
			document("11 6.2", way, ca, misbehaves("chip_authentication_old_keys"), chipFails, ends(1, "chip_authentication_failed")),
			document("11 6.2", way, ca, misbehaves("chip_authentication_refused"), chipFails, ends(1, "chip_authentication_declined")),
			document("11 6.2", way, two, misbehaves("chip_authentication_key_refused", string(mrtd.QuirkChipAuthKeyRefused))),
			document("11 6.1", way, rsa, misbehaves("active_authentication_key_missing"), activeFails, ends(1, "active_authentication_failed")),
			document("11 6.1", way, curve, misbehaves("active_authentication_key_missing"), activeFails, ends(1, "active_authentication_failed")),
			document("11 6.1", way, rsa, misbehaves("active_authentication_replayed"), activeFails, ends(1, "active_authentication_failed")),
			document("11 6.1", way, rsa, misbehaves("active_authentication_refused"), activeFails, ends(1, "active_authentication_declined")),
			document("11 6.1", way, curve, misbehaves("active_authentication_unprotected"), activeFails, ends(1, "active_authentication_declined")),
			document("11 6.1", way, rsa, misbehaves("active_authentication_length", length)),
			document("11 6.1", way, curve, misbehaves("active_authentication_length", length),
				misbehaves("session_broken_off", string(mrtd.QuirkSessionBrokenOff), string(mrtd.QuirkBareError), string(mrtd.QuirkLengthRefused), string(mrtd.QuirkExtendedRefused))),
			document("11 6.1", way, rsa, misbehaves("active_authentication_length_256")),
			document("11 6.1", way, signsRSA(2048, crypto.SHA256), misbehaves("active_authentication_cut")),
			document("11 6.1", way, rsa, misbehaves("active_authentication_empty")),
			document("11 6.1", way, curve, misbehaves("active_authentication_der")),
			document("11 6.1", way, rsa, misbehaves("active_authentication_smaller")),
		)
	}
	return all
}

func returningMisbehaviors() []profile {
	returned := string(mrtd.QuirkChipReturned)
	ca, rsa := proves(onCurve(access.AES128, "P-256", 1)), signsRSA(1024, crypto.SHA256)
	var all []profile
	for _, way := range []part{bac, pace("ECDH-GM", access.AES128, 13), pace("ECDH-CAM", access.AES128, 13)} {
		all = append(all, document("11 4.2", way, ca, rsa, misbehaves("chip_returned", returned)))
	}
	return append(all, document("11 4.2", bac, reading("--max-le", "96", "--wait", "1s"), misbehaves("chip_lost", returned),
		closed(3, "chip_lost", "chip_lost:DG1", "chip_lost:DG2", "chip_lost:EF.SOD"), opensBy("BAC")))
}

// Every misbehavior that a chip has a name for is in the matrix.
func TestMatrixHasEveryMisbehavior(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range matrix() {
		for _, name := range p.faults {
			seen[name] = true
		}
	}
	for _, m := range chipsim.Misbehaviors() {
		if !seen[m.Name] {
			t.Errorf("%s (%s) is in no profile", m.Name, strings.TrimSpace(m.About))
		}
	}
}
