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
)

// faceCamera implements limen.FaceCamera: frames of the camera's hub, judged
// by the face engine.
type faceCamera struct {
	hub    *capture.Hub
	engine matcher.Engine
	limits matcher.Limits
	model  comparisonModel
	broken error // why there is no engine: an Unable
}

// comparisonModel is what judges, as the catalog knows it.
type comparisonModel struct {
	name      string // catalog name and short hash
	grade     string
	threshold float64
	fmr       float64
	published bool // the threshold is the model's authors', not calibrated with limen
}

// Capture implements limen.FaceCamera.
func (f *faceCamera) Capture(ctx context.Context) (limen.LiveFace, error) {
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
	limits.Since = time.Now()
	frames, cancel := f.hub.Subscribe()
	defer cancel()
	sample, err := matcher.Collect(ctx, frames, f.engine, limits)
	if err != nil {
		sample.Release()
		return nil, cameraAway(err)
	}
	// A camera that went while it looked has not seen that nobody is there.
	if s := f.hub.State(); s.Phase == capture.Lost && !sample.Good() {
		sample.Release()
		return nil, cameraAway(s.Reason)
	}
	live := &liveFace{camera: f, sample: sample, best: sample.Image()}
	for _, r := range sample.Reasons {
		live.reasons = append(live.reasons, limen.Reason{Code: limen.ReasonCode(r)})
	}
	if len(live.reasons) > 1 {
		live.reasons = live.reasons[:1] // the most frequent: one thing to tell the traveller
	}
	if sample.Good() && !sample.OnePerson(f.model.threshold) {
		live.reasons = []limen.Reason{{Code: limen.FaceSeveral}} // one after the other
	}
	if sample.Seen == 0 {
		sample.Release()
		return nil, cameraAway(capture.ErrStalled)
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
	reasons []limen.Reason
}

func (l *liveFace) Best() image.Image       { return l.best }
func (l *liveFace) Reasons() []limen.Reason { return l.reasons }
func (l *liveFace) Close()                  { l.sample.Release() }

// described is a portrait with the template of its largest face, or why there
// is none. The template is biometric data.
type described struct {
	image.Image
	template matcher.Template
	model    string // whose template it is
	err      error
}

// Format prints nothing of the picture or the template.
func (*described) Format(f fmt.State, _ rune) { io.WriteString(f, "[portrait redacted]") }

// LogValue redacts.
func (*described) LogValue() slog.Value { return slog.StringValue("[portrait redacted]") }

// Describe implements limen.PortraitDescriber.
func (f *faceCamera) Describe(_ context.Context, img image.Image) (image.Image, func()) {
	d := &described{Image: img, model: f.model.name, err: f.broken}
	if f.broken == nil {
		d.template, d.err = f.describe(img)
	}
	return d, func() { clear(d.template) }
}

// describe is the template of a portrait's largest face.
func (f *faceCamera) describe(img image.Image) (matcher.Template, error) {
	faces, err := f.engine.Detect(img)
	if err == nil && len(faces) == 0 {
		err = errors.New("no face is found in the portrait")
	}
	if err != nil {
		return nil, err
	}
	return f.engine.Template(img, faces[0])
}

// Compare implements limen.LiveFace: the chip's portrait, its largest face,
// against the fused templates of the best frames.
func (l *liveFace) Compare(ctx context.Context, img image.Image) (limen.Comparison, error) {
	d, ok := img.(*described)
	if !ok || d.model != l.camera.model.name { // templates of two models have nothing in common
		picture, forget := l.camera.Describe(ctx, img)
		defer forget()
		d = picture.(*described)
	}
	if d.err != nil {
		return limen.Comparison{}, &limen.Unable{Reason: limen.Reason{Code: limen.PortraitNoFace}, Err: d.err}
	}
	m := l.camera.model
	return limen.Comparison{Score: l.sample.Score(d.template), Threshold: m.threshold, Model: m.name, Grade: m.grade, FMR: m.fmr}, nil
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
