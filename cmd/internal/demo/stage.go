// Package demo plays travellers before an appliance: the far ends of its
// readers' wires, its camera, its databases and its centre, and the people
// who cross. The appliance is the ordinary one, from an ordinary limen.yaml.
package demo

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/goccy/go-yaml"

	"limen"
	"limen/device"
	"limen/hw/mrzreader"
	"limen/hw/sim/camera"
	"limen/hw/sim/link"
	"limen/hw/sim/mrzsim"
	"limen/hw/sim/national"
	"limen/hw/sim/pn532sim"
	"limen/mrtd/trust"
	"limen/sync/fleet"
)

// Stage is the world around the appliance. Open it, run the appliance from
// Config, Play travellers, Close it.
type Stage struct {
	Dir    string        // everything lies here; a fresh temporary folder
	Config device.Config // of the appliance, as written to Dir/limen.yaml
	Centre *fleet.Centre
	// Password signs User in at the centre's pages.
	Password string
	// StopCentre takes the centre away, broker and database, until StartCentre.
	StopCentre func()

	SetCAN      func(can string)        // hands the appliance a card access number, as an officer types it
	FaceProblem func() limen.ReasonCode // why the appliance cannot check faces; "" when it can
	// Between, when set, takes each document's chip and gives what lies on the
	// antenna in its stead: a chip that stays mute, or one that pulls a cable.
	Between  func(pn532sim.Card) pn532sim.Card
	Approach time.Duration // how long each face walks up; 0: as camera.Person has it; negative: they stand there already

	authorities authorities
	mrzLine     *link.Link
	mrz         *mrzsim.Reader
	nfcLine     *link.Link
	nfc         *pn532sim.Chip
	camera      *camera.Camera
	national    *national.Service
	centre      fleet.Config

	stop    context.CancelFunc
	running sync.WaitGroup
	mu      sync.Mutex
	failed  error
}

// Names of what the demonstration makes.
const (
	site    = "utopia-airport"
	gate    = "gate-1"
	camera0 = "live camera"
)

// Open sets the stage in dir for the travellers who will come.
func Open(ctx context.Context, dir string, travellers []Traveller) (*Stage, error) {
	ctx, stop := context.WithCancel(ctx)
	s := &Stage{Dir: dir, stop: stop, FaceProblem: func() limen.ReasonCode { return "" }}
	if err := s.open(ctx, travellers); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot set the demonstration's stage: %w", err), s.Close())
	}
	return s, nil
}

func (s *Stage) open(ctx context.Context, travellers []Traveller) (err error) {
	if s.authorities, err = newAuthorities(time.Now()); err != nil {
		return err
	}
	if err := s.openReaders(ctx); err != nil {
		return err
	}
	if s.camera, err = camera.New(camera.Options{}); err != nil {
		return err
	}
	s.run(ctx, "camera", s.camera.Run)
	if err := s.openDatabases(ctx, travellers); err != nil {
		return err
	}
	uplink, err := s.openCentre(ctx)
	if err != nil {
		return err
	}
	if err := s.importTrust(time.Now().UTC().Truncate(time.Second)); err != nil {
		return err
	}
	return s.writeConfig(uplink)
}

// importTrust makes the appliance's trust store: its state's CSCA, and the
// CSCA's revocation list of today.
func (s *Stage) importTrust(now time.Time) error {
	store, err := trust.Open(s.path("trust"))
	if err != nil {
		return err
	}
	crl, err := s.authorities.trusted.CRL(1, now, now.AddDate(0, 0, 90))
	if err != nil {
		return err
	}
	if _, err := store.Import("utopia-csca.cer", s.authorities.trusted.CSCA(), nil, now); err != nil {
		return err
	}
	_, err = store.Import("utopia-csca.crl", crl, nil, now)
	return err
}

// openReaders makes the serial lines and what hangs on their far ends.
func (s *Stage) openReaders(ctx context.Context) (err error) {
	if s.mrzLine, err = link.New(); err != nil {
		return err
	}
	s.mrzLine.Pace(0, 10)
	s.mrz = mrzsim.New(s.mrzLine, mrzreader.Elyctis, mrzreader.Settings{})
	s.run(ctx, "MRZ reader", s.mrz.Run)
	if s.nfcLine, err = link.New(); err != nil {
		return err
	}
	s.nfc = pn532sim.New(s.nfcLine, pn532sim.Options{})
	s.run(ctx, "PN532", s.nfc.Run)
	return nil
}

