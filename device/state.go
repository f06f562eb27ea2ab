package device

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// State is how one device or service of the appliance is, in words an officer
// can act upon.
type State struct {
	Name   string    // "chip reader"
	Health Health    // whether it works
	Detail string    // what it is or what is wrong; nothing a document said
	Since  time.Time // when Health last changed
}

// Health is whether a device works.
type Health string

// The healths.
const (
	Starting Health = "starting"
	Working  Health = "working"
	Away     Health = "away"   // configured and not to be had
	Absent   Health = "absent" // not configured
)

// board keeps the state of every device; safe for concurrent use.
type board struct {
	mu     sync.Mutex
	states map[string]State
	now    func() time.Time
	told   func(State) // every change of health
}

func newBoard(now func() time.Time, told func(State)) *board {
	return &board{states: map[string]State{}, now: now, told: told}
}

// set notes a device's health and tells of changes, not of repetitions.
func (b *board) set(name string, h Health, detail string) {
	b.mu.Lock()
	old, known := b.states[name]
	s := State{name, h, detail, old.Since}
	if !known || old.Health != h {
		s.Since = b.now()
	}
	b.states[name] = s
	b.mu.Unlock()
	if old.Health != h || old.Detail != detail {
		b.told(s)
	}
}

// list is every state, by name.
func (b *board) list() []State {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []State
	for _, s := range b.states {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b State) int { return cmp.Compare(a.Name, b.Name) })
	return out
}
