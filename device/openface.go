package device

import (
	"errors"
	"fmt"

	"limen"
	"limen/capture"
	"limen/capture/cvcam"
	"limen/matcher"
	"limen/matcher/catalog"
	"limen/matcher/cvface"
)

// The names of the devices around the face on the board of states.
const (
	nameCamera = "camera"
	nameModels = "face models"
)

// openFace makes the camera's hub and the face engine. What cannot be had is
// noted on the board, and becomes the reason of every inspection's face check.
func (a *Appliance) openFace() {
	a.faces = &faceCamera{limits: matcher.Limits{Thresholds: matcher.DefaultThresholds()}}
	if c := a.cfg.Camera; c.Source != "" {
		camera, err := cvcam.New(cvcam.Options{Source: c.Source, Width: c.Width, Height: c.Height, FPS: float64(c.FPS), Loop: true})
		if err != nil {
			a.faces.broken = cameraAway(err)
			a.states.set(nameCamera, Away, err.Error())
		} else {
			a.states.set(nameCamera, Starting, "")
			a.camera = capture.NewHub(camera, capture.HubOptions{OnState: a.cameraState})
			a.faces.hub = a.camera
		}
	}
	e, model, err := openEngine(a.cfg.Models, a.parts.Policy.Face.FMR)
	if err != nil {
		a.faces.broken = modelUnable(err)
		a.states.set(nameModels, Away, err.Error())
		return
	}
	a.faces.engine, a.faces.model = e, model
	a.closeFace = func() {
		if err := e.Close(); err != nil {
			a.parts.Log.Error("face engine", "error", err)
		}
	}
	a.openPAD()
	grade := model.grade
	if grade != string(catalog.Operational) {
		grade += "; not fit to admit anybody at a border"
	}
	if model.published {
		grade += "; its threshold is published and was not calibrated here"
	}
	a.states.set(nameModels, Working, fmt.Sprintf("%s (%s)", model.name, grade))
}

// openEngine loads the verified bytes of the configured models, and the
// recogniser's own threshold for the policy's false match rate.
func openEngine(cfg ModelsConfig, fmr float64) (*cvface.Engine, comparisonModel, error) {
	detector, err := catalog.Load(cfg.Detector)
	if err != nil {
		return nil, comparisonModel{}, err
	}
	recogniser, err := catalog.Load(cfg.Recogniser)
	if err != nil {
		return nil, comparisonModel{}, err
	}
	threshold, err := recogniser.ThresholdFor(fmr)
	if err != nil {
		return nil, comparisonModel{}, err
	}
	e, err := cvface.New(detector, recogniser, cvface.Options{})
	if err != nil {
		return nil, comparisonModel{}, err
	}
	model, err := judgedBy(e, threshold, detector.Grade, recogniser.Grade)
	if err != nil {
		return nil, comparisonModel{}, errors.Join(err, e.Close())
	}
	return e, model, nil
}

// judgedBy joins an engine and a threshold: the one place where they meet, and
// where a threshold that was calibrated for another model is refused. Demo
// grade is the whole's when it is any part's.
func judgedBy(engine interface{ Model() string }, t catalog.Threshold, grades ...catalog.Grade) (comparisonModel, error) {
	if t.Model == "" || t.Model != engine.Model() {
		return comparisonModel{}, fmt.Errorf("a threshold of model %q cannot judge scores of %s: no face is compared", t.Model, engine.Model())
	}
	m := comparisonModel{name: t.Model, grade: string(catalog.Operational), threshold: t.Cosine, fmr: t.FMR, published: t.Published}
	for _, g := range grades {
		if g != catalog.Operational {
			m.grade = string(catalog.Demo)
		}
	}
	return m, nil
}

// OpenEngine opens the configured face engine by itself, for tools that
// compare pictures without an appliance.
func OpenEngine(cfg ModelsConfig, fmr float64) (matcher.Engine, limen.Comparison, func() error, error) {
	e, m, err := openEngine(cfg, fmr)
	if err != nil {
		return nil, limen.Comparison{}, nil, err
	}
	return e, limen.Comparison{Threshold: m.threshold, Model: m.name, Grade: m.grade, FMR: m.fmr}, e.Close, nil
}

func (a *Appliance) cameraState(s capture.State) {
	switch s.Phase {
	case capture.Live:
		a.states.set(nameCamera, Working, a.camera.Name()) // the source without its password
	case capture.Lost:
		a.states.set(nameCamera, Away, s.Reason.Error())
	case capture.Starting:
		a.states.set(nameCamera, Starting, "")
	}
}
