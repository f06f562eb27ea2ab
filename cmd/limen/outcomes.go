package main

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"limen"
	"limen/matcher/eval"
	"limen/mrtd/mrz"
)

// Outcomes are counted by the sex and the age band that documents state, so
// that a site sees when the gate serves some worse than others. A count of one
// is a person, and a count that moves while somebody stands at the gate is that
// person: so counts become visible only together, after each fifty
// inspections, only in tens, and small ones not at all.
const (
	countedTogether = 50
	countedIn       = 10
)

// outcomeGroup is a cell of the table; it is all that is kept.
type outcomeGroup struct{ outcome, sex, age string }

// outcomeCounter is the table, with what has not been shown yet. It lives in
// memory alone.
type outcomeCounter struct {
	mu          sync.Mutex
	inspection  string // in hand, and what its document states; one at a time
	sex, age    string
	counts      map[outcomeGroup]uint64
	inspections int
	visible     map[outcomeGroup]uint64
}

func newOutcomeCounter() *outcomeCounter {
	return &outcomeCounter{counts: map[outcomeGroup]uint64{}, visible: map[outcomeGroup]uint64{}}
}

// unstated is the group of documents that state neither, or could not be read.
const unstated = "unstated"

// observe takes the sex and the age band of a document, and nothing else.
func (c *outcomeCounter) observe(e limen.Event) {
	if e.MRZ == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inspection, c.sex, c.age = e.Inspection, unstated, unstated
	if e.MRZ.Sex != mrz.Unspecified {
		c.sex = string(e.MRZ.Sex)
	}
	if band := eval.AgeBand(ageAt(e.MRZ.Birth, e.At)); band != "" {
		c.age = band
	}
}

// ageAt is the age in whole years; -1 without a year of birth. Where month or
// day are unknown (Doc 9303-3, 4.8) the birthday counts as past.
func ageAt(birth mrz.Date, now time.Time) int {
	if birth.Year == 0 {
		return -1
	}
	age := now.Year() - birth.Year
	if month := int(now.Month()); month < birth.Month || month == birth.Month && now.Day() < birth.Day {
		age--
	}
	return age
}

// finished counts an inspection's outcome.
func (c *outcomeCounter) finished(f limen.Finished) {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := outcomeGroup{string(f.Record.Decision.Outcome), unstated, unstated}
	if f.Record.ID == c.inspection {
		g.sex, g.age = c.sex, c.age
	}
	c.inspection, c.sex, c.age = "", "", ""
	c.counts[g]++
	if c.inspections++; c.inspections%countedTogether != 0 {
		return
	}
	for g, n := range c.counts {
		if tens := n / countedIn * countedIn; tens > 0 {
			c.visible[g] = tens
		}
	}
}

var outcomesByGroup = prometheus.NewDesc("limen_outcomes_by_group_total",
	"Outcomes by the document's sex and age band, in tens, brought up to date after each 50 inspections.", []string{"outcome", "sex", "age"}, nil)

// Describe implements prometheus.Collector.
func (*outcomeCounter) Describe(to chan<- *prometheus.Desc) { to <- outcomesByGroup }

// Collect implements prometheus.Collector.
func (c *outcomeCounter) Collect(to chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for g, n := range c.visible {
		to <- prometheus.MustNewConstMetric(outcomesByGroup, prometheus.CounterValue, float64(n), g.outcome, g.sex, g.age)
	}
}