// openDatabases fills the national system and the stop list from the rows.
func (s *Stage) openDatabases(ctx context.Context, travellers []Traveller) (err error) {
	if s.national, err = national.New(national.Options{}); err != nil {
		return err
	}
	list := [][]string{{"as_of", time.Now().UTC().Format(time.RFC3339)}, {"issuer", "number", "kind"}}
	var held []national.Entry
	for _, t := range travellers {
		if t.Wrong.OnStopList {
			list = append(list, []string{"UTO", t.Document.Number, "stop_list"})
		}
		if t.Wrong.ReportedLost {
			held = append(held, national.Entry{Issuer: "UTO", Number: t.Document.Number, Kind: "lost_or_stolen"})
		}
	}
	s.national.Hold(held...)
	s.run(ctx, "national system", s.national.Run)
	list = append(list, []string{"end", fmt.Sprint(len(list) - 2)})
	f, err := os.OpenFile(s.path("stop-list.csv"), os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(csv.NewWriter(f).WriteAll(list), f.Close())
}

// writeConfig writes the appliance's limen.yaml, and loads it as any other.
func (s *Stage) writeConfig(uplink device.UplinkConfig) error {
	for name, b := range map[string][]byte{"national-ca.pem": s.national.CACert(), "national.token": []byte(s.national.Token())} {
		if err := os.WriteFile(s.path(name), b, 0o600); err != nil {
			return err
		}
	}
	c := device.Defaults()
	c.Site, c.Device, c.Policy = site, gate, "utopia-egate"
	c.AcceptDemoModels = true
	c.Models = modelsAtHand(c.Models)
	c.MRZReader = device.MRZReaderConfig{Port: s.mrzLine.Path, Protocol: "elyctis", Baud: 115200, Frame: "8N1"}
	c.ChipReader = device.ChipReaderConfig{Kind: "pn532", Port: s.nfcLine.Path}
	c.Camera.Source = s.camera.URL()
	c.Trust, c.Store, c.Keys, c.Socket, c.Sets = s.path("trust"), s.path("store"), s.path("keys"), s.path("limen.sock"), s.path("sets")
	c.History.Scope = []device.ScopeConfig{{Documents: []string{"*"}, Issuers: []string{"UTO"}}}
	c.Sites = []device.SiteConfig{{Name: site, Latitude: 54.6341, Longitude: 25.2858}}
	c.Lookups = []device.LookupConfig{
		{Name: "national", URL: s.national.URL(), CA: s.path("national-ca.pem"), TokenFile: s.path("national.token")},
		{Name: "stop_list", File: s.path("stop-list.csv")},
	}
	c.Console.Listen = "127.0.0.1:0"
	c.Console.Ask = "ask at utopia.example/check or at this place, with the document"
	c.Uplink = uplink
	c.Witness = device.WitnessConfig{Ask: []device.WitnessAsk{{Key: s.Centre.WitnessKey()}}, Quorum: 1}
	b, err := yaml.Marshal(c)
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.ConfigPath(), b, 0o600); err != nil {
		return err
	}
	s.Config, err = device.LoadConfig(s.ConfigPath())
	return err
}

// ConfigPath is where the appliance's limen.yaml lies.
func (s *Stage) ConfigPath() string { return s.path("limen.yaml") }

func (s *Stage) path(name string) string { return filepath.Join(s.Dir, name) }

// run keeps one far end going until the stage closes.
func (s *Stage) run(ctx context.Context, name string, run func(context.Context) error) {
	s.running.Go(func() {
		if err := run(ctx); err != nil && ctx.Err() == nil {
			s.mu.Lock()
			s.failed = errors.Join(s.failed, fmt.Errorf("simulated %s: %w", name, err))
			s.mu.Unlock()
		}
	})
}

// Close ends every far end, and says what failed meanwhile.
func (s *Stage) Close() error {
	s.stop()
	s.running.Wait()
	for _, l := range []*link.Link{s.mrzLine, s.nfcLine} {
		if l != nil {
			l.Close()
		}
	}
	return s.failed
}
