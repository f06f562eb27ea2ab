package device

import (
	"context"
	"image"

	"limen"
	"limen/matcher"
	"limen/matcher/morph"
)

// Morph implements limen.MorphJudge by the classifier that was trained for the
// recogniser in use; where there is none, nothing is judged.
func (l *liveFace) Morph(ctx context.Context, img image.Image) (limen.Status, []limen.Reason) {
	untrained := []limen.Reason{{Code: limen.MorphUntrained}}
	trained, err := morph.Trained()
	if err != nil {
		return limen.NotPerformed, untrained
	}
	classifier, ok := trained.For(l.camera.model.name)
	if !ok {
		return limen.NotPerformed, untrained
	}
	d, ok := img.(*described)
	if !ok {
		picture, forget := l.camera.Describe(ctx, img)
		defer forget()
		d = picture.(*described)
	}
	if d.err != nil {
		return limen.NotPerformed, []limen.Reason{{Code: limen.PortraitNoFace}}
	}
	fused := matcher.Fuse(l.sample.Templates)
	defer clear(fused)
	features := morph.Features(d.template, fused)
	defer clear(features)
	score, err := classifier.Score(features)
	switch {
	case err != nil: // templates of another length than the classifier's
		return limen.NotPerformed, untrained
	case classifier.Suspected(score):
		return limen.Failed, []limen.Reason{{Code: limen.MorphSuspected}}
	}
	return limen.Passed, nil
}
