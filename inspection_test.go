package limen

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"limen/mrtd"
	"limen/mrtd/chipsim"
	"limen/mrtd/mrz"
	"limen/mrtd/specimen"
	"limen/mrtd/trust"
)

// The gate of these tests stands on this day.
var day = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// utopian is a specimen passport and the store that trusts its issuer.
func utopian(t *testing.T) (chipsim.Passport, []string, *trust.Store) {
	t.Helper()
	lines, err := mrz.Format(mrz.Fields{Layout: mrz.TD3, DocumentCode: "P", Issuer: "UTO", Number: "L898902C3", Nationality: "UTO",
		Primary: "ERIKSSON", Secondary: "ANNA MARIA", Sex: mrz.Female, Birth: mrz.Date{Year: 1974, Month: 8, Day: 12}, Expiry: mrz.Date{Year: 2031, Month: 4, Day: 15}})
	if err != nil {
		t.Fatal(err)
	}
	authority, err := specimen.NewAuthority(specimen.DefaultProfile(day.AddDate(-2, 0, 0)), specimen.Seed("test"))
	if err != nil {
		t.Fatal(err)
	}
	var portrait bytes.Buffer
	if err := jpeg.Encode(&portrait, image.NewGray(image.Rect(0, 0, 64, 80)), nil); err != nil {
		t.Fatal(err)
	}
	p, err := authority.Issue(specimen.Spec{Lines: lines, Portrait: portrait.Bytes(), BAC: true, SignedAt: day.AddDate(0, -23, 0)})
	if err != nil {
		t.Fatal(err)
	}
	return p, lines, trusting(t, authority)
}

// trusting is a store with an authority's certificate and its revocation list.
func trusting(t *testing.T, a *specimen.Authority, revoked ...specimen.Revoked) *trust.Store {
	t.Helper()
	store := trust.NewStore()
	crl, err := a.CRL(1, day.AddDate(0, 0, -1), day.AddDate(0, 3, 0), revoked...)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{a.CSCA(), crl} {
		if _, err := store.Import("test", b, nil, day); err != nil {
			t.Fatal(err)
		}
	}
	return store
}

// fakes are the ports of an inspection of which each can be made to fail.
type fakes struct {
	card     Chip
	cardErr  error
	face     LiveFace
	faceErr  error
	appended []Record
	earlier  []Earlier
	storeErr error
	touched  []string // ports that were used
	mu       sync.Mutex
}

func (f *fakes) touch(port string) { f.mu.Lock(); f.touched = append(f.touched, port); f.mu.Unlock() }

func (f *fakes) Connect(ctx context.Context) (Chip, error) {
	f.touch("chip")
	if f.cardErr == nil && f.card == nil {
		<-ctx.Done()
		return nil, &Unable{because(ChipNoAnswer), ctx.Err()}
	}
	return f.card, f.cardErr
}

func (f *fakes) Capture(ctx context.Context) (LiveFace, error) {
	f.touch("camera")
	if f.faceErr == nil && f.face == nil {
		<-ctx.Done()
		return fakeFace{why: []Reason{because(FaceNotFound)}}, nil
	}
	return f.face, f.faceErr
}

func (f *fakes) Decode(context.Context, []byte) (image.Image, error) {
	return image.NewGray(image.Rect(0, 0, 8, 8)), nil
}

// Describe measures nothing of a portrait but that it is there.
func (f *fakes) Describe(_ context.Context, portrait image.Image) (image.Image, func()) {
	return measuredPortrait{portrait}, func() {}
}

type measuredPortrait struct{ image.Image }

func (measuredPortrait) Quality() []Component {
	return []Component{{Name: "sharpness", Value: 60, Low: true}}
}

func (f *fakes) Append(_ context.Context, r Record, _ Subject) (Receipt, error) {
	if f.storeErr != nil {
		return Receipt{}, f.storeErr
	}
	f.appended = append(f.appended, r)
	return Receipt{Index: uint64(len(f.appended) - 1)}, nil
}

func (f *fakes) Subject(_ context.Context, about []Trace) (Subject, error) {
	return Subject{Pseudonym{1}, about}, nil
}

func (f *fakes) Earlier(context.Context, Subject, time.Time) ([]Earlier, error) {
	return f.earlier, nil
}

