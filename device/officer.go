package device

import (
	"context"
	"fmt"
	"time"

	"limen"
)

// maxOpen is how many of the last inspections an officer can still decide about.
const maxOpen = 64

// remember keeps an inspection's end for an officer's decision.
func (a *Appliance) remember(f limen.Finished) {
	if f.Err != nil {
		return // what is not in the history cannot be pointed to
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.finished = append(a.finished, f)
	if len(a.finished) > maxOpen {
		a.finished = a.finished[1:]
	}
}

// decideLimit bounds the wait for the journal.
const decideLimit = 10 * time.Second

// Decide implements console.Officer: it records an officer's word about an
// inspection of this appliance, signed, as a record that points to it. At a
// gate an admission opens the exit for its traveler. A page
// that is closed meanwhile does not cut it short: the word might be stored all
// the same, and the officer asked again for another.
func (a *Appliance) Decide(ctx context.Context, inspection string, outcome limen.Outcome, officer, grounds string) error {
	about, ok := a.recall(inspection)
	if !ok {
		return fmt.Errorf("inspection %s is not among the last %d of this appliance", inspection, maxOpen)
	}
	if a.parts.Officers == nil {
		return fmt.Errorf("no key signs officers' decisions on this appliance")
	}
	r, err := limen.NewOfficerRecord(about.Record, about.Receipt, outcome, officer, grounds, newID(), a.parts.Now(), a.parts.Officers)
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), decideLimit)
	defer stop()
	if _, err := a.parts.History.Append(ctx, r, limen.Subject{}); err != nil {
		return fmt.Errorf("the decision was not recorded, so it does not count: %w", err)
	}
	if a.gate != nil && outcome == limen.Admit {
		a.gate.letOut(inspection, officer)
	}
	return nil
}

func (a *Appliance) recall(id string) (limen.Finished, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, f := range a.finished {
		if f.Record.ID == id {
			return f, true
		}
	}
	return limen.Finished{}, false
}
