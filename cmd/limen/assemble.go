package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"limen"
	"limen/capture/liveview"
	"limen/cmd/internal/cli"
	"limen/device"
	page "limen/device/console"
	"limen/device/lookup"
	"limen/hw/keystore"
	"limen/mrtd/trust"
	"limen/sync/history"
	"limen/sync/journal"
	"limen/sync/outbox"
	"limen/sync/uplink"
	"limen/sync/wire"
)

// assembly is an appliance with everything it needs, from one configuration:
// keys, history, trust, databases, devices, officer's page, uplink.
type assembly struct {
	cfg       device.Config
	log       *slog.Logger
	policy    limen.Policy
	keys      *keystore.Keystore
	journal   *journal.Journal
	history   *history.History
	outbox    *outbox.Outbox // nil without a centre
	uplink    *uplink.Uplink
	console   *page.Server
	live      *liveview.Stream // nil without a camera
	appliance *device.Appliance
	metrics   *metrics
	trust     *trust.Store
	lookups   []limen.Lookup
	listener  net.Listener
	witnessing
	fromCentre
	policyMu sync.Mutex
	closers  []func() error
}

// assemble opens everything that is not a device; devices may come and go.
func assemble(cfg device.Config, log *slog.Logger, finished func(limen.Finished)) (a *assembly, err error) {
	return assembleFrom("", cfg, log, finished)
}

// assembleFrom also names the file the configuration was read from, which the
// centre may change.
func assembleFrom(path string, cfg device.Config, log *slog.Logger, finished func(limen.Finished)) (a *assembly, err error) {
	a = &assembly{cfg: cfg, log: log, metrics: newMetrics(), fromCentre: fromCentre{configPath: path}}
	defer func() {
		if err != nil {
			err = errors.Join(err, a.close())
		}
	}()
	policy, err := device.LoadPolicy(cfg.Policy)
	if err != nil {
		return a, cli.Usage(err)
	}
	policy.AcceptDemoModels = cfg.AcceptDemoModels
	if a.keys, err = openKeys(cfg); err != nil {
		return a, err
	}
	storeKey := a.keys.StoreKey()
	a.journal, err = journal.Open(cfg.Store, journal.Options{Key: storeKey[:], Name: wire.Origin(cfg.Device), Signer: a.keys.Signer(), Log: log})
	if err != nil {
		return a, err
	}
	a.closers = append(a.closers, a.journal.Close)
	if err := a.openRegion(storeKey[:]); err != nil {
		return a, err
	}
	var region history.Region
	var online history.Online
	if a.region != nil {
		region, online = a.region.Index, a.online
	}
	a.history = history.New(a.journal, history.Options{
		Region: region, Online: online,
		Pseudonyms: pseudonyms{a.keys}, Signer: a.keys.Signer(), Site: cfg.Site, Device: cfg.Device, Sent: a.sent(), Log: log,
	})
	store, err := trust.Open(cfg.Trust)
	if err != nil {
		return a, fmt.Errorf("cannot open the trust store: %w", err)
	}
	lookups, err := a.openLookups()
	if err != nil {
		return a, err
	}
	a.trust, a.lookups = store, lookups
	observer := &lateObserver{log: log, outcomes: a.metrics.outcomes}
	a.policy = policy
	a.appliance = device.New(cfg, device.Parts{
		Policy: policy, Trust: store, History: a.history, Pseudonyms: pseudonyms{a.keys}, Lookups: lookups,
		Observer: observer, Officers: a.keys.Signer(), Software: "limen " + version, Log: log,
		Changed: func() {
			if a.uplink != nil {
				a.uplink.Tell()
			}
		},
		Finished: func(f limen.Finished) {
			a.metrics.finished(f)
			if finished != nil {
				finished(f)
			}
		},
	})
	if err := a.openConsole(observer); err != nil {
		return a, err
	}
	if err := a.openWitness(); err != nil {
		return a, err
	}
	if err := a.openFromCentre(); err != nil {
		return a, err
	}
	if err := a.openUplink(); err != nil {
		return a, err
	}
	a.metrics.watch(a)
	return a, nil
}

