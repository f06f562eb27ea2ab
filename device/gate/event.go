package gate

// Event is something that happened. Events are values without pointers.
type Event interface {
	// Name is the event's kind in one or two words, as the diagram shows it.
	Name() string
}

// The events. Readings may come in any order, repeat, and contradict each other.
type (
	// DocumentPresented says that a document lies on the reader; its inspection
	// gets this identifier, unique and never empty.
	DocumentPresented struct{ Inspection string }
	// DocumentRead says that the chip was read and the traveller may come in.
	DocumentRead struct{ Inspection string }
	// DocumentRemoved says that the document was taken off the reader.
	DocumentRemoved struct{}
	// Decided is an inspection's decision, recorded: admit, or else refer.
	Decided struct {
		Inspection string
		Admit      bool
	}
	// PresenceSeen is a zone's reading; PresenceUnknown is a sensor that cannot be believed.
	PresenceSeen struct {
		Zone     Zone
		Presence Presence
	}
	// DoorSeen is a door's position; PositionUnknown is one whose switches cannot be believed.
	DoorSeen struct {
		Door     Door
		Position Position
	}
	// LoopSeen is the emergency loop's reading.
	LoopSeen struct{ Loop Loop }
	// MainsSeen tells whether the gate runs on the mains.
	MainsSeen struct{ On bool }
	// BoardSilent says that the relay board does not answer: nothing is known any more.
	BoardSilent struct{}
	// Expired says that the time limit of a state has passed (Gate.Wait).
	Expired struct{ State State }
	// Released is an officer's word to let whoever is inside leave through a
	// door. With an inspection it counts for that traveller alone.
	Released struct {
		Door       Door
		Inspection string
	}
	// BlockedByOfficer is an officer's word to lock both doors.
	BlockedByOfficer struct{}
	// Reset is an officer's word to serve again.
	Reset struct{}
)

func (DocumentPresented) Name() string { return "document presented" }
func (DocumentRead) Name() string      { return "document read" }
func (DocumentRemoved) Name() string   { return "document removed" }
func (e Decided) Name() string {
	if e.Admit {
		return "admit"
	}
	return "refer"
}
func (PresenceSeen) Name() string     { return "presence" }
func (DoorSeen) Name() string         { return "door" }
func (LoopSeen) Name() string         { return "emergency loop" }
func (MainsSeen) Name() string        { return "mains" }
func (BoardSilent) Name() string      { return "board silent" }
func (Expired) Name() string          { return "time limit" }
func (Released) Name() string         { return "release" }
func (BlockedByOfficer) Name() string { return "block" }
func (Reset) Name() string            { return "reset" }
