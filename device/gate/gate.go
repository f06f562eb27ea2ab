// Package gate is the state machine of an e-gate with two doors and a space for
// one traveller between them. It is pure: a value, one transition function and
// the commands that follow from the value. It has no goroutine and no clock;
// who runs it tells it when a time limit has passed.
//
//	Event -> Gate.Next -> Gate -> Gate.Commands -> doors, lights, alarm, traveller's screen
//
// It is the integrated two-step process of the Frontex guidelines on automated
// border control: the document is read outside, the face is captured once the
// traveller stands alone between the closed doors. docs/gate.md shows states
// and transitions as the exhaustive exploration in the tests finds them.
//
// Emergency opening is not the machine's: a hardware loop cuts the locks'
// current. The machine notices, and follows.
package gate

// State is where the gate stands.
type State uint8

// The states.
const (
	Blocked   State = iota // both doors locked until an officer comes; how a gate starts
	Idle                   // waits for a document
	Document               // a document is being read; the traveller stands outside
	Entering               // the entry is open for one traveller
	Face                   // one traveller between closed doors: face, comparison, decision
	Leaving                // one door is open for the traveller to leave
	Emergency              // the loop is open: so are both doors
)

var stateNames = [...]string{"blocked", "idle", "document", "entering", "face", "leaving", "emergency"}

func (s State) String() string { return stateNames[s] }

// Gate is the machine's whole memory. The zero value is a gate that has just
// started and knows nothing of its sensors. Gates are compared with ==.
type Gate struct {
	State      State
	Cause      Cause  // why it is blocked or, when idle, why the last traveller did not get in
	Inspection string // of the traveller served; empty when there is none

	Through Door // leaving: which door is open for it
	Officer bool // leaving on an officer's word
	Opened  bool // entering, leaving: the door was seen open
	Shut    bool // entering, leaving: the door was told to close again, for good
	Crossed bool // leaving: somebody stood in the zone beyond the exit

	Sees Sensors
}

// Sensors is what the gate believes about the world. Whatever is not known for
// certain is Unknown, for whatever reason; the zero value knows nothing.
type Sensors struct {
	Entry, Exit Position
	Inside      Presence
	Loop        Loop
	Front       bool // the sensor before the entry can be believed
	Beyond      bool // and so can the one behind the exit
	Mains       bool // the gate runs on the mains
}

// Position is a door's.
type Position uint8

// The positions.
const (
	PositionUnknown Position = iota
	Closed
	Ajar // anything but closed, up to wide open
)

// Presence is what stands in a zone.
type Presence uint8

// The presences. Several is told of the inside alone.
const (
	PresenceUnknown Presence = iota
	Clear
	Taken
	Several
)

// Loop is the emergency loop as its monitoring contacts show it.
type Loop uint8

// The loop's states. Contacts that contradict each other are LoopUnknown: the
// loop opens the doors by itself, so a cut monitoring wire must not.
const (
	LoopUnknown Loop = iota
	LoopWhole
	LoopOpen
)

// Door is one of the two.
type Door uint8

// The doors.
const (
	Entry Door = iota
	Exit
)

func (d Door) String() string { return [...]string{"entry", "exit"}[d] }

// Zone is where presence is sensed.
type Zone uint8

// The zones.
const (
	Front  Zone = iota // before the entry
	Inside             // between the doors
	Beyond             // behind the exit
)

func (z Zone) String() string { return [...]string{"front", "inside", "beyond"}[z] }

// Cause is why a gate is blocked or took nobody in.
type Cause uint8

// The causes.
const (
	NoCause Cause = iota
	// Of travellers.
	Referred    // the decision is an officer's
	Early       // an admission came before its traveller stood alone inside; it counts for nobody
	TooSlow     // a time limit passed
	Withdrawn   // the document was taken away, or nobody came in
	NotLeft     // the traveller was let out and stayed
	CameBack    // somebody came back in through the door that was closing
	Tailgating  // more than one person inside
	Intruder    // somebody inside who did not come in through the entry
	LostInside  // nobody inside though no door was open
	LeftObject  // somebody left, something stayed
	EntryForced // a locked door is open
	ExitForced
	DoorHeld // a door does not close
	// Of the gate.
	Starting
	ByOfficer
	PowerLost
	AfterEmergency
	BoardLost // the relay board does not answer
	EntryFault
	ExitFault
	InsideFault
	FrontFault
	BeyondFault
	LoopFault
)

var causeNames = [...]string{"", "referred", "early", "too_slow", "withdrawn", "not_left", "came_back", "tailgating", "intruder",
	"lost_inside", "left_object", "entry_forced", "exit_forced", "door_held", "starting", "by_officer", "power_lost", "after_emergency",
	"board_lost", "entry_fault", "exit_fault", "inside_fault", "front_fault", "beyond_fault", "loop_fault"}

func (c Cause) String() string { return causeNames[c] }

// New is a gate that has just started: blocked until every sensor has spoken
// and the gate is seen empty and closed.
func New() Gate { return Gate{State: Blocked, Cause: Starting} }
