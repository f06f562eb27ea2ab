package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"limen"
	"limen/device"
)

// metrics counts what the appliance did, for the site's monitoring: outcomes,
// reason codes, times, devices. Of what documents said it holds how many were of
// which sex and age band, and only of many together.
type metrics struct {
	registry    *prometheus.Registry
	inspections *prometheus.CounterVec
	reasons     *prometheus.CounterVec
	seconds     *prometheus.HistogramVec
	unstored    prometheus.Counter
	outcomes    *outcomeCounter
}

func newMetrics() *metrics {
	m := &metrics{
		registry:    prometheus.NewRegistry(),
		inspections: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "limen_inspections_total", Help: "Inspections by outcome."}, []string{"outcome"}),
		reasons:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "limen_reasons_total", Help: "Reasons and notes of decisions, by code."}, []string{"code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "limen_seconds", Help: "Time of an inspection and its parts.",
			Buckets: []float64{.05, .1, .25, .5, 1, 2, 3, 5, 8, 13, 21}}, []string{"part"}),
		unstored: prometheus.NewCounter(prometheus.CounterOpts{Name: "limen_records_not_stored_total", Help: "Inspections whose record could not be stored; nobody was admitted."}),
		outcomes: newOutcomeCounter(),
	}
	m.registry.MustRegister(m.inspections, m.reasons, m.seconds, m.unstored, m.outcomes)
	return m
}

// watch adds what is asked at the moment of reading: devices and the outbox.
func (m *metrics) watch(a *assembly) {
	m.registry.MustRegister(deviceCollector{a.appliance})
	if a.outbox != nil {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "limen_entries_behind", Help: "Entries the centre has not acknowledged."},
			func() float64 { return float64(a.outbox.Behind()) }))
	}
}

// finished counts an inspection's end.
func (m *metrics) finished(f limen.Finished) {
	m.outcomes.finished(f)
	d := f.Record.Decision
	m.inspections.WithLabelValues(string(d.Outcome)).Inc()
	for _, list := range [][]limen.Reason{d.Reasons, d.Notes} {
		for _, r := range list {
			m.reasons.WithLabelValues(string(r.Code)).Inc()
		}
	}
	s := f.Record.Spent
	for part, span := range map[string]limen.Span{"chip": s.Chip, "face": s.Face, "total": s.Total} {
		m.seconds.WithLabelValues(part).Observe(span.Duration().Seconds())
	}
	if f.Err != nil {
		m.unstored.Inc()
	}
}

// deviceCollector tells which devices work.
type deviceCollector struct{ appliance *device.Appliance }

var deviceUp = prometheus.NewDesc("limen_device_up", "Whether a device or service works.", []string{"device"}, nil)

// Describe implements prometheus.Collector.
func (deviceCollector) Describe(to chan<- *prometheus.Desc) { to <- deviceUp }

// Collect implements prometheus.Collector.
func (c deviceCollector) Collect(to chan<- prometheus.Metric) {
	for _, s := range c.appliance.States() {
		up := 0.0
		if s.Health == device.Working {
			up = 1
		}
		if s.Health != device.Absent {
			to <- prometheus.MustNewConstMetric(deviceUp, prometheus.GaugeValue, up, s.Name)
		}
	}
}

// serve answers at address until ctx ends.
func (m *metrics) serve(ctx context.Context, address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("cannot serve metrics (metrics): %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
