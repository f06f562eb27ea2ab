package device

import (
	"context"
	"errors"
	"fmt"
	"image"
	"io"
	"log/slog"
	"time"

	"limen"
	"limen/capture"
	"limen/capture/portrait"
	"limen/matcher"
	"limen/matcher/catalog"
	"limen/matcher/spoof"
)

// faceCamera implements limen.FaceCamera: frames of the camera's hub, judged
// by the face engine.
type faceCamera struct {
	hub     *capture.Hub
	engine  matcher.Engine
	network spoof.Network // nil without presentation attack networks
	limits  matcher.Limits
	model   comparisonModel
	broken  error // why there is no engine: an Unable
}

// comparisonModel is what judges, as the catalog knows it.
type comparisonModel struct {
	name      string // catalog name and short hash
	grade     string
	threshold float64
	fmr       float64
	published bool // the threshold is the model's authors', not calibrated with limen
}

var _ limen.GuidingCamera = (*faceCamera)(nil)

// Capture implements limen.FaceCamera.
func (f *faceCamera) Capture(ctx context.Context) (limen.LiveFace, error) {
	return f.CaptureGuided(ctx, func(limen.Guidance) {})
}

// CaptureGuided implements limen.GuidingCamera.
func (f *faceCamera) CaptureGuided(ctx context.Context, tell func(limen.Guidance)) (limen.LiveFace, error) {
	if f.broken != nil {
		return nil, f.broken
	}
	if f.hub == nil {
		return nil, cameraAway(errors.New("no camera is configured: set camera.source"))
	}
	if s := f.hub.State(); s.Phase == capture.Lost {
		return nil, cameraAway(s.Reason)
	}
	limits := f.limits
	began := time.Now()
	limits.Since = began
	limits.Guide = func(g matcher.Guidance) { tell(limen.Guidance(g)) }
	frames, cancel := f.hub.Subscribe()
	defer cancel()
	watch := spoof.NewWatch(f.engine, f.network)
	sample, err := matcher.Collect(ctx, frames, watch, limits)
	if err == nil && sample.Good() {
		err = watch.Follow(ctx, frames) // motion takes longer to show than a face
	}
	s := f.hub.State()
	switch {
	case err != nil:
	case s.Phase == capture.Lost && !sample.Good(): // it has not seen that nobody is there
		err = s.Reason
	case sample.Seen == 0:
		err = capture.ErrStalled
	}
	live := &liveFace{camera: f, sample: sample, watch: watch, tell: limits.Guide}
	if err != nil {
		live.Close()
		return nil, cameraAway(err)
	}
	live.best, live.quality = sample.Image(), components(sample.Components())
	if deadline, ok := ctx.Deadline(); ok {
		live.left = deadline.Sub(began) - time.Since(began)
	}
	for _, r := range sample.Reasons {
		live.reasons = append(live.reasons, limen.Reason{Code: limen.ReasonCode(r)})
	}
	if len(live.reasons) > 1 {
		live.reasons = live.reasons[:1] // the most frequent: one thing to tell the traveller
	}
	if sample.Good() && !sample.OnePerson(f.model.threshold) {
		live.reasons = []limen.Reason{live.several()} // one after the other
	}
	return live, nil
}

func cameraAway(err error) error {
	return &limen.Unable{Reason: limen.Reason{Code: limen.CameraAway}, Err: err}
}

// liveFace implements limen.LiveFace.
type liveFace struct {
	camera  *faceCamera
	sample  matcher.Sample
	best    image.Image
	quality []limen.Component // of best
	reasons []limen.Reason
	tell    func(matcher.Guidance)
	left    time.Duration // of the time for looking, for a comparison that is not clear

	watch *spoof.Watch // sees every frame of the sample
}

func (l *liveFace) Best() image.Image       { return l.best }
func (l *liveFace) Reasons() []limen.Reason { return l.reasons }

// Close implements limen.LiveFace.
func (l *liveFace) Close() {
	l.sample.Release()
	l.watch.Close()
}

// Quality implements limen.Measured.
func (l *liveFace) Quality() []limen.Component { return l.quality }

// components are measured ones as records hold them.
func components(measured []matcher.Measured) []limen.Component {
	var out []limen.Component
	for _, m := range measured {
		out = append(out, limen.Component{Name: string(m.Component), Value: m.Value, Low: m.Low()})
	}
	return out
}

// described is a portrait with the template of its largest face, or why there
// is none. The template is biometric data.
type described struct {
	image.Image
	template matcher.Template
	model    string // whose template it is
	quality  []limen.Component
	err      error
}

// Format prints nothing of the picture or the template.
func (*described) Format(f fmt.State, _ rune) { io.WriteString(f, "[portrait redacted]") }

// LogValue redacts.
func (*described) LogValue() slog.Value { return slog.StringValue("[portrait redacted]") }

// Quality implements limen.Measured.
func (d *described) Quality() []limen.Component { return d.quality }

