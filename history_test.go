package limen

import (
	"bytes"
	"crypto/ed25519"
	"image"
	"image/jpeg"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"limen/mrtd/access"
	"limen/mrtd/chipsim"
	"limen/mrtd/specimen"
	"limen/mrtd/trust"
)

// twins are two chips that say the same document number: the second is
// personalized anew, with another key.
func twins(t *testing.T) (genuine, other chipsim.Passport, lines []string, store *trust.Store) {
	t.Helper()
	_, lines, _ = utopian(t)
	authority, err := specimen.NewAuthority(specimen.DefaultProfile(day.AddDate(-2, 0, 0)), specimen.Seed("test"))
	if err != nil {
		t.Fatal(err)
	}
	var portrait bytes.Buffer
	if err := jpeg.Encode(&portrait, image.NewGray(image.Rect(0, 0, 64, 80)), nil); err != nil {
		t.Fatal(err)
	}
	made := make([]chipsim.Passport, 2)
	for i := range made {
		made[i], err = authority.Issue(specimen.Spec{Lines: lines, Portrait: portrait.Bytes(), BAC: true, SignedAt: day.AddDate(0, -23, i),
			ChipAuth: []specimen.ChipAuth{{Cipher: access.AES128, Curve: "brainpoolP256r1", KeyID: -1}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	return made[0], made[1], lines, trusting(t, authority)
}

// asEarlier is a record as the history tells of it.
func asEarlier(r Record) Earlier {
	return Earlier{Record: r.ID, At: r.Started.Time(), Site: r.Site, Device: r.Device, Outcome: r.Decision.Outcome,
		Pseudonym: r.Document.Pseudonym, Proof: r.Chip.Proof, SODMark: r.Chip.SODMark, KeyMark: r.Chip.KeyMark}
}

// What was seen before is held against what is seen now; the policy says what
// refers, and the rest is a note.
func TestHistoryIsAsked(t *testing.T) {
	genuine, other, lines, store := twins(t)
	places := map[string]Place{"utopia-airport": {54.6341, 25.2858}, "far-port": {55.7068, 21.1273}, "next-door": {54.6400, 25.2900}} // Vilnius and Klaipėda: 290 km
	first := func(chip chipsim.Passport) Earlier {
		var out Earlier
		synctest.Test(t, func(t *testing.T) {
			x := newCrossing(t)
			x.chip, x.printed.Lines, x.in.Trust = chip, lines, store
			f := x.run()
			if f.Record.Decision.Outcome != Admit || len(f.Record.Chip.SODMark) != MarkSize || len(f.Record.Chip.KeyMark) != MarkSize {
				t.Fatalf("the first crossing: %s %v, marks %x %x", f.Record.Decision.Outcome, codes(f.Record.Decision.Reasons), f.Record.Chip.SODMark, f.Record.Chip.KeyMark)
			}
			out = asEarlier(f.Record)
		})
		return out
	}
	same, cloned := first(genuine), first(other)
	at := func(e Earlier, site string, ago time.Duration) Earlier {
		e.Site, e.At = site, day.Add(-ago)
		return e
	}
	for _, c := range []struct {
		name    string
		earlier []Earlier
		change  func(*crossing)
		outcome Outcome
		reasons []string
		notes   []string
	}{
		{"never seen", nil, nil, Admit, nil, nil},
		{"seen here a minute ago", []Earlier{at(same, "utopia-airport", time.Minute)}, nil, Admit, nil, []string{"seen_before"}},
		{"seen next door a minute ago", []Earlier{at(same, "next-door", time.Minute)}, nil, Admit, nil, []string{"seen_before"}},
		{"seen far away four hours ago", []Earlier{at(same, "far-port", 4*time.Hour)}, nil, Admit, nil, []string{"seen_before"}},
		{"seen far away ten minutes ago", []Earlier{at(same, "far-port", 10*time.Minute)}, nil, Refer, []string{"travel_impossible:far-port"}, []string{"seen_before"}},
		{"seen far away in ten minutes, by a clock that is ahead", []Earlier{at(same, "far-port", -10*time.Minute)}, nil, Refer, []string{"travel_impossible:far-port"}, []string{"seen_before"}},
		{"the same, and the policy only notes it", []Earlier{at(same, "far-port", 10*time.Minute)}, func(x *crossing) { x.in.Policy.History.Refer = nil }, Admit, nil, []string{"seen_before", "travel_impossible:far-port"}},
		{"the same, and the policy knows no speed", []Earlier{at(same, "far-port", 10*time.Minute)}, func(x *crossing) { x.in.Policy.History.TravelSpeed = 0 }, Admit, nil, []string{"seen_before"}},
		{"seen where nobody knows", []Earlier{at(same, "nowhere", time.Minute)}, nil, Admit, nil, []string{"seen_before", "place_unknown:nowhere"}},
		{"seen where nobody knows, and the policy demands an answer", []Earlier{at(same, "nowhere", time.Minute)}, func(x *crossing) { x.in.Policy.Mandatory = append(x.in.Policy.Mandatory, "history:travel") }, Refer, []string{"place_unknown:nowhere"}, []string{"seen_before"}},
		{"another chip", []Earlier{at(cloned, "utopia-airport", time.Hour)}, nil, Refer, []string{"chip_key_changed:utopia-airport", "chip_data_changed:utopia-airport"}, []string{"seen_before"}},
		{"another chip, longer ago than the same one", []Earlier{at(same, "utopia-airport", time.Minute), at(cloned, "utopia-airport", time.Hour)}, nil, Refer, []string{"chip_key_changed:utopia-airport", "chip_data_changed:utopia-airport"}, []string{"seen_before"}},
		{"another chip, marked under a fleet key that is gone", []Earlier{func() Earlier {
			e := at(cloned, "utopia-airport", time.Hour)
			e.SODMark, e.KeyMark = slices.Concat(Mark("gone"), e.SODMark[4:]), slices.Concat(Mark("gone"), e.KeyMark[4:])
			return e
		}()}, nil, Admit, nil, []string{"seen_before"}},
		{"the same chip, marked under the fleet key before", []Earlier{func() Earlier {
			e := at(same, "utopia-airport", time.Hour)
			marks := (&fakes{}).Marks("sod", e.Pseudonym, genuine.Files[0x011D])
			e.SODMark, e.KeyMark = marks[1], nil
			return e
		}()}, nil, Admit, nil, []string{"seen_before"}},
		{"seen before, and the chip is silent", []Earlier{at(same, "utopia-airport", time.Hour)}, func(x *crossing) { x.chip.Files = nil }, Refer, []string{"chip_no_answer"}, []string{"seen_before"}},
		{"refused an hour ago", []Earlier{func() Earlier { e := at(same, "next-door", time.Hour); e.Officer = Refuse; return e }()}, nil, Refer, []string{"refused_before:next-door"}, []string{"seen_before"}},
		{"refused last month", []Earlier{func() Earlier { e := at(same, "next-door", 30*24*time.Hour); e.Officer = Refuse; return e }()}, nil, Admit, nil, []string{"seen_before"}},
		{"admitted by an officer", []Earlier{func() Earlier { e := at(same, "next-door", time.Hour); e.Officer = Admit; return e }()}, nil, Admit, nil, []string{"seen_before"}},
		{"on a list of lost documents then", []Earlier{func() Earlier { e := at(same, "next-door", time.Hour); e.Lost = true; return e }()}, nil, Refer, []string{"lost_before:next-door"}, []string{"seen_before"}},
		{"no history is kept of such documents", []Earlier{at(cloned, "far-port", time.Minute)}, func(x *crossing) { x.in.Scope = Scope{{[]string{"ID"}, []string{"*"}}} }, Admit, nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newCrossing(t)
				x.chip, x.printed.Lines, x.in.Trust, x.in.Places = genuine, lines, store, places
				x.in.Policy.History = HistoryPolicy{TravelSpeed: 1000, TravelMargin: 30, RefusedWithin: 24 * time.Hour, Refer: historyReasons}
				x.ports.earlier = c.earlier
				if c.change != nil {
					c.change(x)
				}
				f := x.run()
				d := f.Record.Decision
				notes := slices.DeleteFunc(codes(d.Notes), func(s string) bool { return s == "pace_not_offered" })
				if d.Outcome != c.outcome || !slices.Equal(codes(d.Reasons), c.reasons) || !slices.Equal(notes, c.notes) {
					t.Errorf("got %s %v notes %v; want %s %v notes %v", d.Outcome, codes(d.Reasons), notes, c.outcome, c.reasons, c.notes)
				}
			})
		})
	}
}

// Of a document that is out of scope the record holds nothing to find it by.
func TestOutOfScopeLeavesNoPseudonym(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newCrossing(t)
		x.in.Scope = nil
		r := x.run().Record
		if (r.Document.Pseudonym != Pseudonym{}) || r.Chip.SODMark != nil || r.Chip.KeyMark != nil {
			t.Errorf("got pseudonym %x, marks %x %x; want none", r.Document.Pseudonym, r.Chip.SODMark, r.Chip.KeyMark)
		}
		i := slices.IndexFunc(r.Checks, func(c Check) bool { return c.Name == CheckHistory })
		if i < 0 || r.Checks[i].Status != NotPerformed || r.Checks[i].Reasons[0].Code != HistoryNotKept {
			t.Errorf("history check: got %+v, want not performed, %s", r.Checks, HistoryNotKept)
		}
	})
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b Place
		km   float64
	}{
		{"Heathrow to Kennedy", Place{51.4775, -0.4614}, Place{40.6413, -73.7781}, 5540},
		{"over the antimeridian", Place{0, 179.5}, Place{0, -179.5}, 111.2},
		{"pole to pole", Place{90, 0}, Place{-90, 77}, 20015},
		{"nowhere", Place{1, 2}, Place{1, 2}, 0},
	} {
		if got := c.a.distance(c.b); math.Abs(got-c.km) > c.km*0.01+0.1 {
			t.Errorf("%s: got %.1f km, want %.1f", c.name, got, c.km)
		}
	}
}

