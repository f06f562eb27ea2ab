package device

import (
	"errors"
	"log/slog"
	"strings"

	"limen"
	"limen/matcher/catalog"
	"limen/matcher/cvface"
	"limen/matcher/spoof"
)

// openSpoof loads the presentation attack networks that the configuration
// names. They work together: where one is missing there is none, and motion and
// spectrum are left.
func openSpoof(cfg ModelsConfig) (*cvface.Spoof, string, error) {
	var models []catalog.Model
	var names []string
	for _, name := range cfg.Spoof {
		m, err := catalog.Load(name)
		if err != nil {
			return nil, "", err
		}
		models = append(models, m)
		names = append(names, m.ID())
	}
	s, err := cvface.NewSpoof(models...)
	return s, strings.Join(names, " "), err
}

// OpenSpoof opens the installed presentation attack networks for tools, with
// their names; without any the network is nil and the name "none".
func OpenSpoof(cfg ModelsConfig) (spoof.Network, string, func() error) {
	s, name, err := openSpoof(cfg)
	if err != nil {
		return nil, "none", func() error { return nil }
	}
	return s, name, s.Close
}

// openPAD gives the camera its networks. That none is installed is no fault of
// a device: the check then rests on motion and spectrum. One that was
// changed is named in the log.
func (a *Appliance) openPAD() {
	if len(a.cfg.Models.Spoof) == 0 {
		return
	}
	s, name, err := openSpoof(a.cfg.Models)
	if err != nil {
		if !errors.Is(err, catalog.ErrNotFound) {
			a.parts.Log.Error("presentation attack networks", "error", err)
		}
		return
	}
	a.parts.Log.Info("presentation attack networks", slog.String("models", name))
	closeEngine := a.closeFace
	a.faces.network = s
	a.closeFace = func() {
		closeEngine()
		if err := s.Close(); err != nil {
			a.parts.Log.Error("presentation attack networks", "error", err)
		}
	}
}

// Presentation implements limen.PresentationJudge: of what was seen so far, the
// frames that a comparison added included.
func (l *liveFace) Presentation() (limen.Status, []limen.Reason) {
	j := l.watch.Judge()
	var why []limen.Reason
	if j.Reason != "" {
		why = []limen.Reason{{Code: limen.ReasonCode(j.Reason)}}
	}
	switch j.Status {
	case spoof.Passed:
		return limen.Passed, why
	case spoof.Failed:
		return limen.Failed, why
	}
	return limen.NotPerformed, why
}