// openKeys opens the device's keys, and makes them at the first start.
func openKeys(cfg device.Config) (*keystore.Keystore, error) {
	keys, err := keystore.OpenSealed(cfg.Keys, sealOf(cfg))
	if errors.Is(err, fs.ErrNotExist) {
		keys, err = keystore.CreateSealed(cfg.Keys, nil, sealOf(cfg))
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open the device's keys: %w", err)
	}
	return keys, nil
}

// sealOf is what the device's keys are sealed with.
func sealOf(cfg device.Config) keystore.Seal {
	s := keystore.Seal{Passphrase: passphrase}
	if cfg.TPM.Device != "" {
		s.TPM = &keystore.TPM{Path: cfg.TPM.Device, PCRs: cfg.TPM.PCRs}
	}
	return s
}

// passphrase is the one over the keys, where there is one.
func passphrase() ([]byte, error) { return []byte(os.Getenv("LIMEN_PASSPHRASE")), nil }

func (a *assembly) openLookups() ([]limen.Lookup, error) {
	var out []limen.Lookup
	for _, c := range a.cfg.Lookups {
		if c.File != "" {
			out = append(out, lookup.NewStopList(c.Name, c.File, stopHash(a.keys), nil))
			continue
		}
		if c.Set != "" {
			list := lookup.NewStopList(c.Name, "", stopHash(a.keys), nil)
			a.stops = append(a.stops, stopSet{c.Set, list})
			out = append(out, list)
			continue
		}
		ca, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("lookup %s: cannot read its CA: %w", c.Name, err)
		}
		token, err := os.ReadFile(c.TokenFile)
		if err != nil {
			return nil, fmt.Errorf("lookup %s: cannot read its token: %w", c.Name, err)
		}
		n, err := lookup.NewNational(lookup.NationalOptions{Name: c.Name, URL: c.URL, CA: ca, Token: strings.TrimSpace(string(token))})
		if err != nil {
			return nil, cli.Usage(fmt.Errorf("lookup %s: %w", c.Name, err))
		}
		a.closers = append(a.closers, n.Close)
		out = append(out, n)
	}
	return out, nil
}

// lateObserver lets the appliance and its page be made in either order.
type lateObserver struct {
	to       limen.Observer
	log      *slog.Logger
	outcomes *outcomeCounter
}

// Observe implements limen.Observer. The log hears of the step alone: an
// event holds what the document said.
func (o *lateObserver) Observe(e limen.Event) {
	o.log.Debug("inspection", "id", e.Inspection, "step", e)
	o.outcomes.observe(e)
	if o.to != nil {
		o.to.Observe(e)
	}
}