func TestScope(t *testing.T) {
	passport := Document{Code: "PN", Issuer: "UTO"}
	for _, c := range []struct {
		name  string
		scope Scope
		want  bool
	}{
		{"nothing is said", nil, false},
		{"an empty rule", Scope{{}}, false},
		{"code and state", Scope{{[]string{"P"}, []string{"UTO"}}}, true},
		{"everything", Scope{{[]string{"*"}, []string{"*"}}}, true},
		{"another state", Scope{{[]string{"P"}, []string{"D"}}}, false},
		{"another code", Scope{{[]string{"ID", ""}, []string{"*"}}}, false},
		{"the second rule", Scope{{[]string{"ID"}, []string{"*"}}, {[]string{"P"}, []string{"UTO"}}}, true},
	} {
		if got := c.scope.covers(passport); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func TestCorrections(t *testing.T) {
	about, key := sampleRecord(), testKey{ed25519.NewKeyFromSeed(make([]byte, 32))}
	r, err := NewCorrection(about, 7, "4711", "the traveler was admitted by hand", "c1", day, key)
	if err != nil {
		t.Fatal(err)
	}
	b, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	read, err := DecodeRecord(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := read.VerifyCorrection(); err != nil || read.Correction.Index != 7 || read.Correction.Record != about.ID || read.Document != about.Document {
		t.Errorf("got %+v, %v", read.Correction, err)
	}
	read.Correction.Says = "nothing"
	if err := read.VerifyCorrection(); err == nil {
		t.Error("a changed correction was taken")
	}
	if err := about.VerifyCorrection(); err == nil {
		t.Error("an inspection was taken for a correction")
	}
	for name, bad := range map[string]error{
		"no officer": third(NewCorrection(about, 7, "", "x", "c", day, key)),
		"no words":   third(NewCorrection(about, 7, "1", "", "c", day, key)),
		"too long":   third(NewCorrection(about, 7, "1", strings.Repeat("x", maxSaid+1), "c", day, key)),
		"of another": third(NewCorrection(r, 7, "1", "x", "c", day, key)),
		"no reason":  third(NewQuestion(Question{Who: "1", What: "find"}, "s", "d", "q", day)),
		"nobody":     third(NewQuestion(Question{Why: "1", What: "find"}, "s", "d", "q", day)),
	} {
		if bad == nil {
			t.Errorf("%s: was accepted", name)
		}
	}
}

func third(_ Record, err error) error { return err }
