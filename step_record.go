package limen

import (
	"context"
	"errors"
	"time"
)

// recordLimit bounds the wait for the journal, which runs on even when the
// inspection was cut short.
const recordLimit = 10 * time.Second

// record makes the decision durable. Nobody is admitted whose admission is
// not recorded: if the journal fails, the decision becomes a referral.
func (in *Inspection) record(ctx context.Context, about Subject, e Evidence, d Decision) Finished {
	r := Record{
		Version: RecordVersion, Kind: KindInspection, ID: in.ID, Site: in.Site, Device: in.Device,
		Started: MomentOf(e.Started), Ended: MomentOf(e.Ended), Document: e.Document, Chip: e.Chip, Face: e.Face, Quality: e.Quality,
		Checks: e.Checks, Decision: d, Spent: e.Spent, Policy: in.Policy.Name, Software: in.Software,
	}
	receipt, err := in.append(ctx, r, about)
	if err != nil {
		r.Decision.Outcome = Refer
		r.Decision.Reasons = appendNew(r.Decision.Reasons, because(RecordNotStored))
		r.Decision.Recommendation = recommend(r.Decision.Reasons)
	}
	f := Finished{Record: r, Receipt: receipt, Err: err}
	in.observe(Event{Step: StepRecord, Finished: &f})
	return f
}

func (in *Inspection) append(ctx context.Context, r Record, about Subject) (Receipt, error) {
	if in.History == nil {
		return Receipt{}, errors.New("no history is configured: records have nowhere to go")
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), recordLimit)
	defer stop()
	return in.History.Append(ctx, r, about)
}
