package demo

import (
	"errors"

	"limen/device"
	"limen/matcher/catalog"
)

// The demo models that limen ships.
const (
	shippedDetector   = "limen-detector-demo"
	shippedRecogniser = "limen-recogniser-demo"
)

// modelsAtHand are the models that the stage's appliance judges by: the
// configured ones where both are installed, else the pair that limen ships. The
// appliance itself never falls back: what judges at a border is configured.
func modelsAtHand(configured device.ModelsConfig) device.ModelsConfig {
	missing := false
	for _, name := range []string{configured.Detector, configured.Recogniser} {
		_, _, err := catalog.Find(name)
		missing = missing || errors.Is(err, catalog.ErrNotFound)
	}
	if !missing {
		return configured
	}
	shipped := configured
	shipped.Detector, shipped.Recogniser = shippedDetector, shippedRecogniser
	for _, name := range []string{shipped.Detector, shipped.Recogniser} {
		if _, _, err := catalog.Find(name); err != nil { // LIMEN_MODELS is searched alone
			return configured
		}
	}
	return shipped
}
