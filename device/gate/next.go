package gate

// Next is the gate after an event. It is the one transition function: every
// event is taken in every state, and one that means nothing there changes
// nothing but what the sensors show.
func (g Gate) Next(e Event) Gate {
	g.Sees = g.Sees.after(e)
	switch {
	case g.Sees.Loop == LoopOpen:
		return Gate{State: Emergency, Sees: g.Sees}
	case g.State == Emergency && g.Sees.Loop == LoopWhole:
		return g.block(AfterEmergency)
	case g.State == Emergency:
		return g // a loop that cannot be read does not end an emergency
	}
	switch e := e.(type) {
	case BlockedByOfficer:
		return g.block(ByOfficer)
	case BoardSilent:
		if g.State != Blocked {
			return g.block(BoardLost)
		}
	case Released:
		return g.release(e)
	}
	switch g.State {
	case Blocked:
		return g.blocked(e)
	case Idle:
		g = g.idle(e)
	case Document:
		g = g.document(e)
	case Entering:
		g = g.entering(e)
	case Face:
		g = g.face(e)
	case Leaving:
		g = g.leaving(e)
	}
	if c := g.contradiction(); g.State != Blocked && c != NoCause {
		return g.block(c)
	}
	return g
}

// after is what the sensors show once e is seen.
func (s Sensors) after(e Event) Sensors {
	switch e := e.(type) {
	case PresenceSeen:
		switch e.Zone {
		case Front:
			s.Front = e.Presence != PresenceUnknown
		case Inside:
			s.Inside = e.Presence
		case Beyond:
			s.Beyond = e.Presence != PresenceUnknown
		}
	case DoorSeen:
		if e.Door == Entry {
			s.Entry = e.Position
		} else {
			s.Exit = e.Position
		}
	case LoopSeen:
		s.Loop = e.Loop
	case MainsSeen:
		s.Mains = e.On
	case BoardSilent:
		return Sensors{}
	}
	return s
}

// block locks both doors. The inspection stays known: an officer may still
// let its traveller out.
func (g Gate) block(c Cause) Gate {
	return Gate{State: Blocked, Cause: c, Inspection: g.Inspection, Sees: g.Sees}
}

// serve goes back to waiting for a document; c is why nobody was let through.
func (g Gate) serve(c Cause) Gate { return Gate{State: Idle, Cause: c, Sees: g.Sees} }

// blocked leaves by an officer's word alone, but for a start and a return of
// the mains, when nobody had been let in.
func (g Gate) blocked(e Event) Gate {
	ready := g.serve(NoCause)
	why := ready.contradiction()
	_, reset := e.(Reset)
	switch {
	case why == NoCause && (reset || g.Cause == Starting || g.Cause == PowerLost):
		return ready
	case reset:
		return g.block(why)
	}
	return g
}

func (g Gate) idle(e Event) Gate {
	switch e := e.(type) {
	case DocumentPresented:
		if e.Inspection != "" {
			return Gate{State: Document, Inspection: e.Inspection, Sees: g.Sees}
		}
	case PresenceSeen:
		if e.Zone == Front && e.Presence == Clear {
			g.Cause = NoCause // who was turned away has gone
		}
	}
	return g
}

func (g Gate) document(e Event) Gate {
	switch e := e.(type) {
	case DocumentRead:
		if e.Inspection == g.Inspection {
			return Gate{State: Entering, Inspection: g.Inspection, Sees: g.Sees}
		}
	case DocumentRemoved:
		return g.serve(Withdrawn)
	case Decided:
		switch {
		case e.Inspection != g.Inspection:
		case e.Admit:
			return g.serve(Early)
		default:
			return g.serve(Referred)
		}
	case Expired:
		if e.State == Document {
			return g.serve(TooSlow)
		}
	}
	return g
}

