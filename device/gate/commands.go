package gate

// Commands is what the machine wants of the hardware, as levels: one that is
// lost on the wire is made good by the next.
type Commands struct {
	EntryOpen, ExitOpen   bool // unlock, and open where a motor moves the door; else close and lock
	EntryLight, ExitLight Light
	Alarm                 bool
	Guidance              Guidance // for the traveller's screen
}

// Light is a door's signal.
type Light uint8

// The lights.
const (
	Red Light = iota
	Green
)

// Guidance is what the traveller is told, as a code the screen has words and
// pictures for.
type Guidance string

// The guidance codes.
const (
	OutOfService    Guidance = "out_of_service"
	PresentDocument Guidance = "present_document"
	SeeOfficer      Guidance = "see_officer"  // turned away before the entry
	LeaveDocument   Guidance = "keep_still"   // leave the document on the reader
	ComeIn          Guidance = "come_in"      // take the document and come in
	DoorCloses      Guidance = "door_closes"  // stand clear of the door
	LookAtCamera    Guidance = "look_here"    // alone between the doors
	GoThrough       Guidance = "go_through"   // the exit is open
	GoBack          Guidance = "go_back"      // the entry is open to leave again
	WaitForOfficer  Guidance = "wait_officer" // locked in, or something is wrong with the passage
	Evacuate        Guidance = "evacuate"
)

// Commands follow from the gate's state alone.
func (g Gate) Commands() Commands {
	c := Commands{Guidance: g.guidance(), Alarm: g.State == Emergency || g.State == Blocked && g.Cause.alarms()}
	switch g.State {
	case Emergency:
		c.EntryOpen, c.ExitOpen = true, true
	case Entering:
		c.EntryOpen = !g.Shut
	case Leaving:
		c.EntryOpen = g.Through == Entry && !g.Shut
		c.ExitOpen = g.Through == Exit && !g.Shut
	}
	if c.EntryOpen || g.State == Idle {
		c.EntryLight = Green
	}
	if c.ExitOpen {
		c.ExitLight = Green
	}
	return c
}

func (g Gate) guidance() Guidance {
	switch g.State {
	case Idle:
		if g.Cause == Referred || g.Cause == Early {
			return SeeOfficer
		}
		return PresentDocument
	case Document:
		return LeaveDocument
	case Entering:
		if g.Shut {
			return DoorCloses
		}
		return ComeIn
	case Face:
		return LookAtCamera
	case Leaving:
		switch {
		case g.Shut:
			return DoorCloses
		case g.Through == Entry:
			return GoBack
		}
		return GoThrough
	case Emergency:
		return Evacuate
	}
	if g.Inspection == "" && g.Sees.Inside == Clear {
		return OutOfService
	}
	return WaitForOfficer
}

// alarms tells whether a cause needs an officer at once.
func (c Cause) alarms() bool {
	switch c {
	case NotLeft, CameBack, Tailgating, Intruder, LostInside, LeftObject, EntryForced, ExitForced, DoorHeld,
		BoardLost, EntryFault, ExitFault, InsideFault, LoopFault:
		return true
	}
	return false
}

// Wait is what a gate waits for within a time limit. A limit begins anew
// whenever the wait changes.
type Wait struct {
	State      State
	Closing    bool // for a door to close
	Inspection string
}

// Wait is what the gate waits for; ok is false where no time is limited: in a
// gate that is idle, waits for an officer or stands open in an emergency.
func (g Gate) Wait() (w Wait, ok bool) {
	switch g.State {
	case Document, Entering, Face, Leaving:
		return Wait{g.State, g.Shut, g.Inspection}, true
	}
	return Wait{}, false
}