func (f *fakes) Traces(issuer, number string) []Trace { return []Trace{{}} }

// Marks of these tests: two fleet keys, of which the older marks as well.
func (f *fakes) Marks(what string, p Pseudonym, value []byte) (out []Mark) {
	for _, key := range []string{"new.", "old."} {
		h := sha256.Sum256(slices.Concat([]byte(key+what), p[:], value))
		out = append(out, append(Mark(key), h[:16]...))
	}
	return out
}

type fakeFace struct {
	score float64
	why   []Reason
	by    *Comparison // who judged; nil: an operational model
}

var demoModel = &Comparison{Threshold: 0.45, Model: "small", Grade: "demo", FMR: 0.001}

func (f fakeFace) Best() image.Image { return image.NewGray(image.Rect(0, 0, 8, 8)) }
func (f fakeFace) Reasons() []Reason { return f.why }
func (f fakeFace) Close()            {}
func (f fakeFace) Quality() []Component {
	return []Component{{Name: "sharpness", Value: 95}, {Name: "luminance_mean", Value: 80}}
}
func (f fakeFace) Compare(context.Context, image.Image) (Comparison, error) {
	if f.by != nil {
		c := *f.by
		c.Score = f.score
		return c, nil
	}
	return Comparison{Score: f.score, Threshold: 0.45, Model: "fake", Grade: "operational"}, nil
}

type fakeLookup struct {
	*fakes
	answer LookupAnswer
	err    error
	delay  time.Duration
}

func (fakeLookup) Name() string { return "national" }
func (f fakeLookup) Ask(ctx context.Context, _ LookupQuery) (LookupAnswer, error) {
	f.touch("lookup")
	if f.delay > 0 {
		select {
		case <-time.After(f.delay):
		case <-ctx.Done():
			return LookupAnswer{}, ctx.Err()
		}
	}
	return f.answer, f.err
}

type simChip struct{ *chipsim.Card }

func (simChip) Close() error { return nil }

// pulled is a chip whose reader is unplugged after so many commands.
type pulled struct {
	simChip
	left int
}

func (p *pulled) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	if p.left--; p.left < 0 {
		return nil, &Unable{because(ChipReaderAway), errors.New("the device was unplugged")}
	}
	return p.simChip.Transmit(ctx, command)
}

func linePolicy() Policy {
	return Policy{
		Name:        "test",
		Eligibility: Eligibility{Documents: []string{"P"}, Issuers: []string{"UTO"}, Nationalities: []string{"UTO"}, MinimumAge: 12},
		Mandatory: []Requirement{"mrz", "eligibility", "expiry", "chip_access", "chip_read", "sod_signature", "csca_chain", "issuer_country", "dg_hash:DG1", "dg_hash:DG2",
			"mrz_chip", "face_capture", "portrait", "face_match"},
		Face:    FacePolicy{FMR: 0.001},
		Lookups: []LookupPolicy{{Name: "national", Mandatory: true, TimeLimit: 3 * time.Second, Offline: OfflineRefer}},
		Times:   Times{Inspection: 30 * time.Second, ChipWait: 2 * time.Second, ChipRead: 10 * time.Second, Face: 5 * time.Second}, SeenWithin: time.Hour,
	}
}

// crossing is an inspection with everything in order, for cases to spoil.
type crossing struct {
	in      *Inspection
	ports   *fakes
	lookup  *fakeLookup
	printed Presented
	chip    chipsim.Passport
	faults  chipsim.Faults
	ctx     context.Context
}

func newCrossing(t *testing.T) *crossing {
	p, lines, store := utopian(t)
	f := &fakes{face: fakeFace{score: 0.8}}
	c := &crossing{ports: f, lookup: &fakeLookup{fakes: f}, printed: Presented{Lines: lines}, chip: p, ctx: context.Background()}
	c.in = &Inspection{ID: "01", Site: "utopia-airport", Device: "gate-1", Policy: linePolicy(), Chip: f, Camera: f, Portraits: f, Trust: store,
		History: f, Pseudonyms: f, Scope: Scope{{[]string{"P"}, []string{"UTO"}}}, Now: func() time.Time { return day }}
	return c
}

