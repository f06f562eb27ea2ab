package limen

import (
	"context"
	"slices"

	"limen/mrtd/mrz"
)

// askLookups asks every database the policy names, all at the same time.
func (in *Inspection) askLookups(ctx context.Context, p printed) checks {
	out := make(checks, len(in.Policy.Lookups))
	asks := make([]func(), len(out))
	for i, policy := range in.Policy.Lookups {
		asks[i] = func() { out[i] = in.askLookup(ctx, policy, p) }
	}
	together(asks...)
	in.tell(StepLookup, out...)
	return out
}

func (in *Inspection) askLookup(ctx context.Context, policy LookupPolicy, p printed) Check {
	unanswered := func(code ReasonCode) Check {
		c := inconclusive(CheckLookup, because(code, policy.Name)).of(policy.Name)
		if policy.Offline == OfflineAccept {
			c.Status = NotPerformed
		}
		return c
	}
	i := slices.IndexFunc(in.Lookups, func(l Lookup) bool { return l.Name() == policy.Name })
	if i < 0 {
		return unanswered(LookupUnavailable)
	}
	limit, stop := context.WithTimeout(ctx, policy.TimeLimit)
	defer stop()
	answer, err := in.Lookups[i].Ask(limit, LookupQuery{p.mrz.DocumentCode, mrz.Alpha3(p.mrz.Issuer), p.mrz.Number, mrz.Alpha3(p.mrz.Nationality)})
	switch {
	case err != nil:
		return unanswered(LookupUnavailable)
	case answer.Hit && answer.Kind == HitLost:
		return fail(CheckLookup, because(ReportedLost, policy.Name)).of(policy.Name)
	case answer.Hit:
		return fail(CheckLookup, because(StopListHit, policy.Name)).of(policy.Name)
	case policy.MaxAge > 0 && in.Now().Sub(answer.AsOf) > policy.MaxAge:
		return unanswered(LookupStale)
	}
	return pass(CheckLookup).of(policy.Name)
}
