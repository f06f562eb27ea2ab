package demo

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"limen"
	"limen/cmd/internal/demo/faces"
	"limen/hw/sim/camera"
	"limen/hw/sim/pn532sim"
)

// Line is what the demonstration prints for one traveller.
type Line struct {
	Traveller string      `json:"traveller"`
	Expected  Result      `json:"expected"`
	Outcome   string      `json:"outcome"`
	Reasons   []string    `json:"reasons"`
	Details   []string    `json:"details,omitempty"` // reasons with what they speak of: "dg_hash_mismatch:DG2"
	MS        limen.Spent `json:"ms"`
	Record    RecordLine  `json:"record"`
	Timing    Timing      `json:"-"`
	matches   bool
	Note      string `json:"note,omitempty"` // why the outcome is not the table's, where a model or a program is not at hand
}

// AsExpected tells whether what came out is what the table says.
func (l Line) AsExpected() bool { return l.matches }

// Result is an outcome with its reason codes.
type Result struct {
	Outcome string   `json:"outcome"`
	Reasons []string `json:"reasons"`
}

// RecordLine is where the record lies: its leaf, and the tree's root with it.
type RecordLine struct {
	Index uint64 `json:"index"`
	Root  string `json:"root"`
}

// Totals is the demonstration's last line.
type Totals struct {
	Inspections     int  `json:"inspections"`
	AsExpected      int  `json:"as_expected"`
	StoredAtCentre  int  `json:"stored_at_centre"`
	HistoryVerified bool `json:"history_verified"`
}

// Agree tells whether everything came out as it must.
func (t Totals) Agree() bool {
	return t.Inspections > 0 && t.AsExpected == t.Inspections && t.StoredAtCentre == t.Inspections && t.HistoryVerified
}

// inspectionLimit bounds the wait for one traveller's decision.
const inspectionLimit = time.Minute

// Play sends one traveller across: the face walks up to the camera, the
// document lies down on the readers, and what the appliance makes of it comes
// back from finished. The traveller stays until Leave.
func (s *Stage) Play(ctx context.Context, t Traveller, finished <-chan limen.Finished) (Line, error) {
	document, err := s.authorities.issue(t)
	if err != nil {
		return Line{}, err
	}
	scene, err := s.scene(t)
	if err != nil {
		return Line{}, err
	}
	if err := s.camera.Show(scene); err != nil {
		return Line{}, err
	}
	s.settle(ctx)
	chip := &timedChip{Card: document.chip}
	if !t.Wrong.NoChip {
		s.nfc.Insert(s.between(chip), pn532sim.TypeA)
	}
	if t.Document.CAN != "" && s.SetCAN != nil {
		s.SetCAN(t.Document.CAN)
	}
	s.nfc.ResetNeeded()
	if err := s.mrz.Present(document.read); err != nil {
		return Line{}, fmt.Errorf("the MRZ reader's simulated end: %w", err)
	}
	presented := time.Now()
	limit, stop := context.WithTimeout(ctx, inspectionLimit)
	defer stop()
	select {
	case f := <-finished:
		l := line(t, f, s.FaceProblem())
		l.Timing = Timing{Waited: time.Since(presented), Link: s.nfc.Needed(), Chip: time.Duration(chip.spent.Load())}
		return l, f.Err
	case <-limit.Done():
		return Line{}, fmt.Errorf("%s: no decision within %v: %w", t.Name, inspectionLimit, limit.Err())
	}
}