func (c *crossing) run() Finished {
	if c.ports.card == nil && c.ports.cardErr == nil && c.chip.Files != nil {
		c.ports.card = simChip{chipsim.New(c.chip, chipsim.Options{Faults: c.faults})}
	}
	if c.in.Lookups == nil {
		c.in.Lookups = []Lookup{*c.lookup}
	}
	return c.in.Run(c.ctx, c.printed)
}

// Every case spoils one thing; the outcome names that thing and no other.
func TestInspection(t *testing.T) {
	other := errors.New("broken")
	for _, c := range []struct {
		name    string
		spoil   func(*crossing)
		outcome Outcome
		reasons []string
		notes   []string
	}{
		{"nothing", func(*crossing) {}, Admit, nil, []string{"pace_not_offered"}},
		{"no MRZ", func(c *crossing) { c.printed.Lines = []string{"<<<"} }, Refer, []string{"mrz_unreadable"}, nil},
		{"not for this gate", func(c *crossing) { c.in.Policy.Eligibility.MinimumAge = 99 }, Refer, []string{"not_eligible:age"}, nil},
		{"expired", func(c *crossing) { c.in.Now = func() time.Time { return day.AddDate(6, 0, 0) } }, Refer, []string{"document_expired"}, []string{"pace_not_offered", "crl_overdue"}},
		{"no chip", func(c *crossing) { c.chip.Files = nil }, Refer, []string{"chip_no_answer"}, nil},
		{"no chip reader", func(c *crossing) { c.in.Chip = nil }, Refer, []string{"chip_reader_unavailable"}, nil},
		{"chip reader broken", func(c *crossing) { c.ports.cardErr = other }, Refer, []string{"chip_reader_unavailable"}, nil},
		{"chip reader pulled", func(c *crossing) {
			c.ports.card = &pulled{simChip{chipsim.New(c.chip, chipsim.Options{})}, 12}
		}, Refer, []string{"chip_reader_unavailable"}, []string{"pace_not_offered"}},
		{"chip lost", func(c *crossing) { c.faults.GoneAfter = 12 }, Refer, []string{"chip_lost"}, []string{"pace_not_offered"}},
		{"another chip", func(c *crossing) {
			c.chip.MRZ = "P<UTOX<<Y<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<\nX000000007UTO7001014F3001019<<<<<<<<<<<<<<04"
		}, Refer, []string{"chip_access_denied"}, nil},
		{"DG2 changed", func(c *crossing) { c.chip.Files[0x0102][200] ^= 1 }, Refer, []string{"dg_hash_mismatch:DG2"}, []string{"pace_not_offered"}},
		{"nobody trusted", func(c *crossing) { c.in.Trust = trust.NewStore() }, Refer, []string{"csca_unknown"}, []string{"pace_not_offered"}},
		{"no SOD", func(c *crossing) { delete(c.chip.Files, 0x011D) }, Refer, []string{"chip_file_missing:EF.SOD"}, []string{"pace_not_offered"}},
		{"no face", func(c *crossing) { c.ports.face = nil }, Refer, []string{"face_not_found"}, []string{"pace_not_offered"}},
		{"no camera", func(c *crossing) { c.in.Camera = nil }, Refer, []string{"camera_unavailable"}, []string{"pace_not_offered"}},
		{"no model", func(c *crossing) { c.ports.faceErr = &Unable{because(ModelMissing), other} }, Refer, []string{"face_model_missing"}, []string{"pace_not_offered"}},
		{"a demo model", func(c *crossing) { c.ports.face = fakeFace{score: 0.9, by: demoModel} }, Refer, []string{"face_model_demo_grade"}, []string{"pace_not_offered"}},
		{"a demo model that is accepted", func(c *crossing) {
			c.ports.face = fakeFace{score: 0.9, by: demoModel}
			c.in.Policy.AcceptDemoModels = true
		}, Admit, nil, []string{"pace_not_offered"}},
		{"a demo model that sees another face", func(c *crossing) {
			c.ports.face = fakeFace{score: 0.1, by: demoModel}
			c.in.Policy.AcceptDemoModels = true
		}, Refer, []string{"face_mismatch"}, []string{"pace_not_offered"}},
		{"a model of no grade", func(c *crossing) {
			c.ports.face = fakeFace{score: 0.9, by: &Comparison{Threshold: 0.45, Model: "fake"}}
		}, Refer, []string{"face_model_demo_grade"}, []string{"pace_not_offered"}},
		{"a score of no model", func(c *crossing) {
			c.ports.face = fakeFace{score: 0.9, by: &Comparison{Threshold: 0.45, Grade: "operational"}}
		}, Refer, []string{"face_model_missing"}, []string{"pace_not_offered"}},
		{"a score without a threshold", func(c *crossing) {
			c.ports.face = fakeFace{score: 0.9, by: &Comparison{Model: "fake", Grade: "operational"}}
		}, Refer, []string{"face_model_missing"}, []string{"pace_not_offered"}},
		{"another face", func(c *crossing) { c.ports.face = fakeFace{score: 0.449} }, Refer, []string{"face_mismatch"}, []string{"pace_not_offered"}},
		{"no decoder", func(c *crossing) { c.in.Portraits = nil }, Refer, []string{"portrait_decoder_unavailable"}, []string{"pace_not_offered"}},
		{"stop list", func(c *crossing) { c.lookup.answer = LookupAnswer{Hit: true, Kind: HitStopList} }, Refer, []string{"stop_list_hit:national"}, []string{"pace_not_offered"}},
		{"lost document", func(c *crossing) { c.lookup.answer = LookupAnswer{Hit: true, Kind: HitLost} }, Refer, []string{"document_reported_lost:national"}, []string{"pace_not_offered"}},
		{"database away", func(c *crossing) { c.lookup.err = other }, Refer, []string{"lookup_unavailable:national"}, []string{"pace_not_offered"}},
		{"database slow", func(c *crossing) { c.lookup.delay = time.Minute }, Refer, []string{"lookup_unavailable:national"}, []string{"pace_not_offered"}},
		{"database away and that is borne", func(c *crossing) { c.lookup.err, c.in.Policy.Lookups[0].Offline = other, OfflineAccept }, Admit, nil, []string{"pace_not_offered", "lookup_unavailable:national"}},
		{"database's data too old", func(c *crossing) {
			c.in.Policy.Lookups[0].MaxAge, c.lookup.answer.AsOf = time.Hour, day.Add(-2*time.Hour)
		}, Refer, []string{"lookup_stale:national"}, []string{"pace_not_offered"}},
		{"database not connected", func(c *crossing) { c.in.Lookups = []Lookup{} }, Refer, []string{"lookup_unavailable:national"}, []string{"pace_not_offered"}},
		{"interrupted", func(c *crossing) {
			ctx, cancel := context.WithCancel(c.ctx)
			cancel()
			c.ctx = ctx
		}, Refer, []string{"inspection_cut_short"}, nil},
		{"time is up", func(c *crossing) { c.in.Policy.Times.Inspection, c.ports.face = 3*time.Second, nil }, Refer,
			[]string{"inspection_cut_short", "inspection_cut_short:time_limit"}, []string{"pace_not_offered"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newCrossing(t)
				c.spoil(x)
				f := x.run()
				if f.Err != nil {
					t.Fatal(f.Err)
				}
				d := f.Record.Decision
				if d.Outcome != c.outcome || !slices.Equal(codes(d.Reasons), c.reasons) || !slices.Equal(codes(d.Notes), c.notes) {
					t.Errorf("got %s %v notes %v; want %s %v notes %v", d.Outcome, codes(d.Reasons), codes(d.Notes), c.outcome, c.reasons, c.notes)
				}
				if len(x.ports.appended) != 1 || x.ports.appended[0].ID != "01" {
					t.Errorf("%d records were stored, want 1", len(x.ports.appended))
				}
			})
		})
	}
}