// entering: the door opens, one traveller steps in, the door closes. Where
// nobody does before the time limit, it closes too, and has as long again.
func (g Gate) entering(e Event) Gate {
	if d, ok := e.(Decided); ok && d.Inspection == g.Inspection {
		if d.Admit {
			return g.block(Early)
		}
		return g.block(Referred)
	}
	g.Opened = g.Opened || g.Sees.Entry == Ajar
	if x, ok := e.(Expired); ok && x.State == Entering {
		if g.Shut || g.Sees.Inside != Clear {
			return g.block(DoorHeld)
		}
		g.Shut = true
	}
	g.Shut = g.Shut || g.Opened && g.Sees.Inside == Taken
	if g.Shut && g.Sees.Entry == Closed {
		switch g.Sees.Inside {
		case Taken:
			return Gate{State: Face, Inspection: g.Inspection, Sees: g.Sees}
		case Clear:
			return g.serve(Withdrawn)
		}
	}
	return g
}

// face is the only state in which an admission counts: the traveller stands
// alone between closed doors, or contradiction would have ended it.
func (g Gate) face(e Event) Gate {
	switch e := e.(type) {
	case Decided:
		switch {
		case e.Inspection != g.Inspection:
		case !e.Admit:
			return g.block(Referred)
		case g.contradiction() == NoCause:
			return Gate{State: Leaving, Through: Exit, Inspection: g.Inspection, Sees: g.Sees}
		}
	case Expired:
		if e.State == Face {
			return g.block(TooSlow)
		}
	}
	return g
}

// leaving: the door opens, the traveller steps out, the door closes. It opens
// once: what opened it is spent then.
func (g Gate) leaving(e Event) Gate {
	position := g.Sees.Exit
	if g.Through == Entry {
		position = g.Sees.Entry
	}
	g.Opened = g.Opened || position == Ajar
	if p, ok := e.(PresenceSeen); ok && p.Zone == Beyond && p.Presence == Taken && g.Through == Exit && g.Opened {
		g.Crossed = true
	}
	if x, ok := e.(Expired); ok && x.State == Leaving {
		switch {
		case g.Shut:
			return g.block(DoorHeld)
		case g.Crossed && g.Sees.Inside == Taken:
			return g.block(LeftObject)
		}
		return g.block(NotLeft)
	}
	g.Shut = g.Shut || g.Opened && g.Sees.Inside == Clear
	if g.Shut && position == Closed && g.Sees.Inside == Clear {
		return g.serve(NoCause)
	}
	return g
}

// release lets whoever is inside out on an officer's word, once the other
// door is known to be closed. It stands above faults of the other sensors:
// nobody must stay locked in because a zone's wire is cut.
func (g Gate) release(e Released) Gate {
	serving := g.State == Face || g.State == Blocked
	named := e.Inspection == "" || e.Inspection == g.Inspection
	next := Gate{State: Leaving, Through: e.Door, Officer: true, Inspection: g.Inspection, Sees: g.Sees}
	if !serving || !named || next.contradiction() != NoCause {
		return g
	}
	return next
}

// contradiction is what the sensors show that cannot be in this state.
func (g Gate) contradiction() Cause {
	s := g.Sees
	entryServes := g.State == Entering || g.State == Leaving && g.Through == Entry
	exitServes := g.State == Leaving && g.Through == Exit
	switch {
	case !exitServes && s.Exit == PositionUnknown:
		return ExitFault
	case !entryServes && s.Entry == PositionUnknown:
		return EntryFault
	case !exitServes && s.Exit == Ajar:
		return ExitForced
	case !entryServes && s.Entry == Ajar:
		return EntryForced
	case g.Officer:
		return NoCause
	case s.Entry == PositionUnknown:
		return EntryFault
	case s.Exit == PositionUnknown:
		return ExitFault
	case s.Inside == PresenceUnknown:
		return InsideFault
	case !s.Front:
		return FrontFault
	case !s.Beyond:
		return BeyondFault
	case s.Loop == LoopUnknown:
		return LoopFault
	case s.Inside == Several:
		return Tailgating
	}
	empty := s.Inside == Clear
	switch g.State {
	case Idle, Document:
		if !empty {
			return Intruder
		}
		if !s.Mains {
			return PowerLost
		}
	case Entering:
		if !empty && !g.Opened {
			return Intruder
		}
	case Face:
		if empty {
			return LostInside
		}
	case Leaving:
		if !empty && g.Shut {
			return CameBack
		}
	}
	return NoCause
}
