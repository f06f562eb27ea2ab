package desk

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"limen"
	"limen/sync/fleet"
)

// deviceRow is one device at a glance.
type deviceRow struct {
	fleet.DeviceView
	Standing fleet.Standing
	Troubles []fleet.Trouble
	Parts    string // how many of its parts work
}

// siteRow is one site.
type siteRow struct {
	Name                      string
	Online, Degraded, Offline int
	LastCheck                 limen.Moment
	Checks, Referred          int64 // in the last 24 hours
	Devices                   []deviceRow
}

// glanceView is the fleet's page.
type glanceView struct {
	Site                      string // shown alone; "" for all
	Online, Degraded, Offline int
	Devices                   int
	Checks24, Referred24      int64
	Sites                     []siteRow
	Chart                     chart
	Hidden                    int // devices that stand well and are not listed
}

// mostListed is how many devices one page lists: of more, those with trouble.
const mostListed = 200

func (d *Desk) showFleet(w http.ResponseWriter, r *http.Request, v visit) error {
	devices, err := d.centre.Devices(r.Context())
	if err != nil {
		return err
	}
	now := d.now()
	day, err := d.records.Figures(r.Context(), now.Add(-24*time.Hour).Truncate(time.Hour), now.Add(time.Hour), "")
	if err != nil {
		return err
	}
	g := glanceView{Site: r.FormValue("site"), Chart: checksChart(day, now.Add(-23*time.Hour).Truncate(time.Hour), 24, time.Hour)}
	g.fill(devices, day, now)
	return d.show(w, r, v, http.StatusOK, "fleet", view{Title: "Fleet", Page: "fleet", Live: true, Data: g})
}

func (g *glanceView) fill(devices []fleet.DeviceView, day []fleet.Figure, now time.Time) {
	sites := map[string]*siteRow{}
	site := func(name string) *siteRow {
		if sites[name] == nil {
			sites[name] = &siteRow{Name: name}
		}
		return sites[name]
	}
	for _, f := range day {
		if f.What == fleet.CountOutcome && (g.Site == "" || f.Site == g.Site) {
			s := site(f.Site)
			s.Checks += f.Count
			g.Checks24 += f.Count
			if f.Code == string(limen.Refer) {
				s.Referred += f.Count
				g.Referred24 += f.Count
			}
		}
	}
	listed := 0
	rows := []deviceRow{}
	for _, d := range devices {
		if g.Site == "" || d.Site == g.Site {
			rows = append(rows, rowOf(d, now))
		}
	}
	// Those with trouble first, so that what is left out stands well.
	slices.SortStableFunc(rows, func(a, b deviceRow) int { return cmp.Compare(gravity[a.Standing], gravity[b.Standing]) })
	for _, d := range rows {
		s := site(d.Site)
		g.Devices++
		counts := map[fleet.Standing][2]*int{fleet.Online: {&g.Online, &s.Online}, fleet.Degraded: {&g.Degraded, &s.Degraded}, fleet.Offline: {&g.Offline, &s.Offline}}
		for _, n := range counts[d.Standing] {
			*n++
		}
		s.LastCheck = max(s.LastCheck, d.LastCheck)
		if listed < mostListed {
			s.Devices = append(s.Devices, d)
			listed++
		} else {
			g.Hidden++
		}
	}
	for _, s := range sites {
		slices.SortFunc(s.Devices, func(a, b deviceRow) int { return cmp.Compare(a.Name, b.Name) })
		g.Sites = append(g.Sites, *s)
	}
	slices.SortFunc(g.Sites, func(a, b siteRow) int { return cmp.Compare(a.Name, b.Name) })
}

var gravity = map[fleet.Standing]int{fleet.Offline: 0, fleet.Degraded: 1, fleet.Online: 2}

func rowOf(d fleet.DeviceView, now time.Time) deviceRow {
	return deviceRow{DeviceView: d, Standing: d.Standing(now), Troubles: d.Troubles(now)}
}