// Who is not for this gate is neither filmed nor read nor looked up.
func TestNothingIsGatheredOfTheIneligible(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newCrossing(t)
		x.in.Policy.Eligibility.Nationalities = []string{"XXX"}
		x.run()
		if len(x.ports.touched) != 0 {
			t.Errorf("ports used: %v, want none", x.ports.touched)
		}
	})
}

type observerFunc func(Event)

func (f observerFunc) Observe(e Event) { f(e) }

// What was measured of both pictures reaches the screen and the record, also
// when the face is not fit; a portrait that nobody vouched for is not measured.
func TestQualityOfBothPicturesIsRecorded(t *testing.T) {
	portrait, live := Quality{PicturePortrait, measuredPortrait{}.Quality()}, Quality{PictureLive, fakeFace{}.Quality()}
	for name, c := range map[string]struct {
		change func(*crossing)
		want   []Quality
	}{
		"a match":            {func(*crossing) {}, []Quality{live, portrait}},
		"no fit frame":       {func(x *crossing) { x.ports.face = fakeFace{why: []Reason{because(FaceNotFound)}} }, []Quality{live, portrait}},
		"no camera":          {func(x *crossing) { x.in.Camera = nil }, nil},
		"a changed portrait": {func(x *crossing) { x.chip.Files[0x0102][200] ^= 1 }, []Quality{live}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newCrossing(t)
				c.change(x)
				var mu sync.Mutex
				var seen []Quality
				x.in.Observer = observerFunc(func(e Event) {
					if e.Quality != nil {
						mu.Lock()
						defer mu.Unlock()
						seen = append(seen, *e.Quality)
					}
				})
				got := x.run().Record.Quality
				slices.SortFunc(seen, func(a, b Quality) int { return strings.Compare(string(a.Picture), string(b.Picture)) })
				if !reflect.DeepEqual(got, c.want) || !reflect.DeepEqual(seen, c.want) {
					t.Errorf("record %+v, screen %+v; want %+v", got, seen, c.want)
				}
			})
		})
	}
}