func (a *assembly) openConsole(observer *lateObserver) (err error) {
	opts := page.Options{Site: a.cfg.Site, Device: a.cfg.Device, Devices: a.appliance, Officer: a.appliance, CAN: a.appliance, ForgetAfter: a.cfg.Console.ForgetAfter, Ask: a.cfg.Console.Ask}
	if hub := a.appliance.Camera(); hub != nil {
		if a.live, err = liveview.New(hub, liveview.Options{Log: a.log}); err != nil {
			return err
		}
		a.closers = append(a.closers, a.live.Close)
		opts.Live = a.live
	}
	if a.console, err = page.New(opts); err != nil {
		return err
	}
	observer.to = a.console
	if a.listener, err = net.Listen("tcp", a.cfg.Console.Listen); err != nil {
		return fmt.Errorf("cannot serve the officer's page (console.listen): %w", err)
	}
	a.closers = append(a.closers, func() error {
		if err := a.listener.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	return nil
}

// openUplink makes the way to the centre, where one is configured.
func (a *assembly) openUplink() error {
	c := a.cfg.Uplink
	if c.Broker == "" {
		a.appliance.SetState(device.NameUplink, device.Absent, "not configured: set uplink.broker; checks are kept here")
		return nil
	}
	certificate, err := tls.LoadX509KeyPair(c.Certificate, c.Key)
	if err != nil {
		return fmt.Errorf("cannot load the device's certificate (uplink.certificate, uplink.key): %w", err)
	}
	pem, err := os.ReadFile(c.CA)
	if err != nil {
		return fmt.Errorf("cannot read the centre's CA (uplink.ca): %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return cli.Usage(fmt.Errorf("uplink.ca: %s holds no certificate", c.CA))
	}
	centre, err := note.NewVerifier(c.ReceiptKey)
	if err != nil {
		return cli.Usage(fmt.Errorf("uplink.receipt_key: %w", err))
	}
	a.outbox, err = outbox.Open(outbox.Options{Journal: a.journal, Device: a.cfg.Device, Centre: centre, Path: receiptPath(a.cfg), Beside: a.history, Log: a.log})
	if err != nil {
		return err
	}
	a.uplink, err = uplink.New(uplink.Options{
		Broker: strings.TrimPrefix(c.Broker, "tls://"), Device: a.cfg.Device, Outbox: a.outbox, Software: version, Log: a.log,
		TLS:     &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots, Certificates: []tls.Certificate{certificate}},
		OnState: a.uplinkState, Cosigned: a.cosigned, Health: a.health, Commanded: a.command,
	})
	if err != nil {
		return err
	}
	a.region.Centre, a.region.Receipts = a.uplink, centre
	if a.taker != nil {
		a.sets.Centre = a.uplink
		a.taker.Ask(a.uplink)
	}
	return err
}

func (a *assembly) uplinkState(s uplink.State) {
	waiting := fmt.Sprintf("%d checks wait for the center", s.Behind)
	switch s.Phase {
	case uplink.Connected:
		if s.Behind == 0 {
			waiting = "the center has everything"
		}
		a.appliance.SetState(device.NameUplink, device.Working, waiting)
	case uplink.Refused:
		a.appliance.SetState(device.NameUplink, device.Away, fmt.Sprintf("the center refuses: %v; %s", s.Reason, waiting))
	case uplink.Away:
		a.appliance.SetState(device.NameUplink, device.Away, waiting)
	}
}

// url is where the officer's page opens.
func (a *assembly) url() string { return a.console.URL(a.listener.Addr()) }

// run runs everything until ctx ends, and closes it in the reverse order.
func (a *assembly) run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed error
	own := func(name string, run func(context.Context) error) {
		wg.Go(func() {
			if err := run(ctx); err != nil && ctx.Err() == nil {
				mu.Lock()
				failed = errors.Join(failed, fmt.Errorf("%s: %w", name, err))
				mu.Unlock()
				stop()
			}
		})
	}
	server := &http.Server{Handler: a.console.Handler(), ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug)}
	own("officer's page", func(context.Context) error {
		if err := server.Serve(a.listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	own("retention", a.retain)
	if a.cfg.Socket != "" {
		own("history socket", func(ctx context.Context) error { return a.history.Serve(ctx, a.cfg.Socket) })
	}
	if a.cfg.Metrics != "" {
		own("metrics", func(ctx context.Context) error { return a.metrics.serve(ctx, a.cfg.Metrics) })
	}
	if a.uplink != nil {
		own("uplink", a.uplink.Run)
	}
	if a.region != nil {
		own("region's index", a.region.Run)
	}
	if a.taker != nil {
		own("sets", a.sets.Run)
		own("commands", a.taker.Run)
		own("revocation", a.awaitRevocation)
	}
	if a.witness != nil {
		own("witness", func(ctx context.Context) error { return a.witness.Serve(ctx, a.witnessing.listener, a.secured) })
	}
	if a.collector != nil {
		own("cosignatures", a.collector.Run)
	}
	err := a.appliance.Run(ctx)
	stop()
	closing, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer done()
	err = errors.Join(err, a.console.Close(), server.Shutdown(closing))
	wg.Wait()
	return errors.Join(err, failed, a.close())
}

// retainEvery is how often the policy's retention is applied.
const retainEvery = 24 * time.Hour

// retain forgets what the policy keeps no longer, now and daily. That it could
// not is for the next day to mend: a gate does not stop for it.
func (a *assembly) retain(ctx context.Context) error {
	daily := time.NewTicker(retainEvery)
	defer daily.Stop()
	for {
		err := a.history.Tidy(ctx)
		if err == nil {
			a.policyMu.Lock()
			policy := a.policy
			a.policyMu.Unlock()
			_, err = a.history.Retain(ctx, policy)
		}
		if err != nil && ctx.Err() == nil {
			a.log.Error("what the policy keeps no longer was not erased", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-daily.C:
		}
	}
}

// close closes what was opened, last first.
func (a *assembly) close() error {
	var err error
	for i := len(a.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, a.closers[i]())
	}
	a.closers = nil
	return err
}
