// Package device is one appliance: it opens the devices its configuration
// names, keeps them open over unplugging, runs an inspection for each document
// presented, and says how every device is.
//
//	MRZ reader ─┐
//	chip reader ─┼─▶ limen.Inspection ─▶ history, officer's page
//	camera ─────┘
package device

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"log/slog"
	"sync"
	"time"

	"limen"
	"limen/capture"
	"limen/capture/portrait"
	"limen/mrtd/trust"
)

// Parts is what an appliance is given besides its configuration.
type Parts struct {
	Policy     limen.Policy
	Trust      *trust.Store
	History    limen.History
	Pseudonyms limen.Pseudonymizer
	Lookups    []limen.Lookup
	Observer   limen.Observer
	Officers   limen.Signer // signs officers' decisions; none can be made when nil
	Software   string
	Now        func() time.Time // time.Now when nil
	Log        *slog.Logger     // nothing a document said goes there
	// Finished, when set, is told of every inspection's end.
	Finished func(limen.Finished)
	// Changed, when set, is called when a device's state has changed; it must not block.
	Changed func()
	// GateChanged, when set, is told of every change of the gate; it must
	// neither block nor ask the gate back.
	GateChanged func(GateStatus)
}

// Appliance is one gate or handheld. Make it with New, then Run it.
type Appliance struct {
	cfg    Config
	parts  Parts
	states *board

	documents chan limen.Presented
	chips     *chipReader
	camera    *capture.Hub
	faces     *faceCamera
	closeFace func()
	gate      *Gate // nil where no doors are configured

	mu       sync.Mutex
	can      string
	finished []limen.Finished // the last ones, which an officer may still decide about
}

// New makes an appliance. A face model that cannot be used is no error: the
// face is then not checked, everybody referred, and States says why.
func New(cfg Config, parts Parts) *Appliance {
	if parts.Now == nil {
		parts.Now = time.Now
	}
	if parts.Log == nil {
		parts.Log = slog.New(slog.DiscardHandler)
	}
	a := &Appliance{cfg: cfg, parts: parts, documents: make(chan limen.Presented, 1), closeFace: func() {}}
	a.states = newBoard(parts.Now, func(s State) {
		parts.Log.Info("device", "name", s.Name, "health", string(s.Health), "detail", s.Detail)
		if parts.Changed != nil {
			parts.Changed()
		}
	})
	if cfg.ChipReader.Kind != "none" {
		a.chips = newChipReader(a.states, a.parts.Log)
	}
	if cfg.Gate.drives() {
		a.gate = newGate(cfg.Gate, a.states, a.parts.Log, a.parts.GateChanged)
	}
	a.openFace()
	return a
}

// Gate is the gate this appliance drives; nil where no doors are configured.
func (a *Appliance) Gate() *Gate { return a.gate }

// States is how every device is.
func (a *Appliance) States() []State { return a.states.list() }

// Ready tells whether no device is still starting: each works, or is known
// not to.
func (a *Appliance) Ready() bool {
	started := map[string]bool{}
	for _, s := range a.states.list() {
		started[s.Name] = s.Health != Starting
	}
	return started[nameMRZReader] && started[nameChipReader] && started[nameCamera] && started[nameModels]
}

// FaceProblem is why faces cannot be checked at all; "" when they can.
func (a *Appliance) FaceProblem() limen.ReasonCode {
	if u, ok := errors.AsType[*limen.Unable](a.faces.broken); ok {
		return u.Reason.Code
	}
	return ""
}

// SetState notes how a service beside the devices is, such as the uplink.
func (a *Appliance) SetState(name string, h Health, detail string) { a.states.set(name, h, detail) }

// Camera is the live camera's hub; nil when none is configured.
func (a *Appliance) Camera() *capture.Hub { return a.camera }

// SetCAN gives the card access number of the document about to be presented;
// it serves one inspection.
func (a *Appliance) SetCAN(can string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.can = can
}

