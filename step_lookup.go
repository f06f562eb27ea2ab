package limen

import (
	"context"
	"fmt"
	"slices"
	"time"

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
	answer, err := in.Lookups[i].Ask(limit, LookupQuery{p.mrz.DocumentCode, mrz.Alpha3(p.mrz.Issuer), p.mrz.Number, mrz.Alpha3(p.mrz.Nationality), person(p.mrz)})
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
	if age := in.Now().Sub(answer.AsOf); age >= time.Hour && !answer.AsOf.IsZero() {
		return pass(CheckLookup, because(LookupDated, policy.Name+", "+inWords(age))).of(policy.Name)
	}
	return pass(CheckLookup).of(policy.Name)
}

// person is the holder as lists of persons have them.
func person(m mrz.MRZ) string {
	if m.Birth.Year == 0 && m.Birth.Month == 0 && m.Birth.Day == 0 || m.Primary+m.Secondary == "" {
		return ""
	}
	birth := []byte("<<<<<<")
	for i, n := range []int{m.Birth.Year, m.Birth.Month, m.Birth.Day} {
		if n > 0 {
			copy(birth[2*i:], fmt.Sprintf("%02d", n%100))
		}
	}
	return Person(mrz.Alpha3(m.Nationality), string(birth), m.Primary, m.Secondary)
}

// inWords is an age of an hour or more: "3 h", "2 d".
func inWords(age time.Duration) string {
	if age < 48*time.Hour {
		return fmt.Sprintf("%d h", age/time.Hour)
	}
	return fmt.Sprintf("%d d", age/(24*time.Hour))
}
