package demo

import (
	"limen/hw/sim/camera"
	"limen/hw/sim/link"
	"limen/hw/sim/mrzsim"
	"limen/hw/sim/national"
	"limen/hw/sim/pn532sim"
)

// The far ends, for whoever wants to see them pulled, stuck or away.

// MRZLine is the cable to the MRZ reader.
func (s *Stage) MRZLine() *link.Link { return s.mrzLine }

// MRZReader is the reader at its end.
func (s *Stage) MRZReader() *mrzsim.Reader { return s.mrz }

// ChipLine is the cable to the PN532.
func (s *Stage) ChipLine() *link.Link { return s.nfcLine }

// Camera is the live camera.
func (s *Stage) Camera() *camera.Camera { return s.camera }

// National is the national system.
func (s *Stage) National() *national.Service { return s.national }

// between is what lies on the antenna for a document's chip.
func (s *Stage) between(chip pn532sim.Card) pn532sim.Card {
	if s.Between == nil {
		return chip
	}
	return s.Between(chip)
}

// Lines are a traveller's document as it is printed, and as the MRZ reader
// takes it.
func (s *Stage) Lines(t Traveller) (printed, read []string, err error) {
	document, err := s.authorities.issue(t)
	return document.printed, document.read, err
}
