package device

import (
	"context"
	"slices"
	"sync"
	"time"

	"limen"
	"limen/device/gate"
)

// inspect runs one inspection. At a gate it begins only when the gate is idle,
// is cut short when the gate gives its traveler up, and its decision goes to
// the gate with the inspection's identifier.
func (a *Appliance) inspect(ctx context.Context, p limen.Presented) (f limen.Finished, done bool) {
	in := a.newInspection()
	if a.gate == nil {
		return in.Run(ctx, p), true
	}
	if _, after := a.gate.apply(gate.DocumentPresented{Inspection: in.ID}); !serves(in.ID)(after) {
		a.parts.Log.Info("gate", "document", "not taken", "state", after.State.String())
		return f, false
	}
	camera := insideCamera{faceCamera: a.faces, limit: in.Policy.Times.Face}
	in.Policy = a.gate.adapt(in.Policy)
	camera.entrance = &entrance{gate: a.gate, policy: in.Policy, to: in.Observer, inspection: in.ID, refused: make(chan struct{})}
	in.Observer, in.Camera = camera.entrance, camera
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	wg.Go(func() {
		if a.gate.until(ctx, func(g gate.Gate) bool { return !serves(in.ID)(g) }) == nil {
			stop()
		}
	})
	f = in.Run(ctx, p)
	a.gate.apply(gate.Decided{Inspection: in.ID, Admit: f.Err == nil && f.Record.Decision.Outcome == limen.Admit})
	return f, true
}

// entrance watches an inspection and lets its traveler in once the document is
// proven as far as the policy demands and nothing has failed.
type entrance struct {
	gate       *Gate
	policy     limen.Policy
	to         limen.Observer // may be nil
	inspection string

	mu      sync.Mutex
	refused chan struct{} // closed when the traveler will not be let in
	closed  bool
}

// Observe implements limen.Observer.
func (e *entrance) Observe(event limen.Event) {
	if e.to != nil {
		e.to.Observe(event)
	}
	c := event.Check
	if c == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	before := event.Step != limen.StepFace && event.Step != limen.StepMatch && event.Step != limen.StepDecision
	if before && !e.closed && (c.Status == limen.Failed || e.demanded(c) && c.Status != limen.Passed) {
		e.closed = true
		close(e.refused)
	}
	// What DG1 says against what is printed is the last that is told of the document.
	if c.Name == limen.CheckMRZChip && !e.closed {
		e.gate.apply(gate.DocumentRead{Inspection: e.inspection})
	}
}

// demanded tells whether the policy wants the check passed of everybody.
func (e *entrance) demanded(c *limen.Check) bool {
	return slices.ContainsFunc(e.policy.Mandatory, func(r limen.Requirement) bool {
		return string(r) == string(c.Name) || string(r) == string(c.Name)+":"+c.Subject
	})
}

// insideCamera looks for a face once its traveler stands alone between the
// closed doors: whoever was seen before that may not be who came in.
type insideCamera struct {
	*faceCamera
	entrance *entrance
	limit    time.Duration // for the face, once the traveler is inside
}

var (
	_ limen.GuidingCamera     = insideCamera{}
	_ limen.PortraitDescriber = insideCamera{}
)

// Capture implements limen.FaceCamera.
func (c insideCamera) Capture(ctx context.Context) (limen.LiveFace, error) {
	return c.CaptureGuided(ctx, func(limen.Guidance) {})
}

// CaptureGuided implements limen.GuidingCamera.
func (c insideCamera) CaptureGuided(ctx context.Context, tell func(limen.Guidance)) (limen.LiveFace, error) {
	wait, stop := context.WithCancel(ctx)
	defer stop()
	inside := make(chan error, 1)
	go func() {
		inside <- c.entrance.gate.until(wait, func(g gate.Gate) bool { return g.State == gate.Face && g.Inspection == c.entrance.inspection })
	}()
	select {
	case err := <-inside:
		if err != nil {
			return nil, &limen.Unable{Reason: limen.Reason{Code: limen.FaceNotFound}, Err: err}
		}
	case <-c.entrance.refused:
		stop()
		<-inside
		return nil, &limen.Unable{Reason: limen.Reason{Code: limen.PrerequisiteMissing, Subject: string(limen.CheckChipRead)}}
	}
	ctx, end := context.WithTimeout(ctx, c.limit)
	defer end()
	return c.faceCamera.CaptureGuided(ctx, tell)
}