// Describe implements limen.PortraitDescriber.
func (f *faceCamera) Describe(_ context.Context, img image.Image) (image.Image, func()) {
	d := &described{Image: img, model: f.model.name, err: f.broken}
	if f.broken == nil {
		d.template, d.quality, d.err = f.describe(img)
	}
	return d, func() { clear(d.template) }
}

// describe is the template of a portrait's largest face, and the portrait's
// quality, which is measured whether or not it can be compared.
func (f *faceCamera) describe(img image.Image) (matcher.Template, []limen.Component, error) {
	faces, err := f.engine.Detect(img)
	if err != nil {
		return nil, nil, err
	}
	quality := components(matcher.Components(img, faces))
	unable := func(code limen.ReasonCode, why string) (matcher.Template, []limen.Component, error) {
		return nil, quality, &limen.Unable{Reason: limen.Reason{Code: code}, Err: errors.New(why)}
	}
	second := matcher.DefaultThresholds().SecondFace
	switch {
	case len(faces) == 0:
		return unable(limen.PortraitNoFace, "no face is found in the portrait")
	case len(faces) > 1 && faces[1].Box.Side() > second*faces[0].Box.Side():
		return unable(limen.PortraitSeveral, "the portrait shows more than one face")
	case faces[0].EyeDistance() < portraitEyes:
		return unable(limen.PortraitSmall, "the eyes in the portrait are too close together to compare by")
	}
	template, err := f.engine.Template(img, faces[0])
	return template, quality, err
}

// portraitEyes is how many pixels a portrait's eyes are apart at least. The
// smallest that ISO/IEC 19794-5 knows, the token image of 240 pixels, has 60.
const portraitEyes = 30

// Compare implements limen.LiveFace: the chip's portrait, its largest face,
// against the fused templates of the best frames, and of more while the score
// is near the threshold and the time for the face is not over.
func (l *liveFace) Compare(ctx context.Context, img image.Image) (limen.Comparison, error) {
	d, ok := img.(*described)
	if !ok || d.model != l.camera.model.name { // templates of two models have nothing in common
		picture, forget := l.camera.Describe(ctx, img)
		defer forget()
		d = picture.(*described)
	}
	if d.err != nil {
		if u, ok := errors.AsType[*limen.Unable](d.err); ok {
			return limen.Comparison{}, u
		}
		return limen.Comparison{}, &limen.Unable{Reason: limen.Reason{Code: limen.PortraitNoFace}, Err: d.err}
	}
	m := l.camera.model
	if !l.makeSure(ctx, d.template, matcher.Sequence{Threshold: m.threshold}) {
		return limen.Comparison{}, &limen.Unable{Reason: l.several(), Err: errors.New("the frames do not show one and the same person")}
	}
	return limen.Comparison{Score: l.sample.Score(d.template), Threshold: m.threshold, Model: m.name, Grade: m.grade, FMR: m.fmr}, nil
}

// several is why frames that are not alike cannot be compared: people who took
// turns, or an artefact, whose moiré changes a face from frame to frame.
func (l *liveFace) several() limen.Reason {
	if l.watch != nil && l.watch.Judge().Status == spoof.Failed {
		return limen.Reason{Code: limen.PresentationAttack}
	}
	return limen.Reason{Code: limen.FaceSeveral}
}

// makeSure adds frames, watched as those before, until the score is clear or the time is over, and tells
// whether all of them show one person. A camera that goes meanwhile leaves what
// it has seen.
func (l *liveFace) makeSure(ctx context.Context, portrait matcher.Template, s matcher.Sequence) bool {
	clear := func(sample matcher.Sample) bool { return s.Enough(sample.Score(portrait), len(sample.Templates)) }
	if l.left <= 0 || l.camera.hub == nil || clear(l.sample) {
		return true
	}
	limit, stop := context.WithTimeout(ctx, l.left)
	defer stop()
	limits := l.camera.limits
	limits.Since, limits.Guide = time.Now(), l.tell
	frames, cancel := l.camera.hub.Subscribe()
	defer cancel()
	l.sample, _ = l.sample.Continue(limit, frames, l.watch, limits, clear)
	return l.sample.OnePerson(s.Threshold)
}

// portraits implements limen.PortraitDecoder by limen-portrait.
type portraits struct{ decoder *portrait.Decoder }

// Decode implements limen.PortraitDecoder.
func (p portraits) Decode(ctx context.Context, encoded []byte) (image.Image, error) {
	img, _, err := p.decoder.Decode(ctx, encoded)
	switch {
	case err == nil:
		return img, nil
	case errors.Is(err, portrait.ErrNoProgram), errors.Is(err, portrait.ErrUnsealed):
		return nil, &limen.Unable{Reason: limen.Reason{Code: limen.PortraitDecoderAway}, Err: err}
	}
	return nil, &limen.Unable{Reason: limen.Reason{Code: limen.PortraitUnreadable}, Err: err}
}

// modelUnable is why a model cannot be used, as a reason the officer sees.
func modelUnable(err error) error {
	code := limen.ModelMissing
	if errors.Is(err, catalog.ErrChanged) {
		code = limen.ModelChanged
	}
	return &limen.Unable{Reason: limen.Reason{Code: code}, Err: err}
}