// Nobody is admitted whose admission could not be recorded.
func TestNoAdmissionWithoutRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newCrossing(t)
		x.ports.storeErr = errors.New("disk full")
		f := x.run()
		if f.Err == nil || f.Record.Decision.Outcome != Refer || !slices.Contains(codes(f.Record.Decision.Reasons), "record_not_stored") {
			t.Errorf("got %s %v, %v; want a referral with record_not_stored and an error", f.Record.Decision.Outcome, codes(f.Record.Decision.Reasons), f.Err)
		}
	})
}

// The traveller waits for the slowest part, not for the sum.
func TestPartsRunTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newCrossing(t)
		x.chip.Files = nil // 2 s until the chip is given up
		x.ports.face = nil // 5 s until the face is
		x.lookup.delay = 2 * time.Second
		start := time.Now()
		x.run()
		if got := time.Since(start); got != 5*time.Second {
			t.Errorf("took %v, want the face's 5s", got)
		}
	})
}

// The traveller waits from the moment the reader had the document.
func TestTimeCountsFromThePresentation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newCrossing(t)
		x.printed.At = day.Add(-300 * time.Millisecond)
		r := x.run().Record
		if r.Spent.Total < SpanOf(300*time.Millisecond) || r.Spent.MRZ < SpanOf(300*time.Millisecond) || !r.Started.Time().Equal(x.printed.At) {
			t.Errorf("got %+v from %v; want at least 300 ms from the presentation", r.Spent, r.Started.Time())
		}
		x.printed.At = day.Add(time.Hour) // a reader's clock that is ahead
		if r := x.run().Record; r.Spent.Total != 0 {
			t.Errorf("a clock ahead: got %+v, want no time, and never a negative one", r.Spent)
		}
	})
}

// Records hold nothing the document says about its holder.
func TestRecordHoldsNoPersonalData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newCrossing(t).run()
		b, err := f.Record.Encode()
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("%s %+v", b, f.Record)
		for _, secret := range []string{"ERIKSSON", "ANNA", "L898902C3", "740812", "1974"} {
			if strings.Contains(text, secret) {
				t.Errorf("the record holds %q", secret)
			}
		}
	})
}

// A reading that ends early says nothing of the files it never came to.
func TestFilesNeverComeToAreNotMissing(t *testing.T) {
	c := judgeFiles(mrtd.Reading{Failures: []mrtd.FileFailure{{File: group(2), Reason: "its answers do not verify"}}})
	for _, r := range c.Reasons {
		if r.Code != ChipReadFailed {
			t.Errorf("got %v, want %v", r, ChipReadFailed)
		}
	}
	if c.Status != Inconclusive || len(c.Reasons) != 3 {
		t.Errorf("got %v with %v, want inconclusive with three files", c.Status, c.Reasons)
	}
}
