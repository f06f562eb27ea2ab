package eval

import "slices"

// Partition divides people into groups by one property.
type Partition struct {
	By string // "gender"
	// Of is each person's group by the number that Set.Add was given. People
	// without one, or with the empty one, are in no group.
	Of map[int]string
}

// labels is the group by our numbers of people.
func (p Partition) labels(s *Set) []string {
	out := make([]string, s.people)
	for number, person := range s.indexed {
		out[person] = p.Of[number]
	}
	return out
}

// Group is one group's rates at each threshold of the result: of its genuine
// pairs, and of its impostor pairs among themselves, who are harder to tell
// apart than people of different groups.
type Group struct {
	By     string  `json:"by"`
	Group  string  `json:"group"`
	People int     `json:"people"`
	Points []Point `json:"points"`
}

// MinPeople is how many people a group needs to be the worst or the best: of
// fewer, a single one decides. Smaller groups are shown all the same.
const MinPeople = 5

// Differential is how far the groups of a partition are apart at a threshold.
type Differential struct {
	By        string  `json:"by"`
	Measure   string  `json:"measure"` // "fmr" or "fnmr"
	Target    float64 `json:"target_fmr,omitempty"`
	Threshold float64 `json:"threshold"`
	Worst     string  `json:"worst"`
	Best      string  `json:"best"`
	// Ratio is the worst group's rate by the best's. It is nil, as High is,
	// where the best group made no error: no ratio is too large then.
	Ratio *float64 `json:"ratio"`
	Low   float64  `json:"low"`
	High  *float64 `json:"high"`
	// NoErrors tells that no group made any: there is no worst, and no
	// difference to be found with so few pairs.
	NoErrors bool `json:"no_errors"`
	// Shown tells that the difference is more than chance: Low is above 1.
	Shown bool `json:"shown"`
}

// readGroups reads the groups and compares them.
func (r *Result) readGroups(t *tally, o Options) {
	levels := len(o.FMRs)
	if o.Threshold != 0 {
		levels++
	}
	for i, partition := range o.Partitions {
		members := map[string][]int{}
		for person, label := range t.among[i+1].labels {
			if label != "" {
				members[label] = append(members[label], person)
			}
		}
		var names []string
		for name := range members {
			names = append(names, name)
		}
		slices.Sort(names)
		first := len(r.Groups)
		for _, name := range names {
			g := Group{By: partition.By, Group: name, People: len(members[name])}
			for level := range levels {
				p := t.pointOf(members[name], i+1, level+1, o.Replicates)
				if level < len(o.FMRs) {
					p.Target, p.Resolved = o.FMRs[level], r.Points[level].Resolved
				} else {
					p.Resolved = true
				}
				g.Points = append(g.Points, p)
			}
			r.Groups = append(r.Groups, g)
		}
		for level := range levels {
			r.compareGroups(r.Groups[first:], level)
		}
	}
}

// compareGroups adds the differentials of both rates at a level. Groups
// without a trial, or of fewer than MinPeople, are left out; of fewer than two nothing can be said.
func (r *Result) compareGroups(groups []Group, level int) {
	for _, measure := range []string{"fmr", "fnmr"} {
		of := func(g Group) Estimate {
			if measure == "fmr" {
				return g.Points[level].FMR
			}
			return g.Points[level].FNMR
		}
		tried := slices.DeleteFunc(slices.Clone(groups), func(g Group) bool { return g.People < MinPeople || of(g).Trials == 0 })
		if len(tried) < 2 {
			continue
		}
		worst, best := tried[0], tried[0]
		for _, g := range tried[1:] {
			if worse(of(g), of(worst)) {
				worst = g
			}
			if worse(of(best), of(g)) {
				best = g
			}
		}
		d := Differential{By: worst.By, Measure: measure, Target: worst.Points[level].Target, Threshold: worst.Points[level].Threshold, Worst: worst.Group, Best: best.Group}
		d.ratio(of(worst), of(best))
		r.Differentials = append(r.Differentials, d)
	}
}

// worse orders by rate; of equal rates the one of which less is known is worse.
func worse(a, b Estimate) bool { return a.Rate > b.Rate || a.Rate == b.Rate && a.High > b.High }

// ratio sets the ratio and its interval, from the lower end of the worst by
// the upper end of the best and the other way round. As the ends of both are
// seldom met at once it is wider than 95 %; that also pays for choosing the
// worst and the best after having seen the figures.
func (d *Differential) ratio(worst, best Estimate) {
	d.NoErrors = worst.Errors == 0
	if best.Rate > 0 {
		ratio := worst.Rate / best.Rate
		d.Ratio = &ratio
	}
	if best.Low > 0 {
		high := worst.High / best.Low
		d.High = &high
	}
	if best.High > 0 {
		d.Low = worst.Low / best.High
	}
	d.Shown = d.Low > 1
}

// AgeBand is the group of an age in whole years: as wide as people's looks stay
// alike, as narrow as a site's numbers allow. Evaluations and the appliance's
// counters use the same, so that their figures can be laid beside each other.
func AgeBand(years int) string {
	switch {
	case years < 0 || years > 130:
		return ""
	case years < 18:
		return "0-17"
	case years < 30:
		return "18-29"
	case years < 45:
		return "30-44"
	case years < 60:
		return "45-59"
	}
	return "60+"
}
