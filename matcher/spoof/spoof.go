// Package spoof is presentation attack detection (ISO/IEC 30107-1 and -3): it
// judges from a sequence of frames whether a bona fide presentation stands
// before the camera or an artefact that shows somebody: a print, a screen, a
// cut-out. It is plain Go; the networks it may ask live behind Network.
//
// Five cues speak. What surrounds the head is carried along by an artefact and
// stays where it is behind a head; a display's grid beats with the sensor's; a
// picture that was cut out shows its paper around the head; a head that turns
// moves its nose before its face, a plane does not; and, where they are
// installed, networks judge how skin looks. A cue that has seen too
// little says nothing, and when nothing speaks for a bona fide presentation the
// detection was not performed: it never passes for want of evidence.
//
// It does not detect masks, nor a picture cut out so close that no paper shows, and no cue of it was measured on real artefacts
// (docs/figures.md says what it was measured on).
package spoof

import (
	"image"
	"log/slog"

	"limen/matcher"
)

// Status is how the detection ended. Its values are the inspection's own.
type Status string

// The statuses. The zero value is none of them.
const (
	Passed       Status = "passed"        // classified as bona fide
	Failed       Status = "failed"        // classified as an attack
	NotPerformed Status = "not_performed" // too little was seen to classify it
)

// Reason says why the detection did not pass.
type Reason string

// The reasons. The codes are the screens' and the records'.
const (
	Suspected    Reason = "presentation_attack_suspected"
	NoModel      Reason = "pad_model_missing"       // no network is installed and motion alone did not suffice
	TooFewFrames Reason = "pad_sequence_too_short"  // the face was not seen long enough
	NoEvidence   Reason = "pad_evidence_too_little" // frames enough, and nothing in them that speaks clearly
	FaceChanged  Reason = "pad_face_changed"        // the face that is compared is not the one that was watched
)

// CueName names a cue; it is the subject of Suspected.
type CueName string

// The cues.
const (
	Surroundings CueName = "surroundings" // what is around the head moves with it
	Grid         CueName = "grid"         // frequency peaks of a display
	Outline      CueName = "outline"      // a rim of paper around the head
	Relief       CueName = "relief"       // the nose moves against the face
	Texture      CueName = "texture"      // the networks' word
)

// Cue is what one cue says: Weight from -1, an attack, to 1, bona fide; 0 is
// no word. Measured is the number behind it, in the cue's own unit.
type Cue struct {
	Name     CueName
	Weight   float64
	Measured float64
	Frames   int // that it rests on
}

// Judgement is the fused result.
type Judgement struct {
	Status Status
	Reason Reason  // why it did not pass; empty when it did
	Cue    CueName // that decided a Failed
	Score  float64 // sum of the weights, higher is more bona fide
	Cues   []Cue
	Frames int
}

// LogValue gives status and reason: the rest would help an attacker tune.
func (j Judgement) LogValue() slog.Value {
	return slog.GroupValue(slog.String("status", string(j.Status)), slog.String("reason", string(j.Reason)))
}

// Network judges one picture of a face.
type Network interface {
	// Live is how sure it is, 0 to 1, that the face in box is no artefact.
	Live(img image.Image, box matcher.Box) (float64, error)
}
