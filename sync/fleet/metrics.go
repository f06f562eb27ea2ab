package fleet

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"limen/sync/wire"
)

// metrics are what this process did, and what the records say when they are
// asked. Labels are sites, codes and kinds: never a person, document or user.
type metrics struct {
	registry *prometheus.Registry
	batches  *prometheus.CounterVec
	seconds  prometheus.Histogram
	failed   prometheus.Counter
}

func newMetrics(c *Centre) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		batches:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "limen_fleet_batches_total", Help: "Batches of entries by what became of them: receipt, or why there was none."}, []string{"result"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "limen_fleet_store_seconds", Help: "Time to verify and store a group of messages, up to the commit.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10}}),
		failed: prometheus.NewCounter(prometheus.CounterOpts{Name: "limen_fleet_store_failures_total", Help: "Groups of messages that could not be stored; they come again."}),
	}
	m.registry.MustRegister(m.batches, m.seconds, m.failed, recordsCollector{c},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// stored counts answers that are committed.
func (m *metrics) stored(answers []wire.Answer, took time.Duration) {
	m.seconds.Observe(took.Seconds())
	for _, a := range answers {
		result := string(a.Refusal)
		if result == "" {
			result = "receipt"
		}
		m.batches.WithLabelValues(result).Inc()
	}
}

// recordsCollector asks the records at the moment of reading: every process
// that has them says the same.
type recordsCollector struct{ centre *Centre }

func described(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("limen_fleet_"+name, help, labels, nil)
}

var (
	descRecordsUp = described("records_up", "Whether the records answered this reading.")
	descDevices   = described("devices", "Devices by site and standing: online, degraded, offline.", "site", "standing")
	descHeld      = described("entries_held", "Entries held, of all devices.")
	descWaiting   = described("entries_waiting", "Entries that devices said they have and that are not here.", "site")
	descChecks    = described("checks_total", "Inspections by the machine's outcome.", "site", "outcome")
	descReasons   = described("reasons_total", "Reasons of inspections' outcomes.", "site", "code")
	descOfficers  = described("officer_decisions_total", "Officers' decisions about inspections, by outcome.", "site", "outcome")
	descTime      = described("checks_seconds_total", "Time that inspections took, in all.", "site")
	descAlarms    = described("alarms", "Alarms that nobody has acknowledged, by kind.", "kind")
	descTrust     = described("trust_list_age_seconds", "Age of the oldest among the devices' newest trust lists.", "site")
	descStop      = described("stop_list_age_seconds", "Age of the oldest stop list in use.", "site")
	descDisk      = described("disk_free_ratio", "Free part of the fullest device's disk.", "site")
	descParts     = described("parts_away", "Parts of devices that should be there and are not.", "site", "part")
	descSkew      = described("clock_skew_seconds", "Greatest difference of a device's clock from the centre's.", "site")
)

// Describe implements prometheus.Collector.
func (recordsCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descRecordsUp, descDevices, descHeld, descWaiting, descChecks, descReasons, descOfficers, descTime, descAlarms, descTrust, descStop, descDisk, descParts, descSkew} {
		to <- d
	}
}

// collectPatience bounds one reading.
const collectPatience = 5 * time.Second

// Collect implements prometheus.Collector.
func (r recordsCollector) Collect(to chan<- prometheus.Metric) {
	if r.centre.records == nil {
		return
	}
	ctx, stop := context.WithTimeout(context.Background(), collectPatience)
	defer stop()
	up := 1.0
	if err := r.collect(ctx, to); err != nil {
		r.centre.cfg.Log.Warn("the records were not read for the metrics", "error", err)
		up = 0
	}
	to <- prometheus.MustNewConstMetric(descRecordsUp, prometheus.GaugeValue, up)
}

func (r recordsCollector) collect(ctx context.Context, to chan<- prometheus.Metric) error {
	devices, err := r.centre.Devices(ctx)
	if err != nil {
		return err
	}
	unanswered, err := r.centre.records.Unanswered(ctx)
	if err != nil {
		return err
	}
	totals, err := r.centre.records.totals(ctx)
	if err != nil {
		return err
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, kind := range alarmKinds {
		gauge(descAlarms, float64(unanswered[kind]), kind)
	}
	for _, f := range totals {
		if d := map[string]*prometheus.Desc{CountOutcome: descChecks, CountReason: descReasons, CountOfficer: descOfficers}[f.What]; d != nil {
			to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(f.Count), f.Site, f.Code)
		} else if f.What == CountTime {
			to <- prometheus.MustNewConstMetric(descTime, prometheus.CounterValue, float64(f.Count)/1000, f.Site)
		}
	}
	held := uint64(0)
	sites := map[string]*siteGauges{}
	now := r.centre.cfg.Now()
	for _, d := range devices {
		held += d.Held
		if sites[d.Site] == nil {
			sites[d.Site] = &siteGauges{standing: map[Standing]float64{}, away: map[string]float64{}, disk: 1}
		}
		sites[d.Site].add(d, now)
	}
	gauge(descHeld, float64(held))
	for site, s := range sites {
		s.send(site, gauge)
	}
	return nil
}

// siteGauges are one site's, the worst device's where there is one number.
type siteGauges struct {
	standing                         map[Standing]float64
	away                             map[string]float64
	waiting, trust, stop, disk, skew float64
}

func (s *siteGauges) add(d DeviceView, now time.Time) {
	s.standing[d.Standing(now)]++
	if d.Journal > d.Held {
		s.waiting += float64(d.Journal - d.Held)
	}
	s.skew = max(s.skew, float64(max(d.Skew, -d.Skew))/1000)
	h := d.Health
	if h == nil {
		return
	}
	age := func(at int64) float64 {
		if at == 0 {
			return 0
		}
		return now.Sub(time.UnixMilli(at)).Seconds()
	}
	s.trust, s.stop = max(s.trust, age(h.TrustList)), max(s.stop, age(h.StopList))
	if h.DiskSize > 0 {
		s.disk = min(s.disk, float64(h.DiskFree)/float64(h.DiskSize))
	}
	for _, p := range h.Parts {
		if p.State == wire.PartAway {
			s.away[p.Name]++
		}
	}
}

func (s *siteGauges) send(site string, gauge func(*prometheus.Desc, float64, ...string)) {
	for _, standing := range []Standing{Online, Degraded, Offline} {
		gauge(descDevices, s.standing[standing], site, string(standing))
	}
	for part, n := range s.away {
		gauge(descParts, n, site, part)
	}
	gauge(descWaiting, s.waiting, site)
	gauge(descTrust, s.trust, site)
	gauge(descStop, s.stop, site)
	gauge(descDisk, s.disk, site)
	gauge(descSkew, s.skew, site)
}
