package mrtd_test

import (
	"context"
	"crypto"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"limen/mrtd"
	"limen/mrtd/access"
	"limen/mrtd/apdu"
	"limen/mrtd/ber"
	"limen/mrtd/chipsim"
	"limen/mrtd/lds"
	"limen/mrtd/specimen"
)

var (
	bestOfTwo = []chipsim.PACE{{OID: oidGM + "4", ParameterID: 12}, {OID: oidGM + "2", ParameterID: 12}}
	onlyBAC   = []chipsim.PACE{}
)

// everything bears all there is to misbehave with: BAC beside the variants of
// PACE, two keys of chip authentication, one of active authentication, a group
// besides, and one that takes many reads.
func everything(t *testing.T, pace []chipsim.PACE) chipsim.Passport {
	t.Helper()
	at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	a, err := specimen.NewAuthority(specimen.DefaultProfile(at), specimen.Seed("everything"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := a.Issue(specimen.Spec{
		Lines: strings.Split(specimenMRZ, "\n"), BAC: true, PACE: pace, SignedAt: at,
		ChipAuth:   []specimen.ChipAuth{{Cipher: access.AES256, Curve: "P-256", KeyID: 1}, {Cipher: access.AES128, Curve: "P-256", KeyID: 2}},
		ActiveAuth: &specimen.ActiveAuth{Bits: 1024, Hash: crypto.SHA1},
		Groups:     map[int][]byte{2: ber.Encode(0x75, filler(2500)), 12: ber.Encode(0x6C, filler(40))},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// misbehave reads a chip that misbehaves, by a reader that carries every length.
// One that was lost is laid on it again.
func misbehave(t *testing.T, p chipsim.Passport, maxLe int, misbehaviors ...string) (mrtd.Reading, error) {
	t.Helper()
	faults, err := chipsim.Misbehave(misbehaviors...)
	if err != nil {
		t.Fatal(err)
	}
	card := carrying{chipsim.New(p, chipsim.Options{Faults: faults}), 65544, 65538}
	return mrtd.Read(t.Context(), card, both, mrtd.Options{
		Groups: []int{1, 2, 12, 14, 15}, Proof: mrtd.ProofEvery, MaxLe: maxLe,
		Reconnect: func(context.Context) (apdu.Card, error) { card.Reset(); return card, nil },
	})
}

// Every quirk of the table is brought out by the misbehavior of its name, borne,
// and noted.
func TestEveryQuirkIsBorne(t *testing.T) {
	passports := map[string]chipsim.Passport{"": everything(t, bestOfTwo), "BAC": everything(t, onlyBAC)}
	for _, row := range mrtd.Tolerances() {
		t.Run(string(row.Quirk), func(t *testing.T) {
			var missing []lds.Path
			p, maxLe, want := passports[""], 256, error(nil)
			switch row.Quirk {
			case mrtd.QuirkExtendedRefused:
				maxLe = apdu.MaxLe
			case mrtd.QuirkBACRefusedAsMissing: // nothing else opens it
				p, want = passports["BAC"], mrtd.ErrAccessDenied
			case mrtd.QuirkCardAccessUnreadable:
				missing = append(missing, lds.EFCardAccess.Path())
			}
			r, err := misbehave(t, p, maxLe, string(row.Quirk))
			if !errors.Is(err, want) {
				t.Fatalf("got %v, want %v", err, want)
			}
			if !slices.Contains(r.Quirks, row.Quirk) {
				t.Errorf("quirks: got %v", r.Quirks)
			}
			if want == nil {
				same(t, p, r, missing...)
				proven(t, r)
			}
			if row.Seen == "" || row.Sign == "" || row.Does == "" || row.Risk == "" {
				t.Errorf("the row has an empty column: %+v", row)
			}
		})
	}
	if r, err := misbehave(t, passports[""], 256); err != nil || len(r.Quirks) > 0 {
		t.Errorf("a chip without quirks: got %v, %v", r.Quirks, err)
	}
}

func proven(t *testing.T, r mrtd.Reading) {
	t.Helper()
	if r.ChipAuth.State != mrtd.ProofCompleted || r.ActiveAuth.State != mrtd.ProofCompleted {
		t.Errorf("chip authentication %s (%s), active authentication %s (%s); want both completed",
			r.ChipAuth.State, r.ChipAuth.Problem, r.ActiveAuth.State, r.ActiveAuth.Problem)
	}
}

// unborne are the misbehaviors that leave something unread or unproven.
var unborne = []string{
	"bac_answers_key_not_found", "endless_answers", "one_byte_answers", "answers_too_long", "chip_authentication_old_keys", "group_withheld", "group_withheld_6982", "group_withheld_6a88", "chip_lost",
	"chip_authentication_key_missing", "chip_authentication_refused", "active_authentication_refused", "active_authentication_unprotected",
}

// However a chip says no, in secure messaging, outside it or with the end of the
// session, everything is read in spite of what else it does.
func TestMisbehaviorsTogetherAreBorne(t *testing.T) {
	ways := []string{"", "error_outside_secure_messaging", "error_not_counted", "session_broken_off", "no_short_identifiers", "files_padded"}
	chips := map[string]chipsim.Passport{"PACE": everything(t, bestOfTwo), "BAC": everything(t, onlyBAC)}
	for _, m := range chipsim.Misbehaviors() {
		if slices.Contains(unborne, m.Name) {
			continue
		}
		for channel, p := range chips {
			for _, way := range ways {
				for _, maxLe := range []int{256, apdu.MaxLe} {
					all := slices.DeleteFunc([]string{way, m.Name}, func(s string) bool { return s == "" })
					r, err := misbehave(t, p, maxLe, all...)
					if err != nil {
						t.Errorf("%s, Le %d, %v: %v", channel, maxLe, all, err)
						continue
					}
					for path, want := range p.Files {
						if got := r.Files[path]; string(got) != string(want) && path != lds.EFCardAccess.Path() {
							t.Errorf("%s, Le %d, %v: file %04X: got %d bytes, want %d", channel, maxLe, all, path, len(got), len(want))
						}
					}
					if r.ChipAuth.State != mrtd.ProofCompleted || r.ActiveAuth.State != mrtd.ProofCompleted {
						t.Errorf("%s, Le %d, %v: chip authentication %s (%s), active authentication %s (%s)",
							channel, maxLe, all, r.ChipAuth.State, r.ChipAuth.Problem, r.ActiveAuth.State, r.ActiveAuth.Problem)
					}
				}
			}
		}
	}
}

// A chip that slips out of the field once, wherever that is, and is laid on the
// reader again is read to its end and proves itself.
func TestChipReturnsAtEveryPoint(t *testing.T) {
	for _, p := range []chipsim.Passport{everything(t, bestOfTwo), everything(t, onlyBAC)} {
		whole, err := misbehave(t, p, 256)
		if err != nil {
			t.Fatal(err)
		}
		for n := 1; n < whole.Stats.Commands; n++ {
			card := carrying{chipsim.New(p, chipsim.Options{Faults: chipsim.Faults{SlipsAfter: n}}), 65544, 65538}
			r, err := mrtd.Read(t.Context(), card, both, mrtd.Options{
				Groups: []int{1, 2, 12, 14, 15}, Proof: mrtd.ProofEvery, MaxLe: 256,
				Reconnect: func(context.Context) (apdu.Card, error) { card.Reset(); return card, nil },
			})
			if err != nil || r.Returns != 1 || !slices.Equal(r.Quirks, []mrtd.Quirk{mrtd.QuirkChipReturned}) {
				t.Errorf("gone after %d: got %v, %d returns, quirks %v; want one and its quirk", n, err, r.Returns, r.Quirks)
			}
			same(t, p, r)
			proven(t, r)
		}
	}
}