// settle waits until the pictures on their way are of the new scene: nobody
// lays a document down in the instant the last traveller vanishes. A camera
// that nobody watches is not waited for.
func (s *Stage) settle(ctx context.Context) {
	const pictures, limit = 4, 400 * time.Millisecond
	ctx, stop := context.WithTimeout(ctx, limit)
	defer stop()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for shown := s.camera.Drawn(); s.camera.Drawn() < shown+pictures; {
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

// Leave lets the traveller go, with the document.
func (s *Stage) Leave() error {
	s.nfc.Remove()
	return errors.Join(s.mrz.Remove(), s.camera.Show(camera.Scene{}))
}

// Timing is one crossing as the world around the appliance sees it.
type Timing struct {
	Waited time.Duration // from the last byte of the MRZ reader's message to the stored record
	Link   time.Duration // what the bytes exchanged with the chip need on the serial line and in the air
	Chip   time.Duration // what the simulated chip computed
}

// timedChip adds up what the simulated chip computes.
type timedChip struct {
	pn532sim.Card
	spent atomic.Int64
}

// Transmit implements pn532sim.Card.
func (c *timedChip) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	start := time.Now()
	response, err := c.Card.Transmit(ctx, command)
	c.spent.Add(int64(time.Since(start)))
	return response, err
}

// line holds an inspection's end against the table.
func line(t Traveller, f limen.Finished, faceProblem limen.ReasonCode) Line {
	d := f.Record.Decision
	var details []string
	for _, r := range append(slices.Clone(d.Reasons), d.Notes...) {
		details = append(details, r.String())
	}
	expected := t.Expect
	l := Line{Traveller: t.Name, Outcome: string(d.Outcome), Reasons: codes(details), Details: details, MS: f.Record.Spent,
		Record: RecordLine{f.Receipt.Index, hex.EncodeToString(f.Receipt.Root[:])}}
	if faceProblem != "" {
		expected = expected.withoutFace(faceProblem)
		l.Note = fmt.Sprintf("faces cannot be checked here (%s), so nobody is admitted", faceProblem)
	}
	if morphUnjudged(f.Record) && slices.Contains(expected.Reasons, string(limen.MorphSuspected)) {
		expected = Expect{limen.Admit, nil}
		l.Note = "no morph classifier belongs to this recogniser, so that the morph is not told from a portrait"
	}
	l.Expected = Result{string(expected.Outcome), codes(expected.Reasons)}
	l.matches = l.Outcome == l.Expected.Outcome && same(details, expected.Reasons)
	return l
}

// morphUnjudged tells whether the morph check was not made for want of a
// classifier of the recogniser in use.
func morphUnjudged(r limen.Record) bool {
	return slices.ContainsFunc(r.Checks, func(c limen.Check) bool {
		return c.Name == limen.CheckFaceMorph && slices.ContainsFunc(c.Reasons, func(r limen.Reason) bool { return r.Code == limen.MorphUntrained })
	})
}

// withoutFace is what must come out where faces cannot be checked: nobody is
// admitted, and who would have come as far as the camera hears why.
func (e Expect) withoutFace(problem limen.ReasonCode) Expect {
	aboutFaces := []string{string(limen.FaceMismatch), string(limen.FaceNotFound), string(limen.FaceSeveral), string(limen.PresentationAttack), string(limen.MorphSuspected)}
	out := slices.DeleteFunc(slices.Clone(e.Reasons), func(r string) bool { return slices.Contains(aboutFaces, code(r)) })
	if !slices.ContainsFunc(out, func(r string) bool { return code(r) == string(limen.NotEligible) }) {
		out = append(out, string(problem))
	}
	return Expect{limen.Refer, out}
}

// same tells whether two lists hold the same reasons, in whatever order.
func same(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// code is a reason without its subject.
func code(reason string) string {
	c, _, _ := strings.Cut(reason, ":")
	return c
}

func codes(reasons []string) []string {
	out := []string{} // JSON's [], not null
	for _, r := range reasons {
		out = append(out, code(r))
	}
	return out
}

// scene is what the camera sees of a row.
func (s *Stage) scene(t Traveller) (camera.Scene, error) {
	who := t.Live.Face
	if who == "" {
		who = t.Face
	}
	scene := camera.Scene{Seed: uint64(len(t.Name))}
	if t.Live.Scene == Nobody {
		return scene, nil
	}
	person := func(name string, aside float64) error {
		still, err := faces.Live(name)
		if err != nil {
			return err
		}
		p := camera.Person{Still: still, Eyes: faces.Eyes(), Aside: aside, Approach: s.Approach}
		switch t.Live.Scene {
		case Glasses:
			p.Still = faces.WithGlasses(still)
		case SlightTurn:
			p.Turn = 0.13
		case PrintHeld:
			p.Medium = camera.Print
		case ScreenHeld:
			p.Medium = camera.Screen
		}
		scene.People = append(scene.People, p)
		return nil
	}
	if t.Live.Scene == DimLight {
		scene.Light = 0.55
	}
	if t.Live.Scene == TwoPeople {
		if err := person(faces.Names()[len(faces.Names())-2], 0.22); err != nil {
			return scene, err
		}
		return scene, person(who, -0.2)
	}
	return scene, person(who, 0)
}
