package limen

import (
	"image"
	"log/slog"
	"time"

	"limen/mrtd/mrz"
)

// Event is something an inspection has just learned. Exactly one of the
// pointers and pictures is set, or none in a mere step. Events hold personal
// data: they go to the screen in front of the officer and nowhere else.
type Event struct {
	Inspection string
	At         time.Time
	Step       Step

	MRZ      *mrz.MRZ      // the printed MRZ, repaired
	Check    *Check        // a check was answered
	Portrait image.Image   // the chip's portrait
	Live     image.Image   // the best live frame
	Quality  *Quality      // of the portrait or of the best live frame
	Match    *Comparison   // live face against portrait
	Earlier  []Earlier     // the document's earlier checks
	Finished *Finished     // the decision was made and recorded
	Progress *ReadProgress // how far the chip is read
	Guidance *Guidance     // what the traveler before the camera can do now
}

// LogValue redacts all but the step.
func (e Event) LogValue() slog.Value { return slog.StringValue(string(e.Step)) }

// Step is where on the line an event arose.
type Step string

// The steps.
const (
	StepDocument     Step = "document"
	StepMRZ          Step = "mrz"
	StepEligibility  Step = "eligibility"
	StepChip         Step = "chip"
	StepFace         Step = "face"
	StepLookup       Step = "lookup"
	StepHistory      Step = "history"
	StepAuthenticity Step = "authenticity"
	StepMatch        Step = "match"
	StepDecision     Step = "decision"
	StepRecord       Step = "record"
)

// ReadProgress counts the bytes of one chip file.
type ReadProgress struct {
	File        string
	Read, Total int
}

// Finished is how an inspection ended. Err is set when its record could not
// be stored, in which case nobody is admitted.
type Finished struct {
	Record  Record
	Receipt Receipt
	Err     error
}
