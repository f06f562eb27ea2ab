package limen

import (
	"bytes"
	"context"
	"image"
	"sync"
	"time"

	"limen/mrtd/authn"
	"limen/mrtd/lds"
)

// liveFace is what the camera saw.
type liveFace struct {
	checks
	face    LiveFace
	quality *Quality
	spent   time.Duration
}

func (f liveFace) addTo(e *Evidence) {
	f.checks.addTo(e)
	e.addQuality(f.quality)
	e.Spent.Face = SpanOf(f.spent)
}

// captureFace looks for one live face that is good enough to compare.
func (in *Inspection) captureFace(ctx context.Context) liveFace {
	start := in.Now()
	out := liveFace{}
	in.observe(Event{Step: StepFace})
	done := func(c Check) liveFace {
		out.checks, out.spent = checks{c}, in.Now().Sub(start)
		in.tell(StepFace, out.checks...)
		return out
	}
	if in.Camera == nil {
		return done(notPerformed(CheckFace, because(CameraAway)))
	}
	limit, stop := context.WithTimeout(ctx, in.Policy.Times.Face)
	defer stop()
	face, err := in.look(limit)
	switch {
	case ctx.Err() != nil:
		return done(inconclusive(CheckFace, because(CutShort)))
	case err != nil:
		return done(notPerformed(CheckFace, reasonOf(err, CameraAway)))
	}
	if best := face.Best(); best != nil {
		in.observe(Event{Step: StepFace, Live: best})
		out.quality = in.measured(StepFace, PictureLive, face)
	}
	if why := face.Reasons(); len(why) > 0 {
		face.Close()
		return done(fail(CheckFace, why...))
	}
	out.face = face
	return done(pass(CheckFace))
}

// judgePresentation asks a camera that watches for presentation attacks, after
// the comparison: what was compared is what must have been alive.
func judgePresentation(face LiveFace) Check {
	if face == nil {
		return needs(CheckFaceAlive, CheckFace)
	}
	judge, ok := face.(PresentationJudge)
	if !ok {
		return notPerformed(CheckFaceAlive, because(NotSupported))
	}
	status, why := judge.Presentation()
	return judged(CheckFaceAlive, status, why)
}

// judged is a check as a port answered it. Only what it names passed has
// passed, and what it does not name was not performed.
func judged(name CheckName, status Status, why []Reason) Check {
	switch status {
	case Passed, Failed, Inconclusive:
		return Check{Name: name, Status: status, Reasons: why}
	}
	return notPerformed(name, why...)
}

// portrait is the chip's portrait.
type portrait struct {
	checks
	image     image.Image
	described image.Image // image as the camera compares it
	forget    func()      // erases the description; nil without one
	quality   *Quality
}

func (p portrait) addTo(e *Evidence) {
	p.checks.addTo(e)
	e.addQuality(p.quality)
}

// earlyPortrait is DG2's portrait being decoded while other files travel:
// EF.SOD comes before it, so that it is judged by then.
type earlyPortrait struct {
	in       *Inspection
	ctx      context.Context
	once     sync.Once
	done     chan portrait // holds the portrait once there is one
	sod, dg2 []byte        // the files it was judged and decoded from
}

func (in *Inspection) awaitPortrait(ctx context.Context) *earlyPortrait {
	return &earlyPortrait{in: in, ctx: ctx, done: make(chan portrait, 1)}
}

// arrive starts with the file that holds the portrait.
func (e *earlyPortrait) arrive(f lds.File, data []byte) {
	switch f {
	case lds.EFSOD:
		e.sod = data
	case group(2):
		e.once.Do(func() {
			e.dg2 = data
			go func() { e.done <- e.in.decodePortrait(e.ctx, e.sod, e.dg2) }()
		})
	}
}

// portrait waits for the portrait of a chip that has been read. What counts is
// what the chip left in the end: a portrait of other bytes is nobody's, however
// a chip brought that about.
func (e *earlyPortrait) portrait(chip chipReading) portrait {
	sod, dg2 := chip.files[lds.EFSOD.Path()], chip.files[group(2).Path()]
	e.once.Do(func() {
		e.sod, e.dg2 = sod, dg2
		e.done <- e.in.decodePortrait(e.ctx, sod, dg2)
	})
	p := <-e.done
	if !bytes.Equal(e.sod, sod) || !bytes.Equal(e.dg2, dg2) {
		if p.forget != nil {
			p.forget()
		}
		p = portrait{checks: checks{fail(CheckPortrait, because(PortraitUnreadable))}}
		e.in.tell(StepMatch, p.checks...)
	}
	return p
}

// decodePortrait decodes DG2's portrait after its hash and EF.SOD's signature
// were judged, in a process of its own: what a chip holds may be made to crash
// a decoder. A portrait nobody vouched for is shown to the officer, who must
// see what was put there, and goes no further: its pixels reach no network of ours.
func (in *Inspection) decodePortrait(ctx context.Context, sod, dg2 []byte) portrait {
	vouched := in.vouchedFor(sod, dg2)
	out := in.decode(ctx, dg2)
	in.tell(StepMatch, out.checks...)
	if out.image == nil {
		return out
	}
	in.observe(Event{Step: StepMatch, Portrait: out.image})
	out.described = out.image
	if camera, ok := in.Camera.(PortraitDescriber); ok && vouched {
		out.described, out.forget = camera.Describe(ctx, out.image)
		out.quality = in.measured(StepMatch, PicturePortrait, out.described)
	}
	return out
}