func (a *Appliance) takeCAN() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	can := a.can
	a.can = ""
	return can
}

// Present hands in a document as the MRZ reader does. While an inspection
// runs the newest document waits; one it replaces was taken away again.
func (a *Appliance) Present(p limen.Presented) {
	for {
		select {
		case a.documents <- p:
			return
		default:
		}
		select {
		case <-a.documents:
		default:
		}
	}
}

// Run opens the devices and inspects until ctx ends; it returns when every
// device is closed. An inspection under way is cut short, and recorded.
func (a *Appliance) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	own := func(name string, run func(context.Context) error) {
		wg.Go(func() {
			err := run(ctx)
			if err != nil && ctx.Err() == nil {
				a.states.set(name, Away, err.Error())
				mu.Lock()
				failed = errors.Join(failed, err)
				mu.Unlock()
			}
		})
	}
	if a.cfg.MRZReader.Port != "" {
		own(nameMRZReader, a.runMRZReader)
	} else {
		a.states.set(nameMRZReader, Absent, "not configured: set mrz_reader.port")
	}
	switch a.cfg.ChipReader.Kind {
	case "pn532":
		own(nameChipReader, func(ctx context.Context) error { return a.chips.runPN532(ctx, a.cfg.ChipReader.Port) })
	case "pcsc":
		own(nameChipReader, func(ctx context.Context) error { return a.chips.runPCSC(ctx, a.cfg.ChipReader.Name) })
	default:
		a.states.set(nameChipReader, Absent, "not configured: set chip_reader.kind")
	}
	if a.camera != nil {
		own(nameCamera, a.camera.Run)
	} else {
		a.states.set(nameCamera, Absent, "not configured: set camera.source")
	}
	if a.gate != nil {
		own(nameGate, a.gate.runDoors)
	}
	for {
		select {
		case p := <-a.documents:
			if can := a.takeCAN(); p.CAN == "" {
				p.CAN = can
			}
			f, done := a.inspect(ctx, p)
			if !done {
				continue
			}
			if f.Err != nil {
				a.parts.Log.Error("record not stored", "inspection", f.Record.ID, "error", f.Err)
			}
			a.remember(f)
			if a.parts.Finished != nil {
				a.parts.Finished(f)
			}
		case <-ctx.Done():
			stop()
			wg.Wait()
			a.closeFace()
			return failed
		}
	}
}

// ErrFMR means that a policy asks for another false match rate than the face
// models were opened for.
var ErrFMR = errors.New("the policy's face.fmr is another than the appliance was started with: name the policy in limen.yaml and restart")

// SetPolicy makes inspections that begin from now on follow another policy.
func (a *Appliance) SetPolicy(p limen.Policy) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p.Face.FMR != a.parts.Policy.Face.FMR {
		return ErrFMR
	}
	p.AcceptDemoModels = a.parts.Policy.AcceptDemoModels // the site says so, never a policy
	a.parts.Policy = p
	return nil
}

// SetTrust makes inspections that begin from now on use another trust store.
func (a *Appliance) SetTrust(s *trust.Store) {
	a.mu.Lock()
	a.parts.Trust = s
	a.mu.Unlock()
}

func (a *Appliance) newInspection() *limen.Inspection {
	a.mu.Lock()
	defer a.mu.Unlock()
	in := &limen.Inspection{
		ID: newID(), Site: a.cfg.Site, Device: a.cfg.Device, Software: a.parts.Software, Policy: a.parts.Policy,
		Scope: a.cfg.History.scope(), Places: a.cfg.places(),
		Camera: a.faces, Portraits: portraits{&portrait.Decoder{Path: a.cfg.PortraitProgram}},
		Trust: a.parts.Trust, Lookups: a.parts.Lookups, History: a.parts.History, Pseudonyms: a.parts.Pseudonyms,
		Observer: a.parts.Observer, Now: a.parts.Now,
	}
	if a.chips != nil {
		in.Chip = a.chips
	}
	return in
}

// newID is a random 128-bit identifier.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
