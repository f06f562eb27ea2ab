package fleet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// listener is an address and who answers there.
type listener struct {
	net.Listener
	tls     *tls.Config // nil: none
	handler http.Handler
	log     *slog.Logger
}

// listen is for the pages.
func (c *Centre) listen() error {
	if c.cfg.HTTP == "" {
		return nil
	}
	if c.cfg.Pages == nil {
		return errors.New("there is an address for pages, and no pages")
	}
	l, err := net.Listen("tcp", c.cfg.HTTP)
	if err != nil {
		return fmt.Errorf("cannot listen for the pages: %w", err)
	}
	c.page = &listener{Listener: l, log: c.cfg.Log}
	if c.cfg.HTTPCertificate != "" {
		pair, err := tls.LoadX509KeyPair(c.cfg.HTTPCertificate, c.cfg.HTTPKey)
		if err != nil {
			return fmt.Errorf("cannot use the pages' certificate: %w", err)
		}
		c.page.tls = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	}
	c.page.handler, err = c.cfg.Pages(c)
	return err
}

// listenForMetrics is for those who run the centre: it asks nobody who they
// are, and says nothing of any person or document.
func (c *Centre) listenForMetrics() error {
	if c.cfg.Metrics == "" {
		return nil
	}
	l, err := net.Listen("tcp", c.cfg.Metrics)
	if err != nil {
		return fmt.Errorf("cannot listen for the metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(c.metrics.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	mux.HandleFunc("GET /healthz", c.Healthz)
	c.watched = &listener{Listener: l, handler: mux, log: c.cfg.Log}
	return nil
}

// healthPatience bounds how long the database may take to say that it is there.
const healthPatience = 2 * time.Second

// Healthz says whether this process can do its work: 200, or 503 and what is
// wrong, in a word.
func (c *Centre) Healthz(w http.ResponseWriter, r *http.Request) {
	ctx, stop := context.WithTimeout(r.Context(), healthPatience)
	defer stop()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if c.records != nil {
		if _, err := c.records.Version(ctx); err != nil {
			c.cfg.Log.Warn("the records do not answer", "error", err)
			http.Error(w, "the records do not answer", http.StatusServiceUnavailable)
			return
		}
	}
	if c.broker != nil {
		if s := c.broker.running(); s == nil || !s.Running() {
			http.Error(w, "the broker does not run", http.StatusServiceUnavailable)
			return
		}
	}
	fmt.Fprintln(w, "ok")
}

// serve answers until ctx ends.
func (l *listener) serve(ctx context.Context) error {
	s := &http.Server{
		Handler: l.handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(l.log.Handler(), slog.LevelDebug), BaseContext: func(net.Listener) context.Context { return ctx },
	}
	ended := context.AfterFunc(ctx, func() { s.Close() })
	defer ended()
	answer := s.Serve
	if s.TLSConfig = l.tls; l.tls != nil {
		answer = func(from net.Listener) error { return s.ServeTLS(from, "", "") } // and HTTP/2
	}
	if err := answer(l.Listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("pages are served no longer: %w", err)
	}
	return nil
}

// lookEvery is how often the records are looked at for what to count and what
// to raise an alarm about; where that takes long, as seldom as leaves nine
// tenths of the time to others.
const lookEvery = 2 * time.Second

// look counts entries and raises alarms until ctx ends.
func (c *Centre) look(ctx context.Context) {
	for {
		began := time.Now()
		_, err := c.records.Tally(ctx)
		var opened []Alarm
		if err == nil {
			opened, err = c.records.Watch(ctx, c.cfg.Now())
		}
		for _, a := range opened {
			c.cfg.Log.Warn("alarm", "device", a.Device, "kind", a.Kind, "detail", a.Detail)
		}
		if err != nil && ctx.Err() == nil {
			c.cfg.Log.Warn("the records were not looked through", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(lookEvery, 9*time.Since(began))):
		}
	}
}