// vouchedFor tells whether EF.SOD's signature holds and covers this DG2.
func (in *Inspection) vouchedFor(sod, dg2 []byte) bool {
	r := authn.PassiveFile(sod, map[int][]byte{2: dg2}, in.Trust, in.Now())
	return r.Signature.Status == authn.Passed && r.Groups[2].Status == authn.Passed
}

func (in *Inspection) decode(ctx context.Context, raw []byte) portrait {
	if raw == nil {
		return portrait{checks: checks{needs(CheckPortrait, CheckChipRead)}}
	}
	dg2, err := lds.ParseDG2(raw)
	if err != nil || len(dg2.Faces) == 0 {
		return portrait{checks: checks{fail(CheckPortrait, because(PortraitUnreadable))}}
	}
	if in.Portraits == nil {
		return portrait{checks: checks{notPerformed(CheckPortrait, because(PortraitDecoderAway))}}
	}
	img, err := in.Portraits.Decode(ctx, dg2.Faces[0].Image)
	switch {
	case ctx.Err() != nil:
		return portrait{checks: checks{inconclusive(CheckPortrait, because(CutShort))}}
	case err != nil:
		return portrait{checks: checks{inconclusive(CheckPortrait, reasonOf(err, PortraitUnreadable))}}
	}
	return portrait{checks: checks{pass(CheckPortrait)}, image: img}
}

// matched is the comparison.
type matched struct {
	alive      Check
	check      Check
	morph      Check
	comparison *Comparison
}

func (m matched) addTo(e *Evidence) {
	e.Checks = append(e.Checks, m.alive, m.check, m.morph)
	e.Face = m.comparison
}

// matchFace compares the live face with the portrait, if the portrait is the
// issuer's: a face that matches a changed portrait says nothing.
func (in *Inspection) matchFace(ctx context.Context, proof authenticity, p portrait, live liveFace) matched {
	if live.face != nil {
		defer live.face.Close() // nothing biometric outlives the comparison
	}
	if p.forget != nil {
		defer p.forget()
	}
	out := in.match(ctx, proof, p, live)
	out.alive = judgePresentation(live.face)
	out.morph = judgeMorph(ctx, out, p, live.face)
	if out.comparison != nil {
		in.observe(Event{Step: StepMatch, Match: out.comparison})
	}
	in.tell(StepMatch, out.alive, out.check, out.morph)
	return out
}

// judgeMorph asks whether a portrait that the live face matches is one person's
// alone: one that it does not match is refused without, and what is no live
// face says nothing.
func judgeMorph(ctx context.Context, m matched, p portrait, live LiveFace) Check {
	if m.check.Status != Passed {
		return needs(CheckFaceMorph, CheckFaceMatch)
	}
	if m.alive.Status == Failed {
		return needs(CheckFaceMorph, CheckFaceAlive)
	}
	judge, ok := live.(MorphJudge)
	if !ok {
		return notPerformed(CheckFaceMorph, because(NotSupported))
	}
	status, why := judge.Morph(ctx, p.described)
	return judged(CheckFaceMorph, status, why)
}

func (in *Inspection) match(ctx context.Context, proof authenticity, p portrait, live liveFace) matched {
	switch {
	case proof.status(CheckSODSignature, "") != Passed:
		return matched{check: needs(CheckFaceMatch, CheckSODSignature)}
	case proof.status(CheckDGHash, "DG2") != Passed:
		return matched{check: needs(CheckFaceMatch, CheckDGHash)}
	case p.image == nil:
		return matched{check: needs(CheckFaceMatch, CheckPortrait)}
	case live.face == nil:
		return matched{check: needs(CheckFaceMatch, CheckFace)}
	}
	c, err := live.face.Compare(ctx, p.described)
	switch {
	case err != nil && ctx.Err() != nil:
		return matched{check: inconclusive(CheckFaceMatch, because(CutShort))}
	case err != nil:
		return matched{check: inconclusive(CheckFaceMatch, reasonOf(err, PortraitNoFace))}
	case c.Model == "" || !(c.Threshold > 0): // a score without its own model's threshold says nothing
		return matched{check: inconclusive(CheckFaceMatch, because(ModelMissing))}
	case !(c.Score >= c.Threshold): // a score that is no number is no match either
		return matched{check: fail(CheckFaceMatch, because(FaceMismatch)), comparison: &c}
	case c.Grade != "operational" && !in.Policy.AcceptDemoModels:
		return matched{check: inconclusive(CheckFaceMatch, because(ModelDemo)), comparison: &c}
	}
	return matched{check: pass(CheckFaceMatch), comparison: &c}
}
