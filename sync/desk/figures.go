package desk

import (
	"cmp"
	"math"
	"net/http"
	"slices"
	"time"

	"limen"
	"limen/sync/fleet"
)

// span is a stretch of time that figures are shown of.
type span struct {
	Key, Name string
	bins      int
	bin       time.Duration
}

var spans = []span{{"day", "24 hours", 24, time.Hour}, {"week", "7 days", 28, 6 * time.Hour}, {"month", "30 days", 30, 24 * time.Hour}}

// figuresView is the page of figures.
type figuresView struct {
	Span    string
	Spans   []span
	Site    string
	Names   []string // of sites
	Checks  chart
	Reasons chart
	Top     []reasonRow
	Rates   []rateRow
}

// reasonRow is how often one reason was given.
type reasonRow struct {
	Code  string
	Count int64
	Share float64 // of the checks that were referred
}

// rateRow is one site's rates. The last is that of all.
type rateRow struct {
	Site             string
	Checks, Referred int64
	Referral         rate
	Decided, Cleared int64 // officers' decisions, and how many of them admitted
	FalseAlarm       rate
	Seconds          float64 // mean time of a check
	millis           int64
}

// rate is a proportion and the 95 % interval of Wilson about it.
type rate struct {
	Of, Low, High float64
	Known         bool // of at least one
}

func rateOf(k, n int64) rate {
	if n <= 0 {
		return rate{}
	}
	const z = 1.959964
	p, m := float64(k)/float64(n), float64(n)
	middle, spread := p+z*z/(2*m), z*math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	scale := 1 + z*z/m
	return rate{p, max(0, (middle-spread)/scale), min(1, (middle+spread)/scale), true}
}

func percent(f float64) float64 { return math.Round(f*1000) / 10 }

func (d *Desk) showFigures(w http.ResponseWriter, r *http.Request, v visit) error {
	s := spans[0]
	for _, one := range spans {
		if one.Key == r.FormValue("span") {
			s = one
		}
	}
	now := d.now()
	from := now.Truncate(time.Hour).Add(time.Hour).Add(-time.Duration(s.bins) * s.bin)
	all, err := d.records.Figures(r.Context(), from, now.Add(time.Hour), "")
	if err != nil {
		return err
	}
	f := figuresView{Span: s.Key, Spans: spans, Site: r.FormValue("site")}
	for _, one := range all {
		if !slices.Contains(f.Names, one.Site) {
			f.Names = append(f.Names, one.Site)
		}
	}
	slices.Sort(f.Names)
	shown := slices.DeleteFunc(slices.Clone(all), func(one fleet.Figure) bool { return f.Site != "" && one.Site != f.Site })
	f.Checks = checksChart(shown, from, s.bins, s.bin)
	f.Top = topReasons(shown)
	f.Reasons = reasonsChart(shown, f.Top, from, s.bins, s.bin)
	f.Rates = ratesOf(shown)
	return d.show(w, r, v, http.StatusOK, "figures", view{Title: "Figures", Page: "figures", Live: true, Data: f})
}

// mostReasons are listed.
const mostReasons = 15

func topReasons(figures []fleet.Figure) (out []reasonRow) {
	counts, referred := map[string]int64{}, int64(0)
	for _, f := range figures {
		switch {
		case f.What == fleet.CountReason:
			counts[f.Code] += f.Count
		case f.What == fleet.CountOutcome && f.Code == string(limen.Refer):
			referred += f.Count
		}
	}
	for code, n := range counts {
		row := reasonRow{Code: code, Count: n}
		if referred > 0 {
			row.Share = min(1, float64(n)/float64(referred))
		}
		out = append(out, row)
	}
	slices.SortFunc(out, func(a, b reasonRow) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Code, b.Code)) })
	return out[:min(len(out), mostReasons)]
}

// ratesOf are the sites' rates, and all together at the end. A false alarm is
// a referral after which the officer admitted.
func ratesOf(figures []fleet.Figure) (out []rateRow) {
	sites := map[string]*rateRow{}
	all := rateRow{Site: "All sites"}
	for _, f := range figures {
		if sites[f.Site] == nil {
			sites[f.Site] = &rateRow{Site: f.Site}
		}
		for _, row := range []*rateRow{sites[f.Site], &all} {
			row.count(f)
		}
	}
	for _, row := range sites {
		out = append(out, row.rated())
	}
	slices.SortFunc(out, func(a, b rateRow) int { return cmp.Compare(a.Site, b.Site) })
	if len(out) > 1 {
		out = append(out, all.rated())
	}
	return out
}

func (row *rateRow) count(f fleet.Figure) {
	switch f.What {
	case fleet.CountOutcome:
		row.Checks += f.Count
		if f.Code == string(limen.Refer) {
			row.Referred += f.Count
		}
	case fleet.CountOfficer:
		row.Decided += f.Count
		if f.Code == string(limen.Admit) {
			row.Cleared += f.Count
		}
	case fleet.CountTime:
		row.millis += f.Count
	}
}

func (row rateRow) rated() rateRow {
	row.Referral, row.FalseAlarm = rateOf(row.Referred, row.Checks), rateOf(row.Cleared, row.Decided)
	if row.Checks > 0 {
		row.Seconds = math.Round(float64(row.millis)/float64(row.Checks)/100) / 10
	}
	return row
}
