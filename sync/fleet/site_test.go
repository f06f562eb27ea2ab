package fleet

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"limen"
	"limen/sync/journal"
	"limen/sync/outbox"
	"limen/sync/uplink"
	"limen/sync/wire"
)

// patience bounds every wait of these tests; none of them comes near it.
const patience = 2 * time.Minute

type key ed25519.PrivateKey

func newKey(seed byte) key {
	return key(ed25519.NewKeyFromSeed(append(make([]byte, 31), seed)))
}

func (k key) Sign(m []byte) ([]byte, error) { return ed25519.Sign(ed25519.PrivateKey(k), m), nil }
func (k key) PublicKey() []byte             { return ed25519.PrivateKey(k).Public().(ed25519.PublicKey) }

// site is a centre's folder and authority, and what runs of them.
type site struct {
	t         testing.TB
	dir       string
	authority *Authority
	server    Files
	committed func() error
	addr      string // where the centre listens; the same after a restart
	*Centre
	stop func() error
}

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), addr: "127.0.0.1:0"}
	var err error
	if s.authority, err = NewAuthority(filepath.Join(s.dir, "authority")); err != nil {
		t.Fatal(err)
	}
	if s.server, err = s.authority.Server("127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) folder() string { return filepath.Join(s.dir, "centre") }

func (s *site) config() Config {
	return Config{Dir: s.folder(), MQTT: s.addr, CA: s.authority.CAPath(), Certificate: s.server.Certificate, Key: s.server.Key}
}

// start opens and runs the centre until the test ends or stop is called.
func (s *site) start(devices ...Enrolled) {
	s.t.Helper()
	cfg := s.config()
	cfg.Devices, cfg.committed = devices, s.committed
	c, err := Open(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	s.Centre, s.addr = c, c.MQTTAddr()
	s.stop = background(s.t, "centre", c.Run)
}

// background runs something until the test ends or the returned function is called.
func background(t testing.TB, name string, run func(context.Context) error) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	var once sync.Once
	var err error
	stop = func() error {
		once.Do(func() {
			cancel()
			select {
			case err = <-done:
			case <-time.After(patience):
				err = fmt.Errorf("%s did not stop within %v", name, patience)
			}
		})
		return err
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return stop
}

// device is the device's side: journal, outbox, certificate.
type device struct {
	t       testing.TB
	name    string
	key     key
	dir     string
	tls     *tls.Config
	journal *journal.Journal
	outbox  *outbox.Outbox
	states  chan uplink.State
}

func (s *site) newDevice(name string, seed byte, receipts string) *device {
	s.t.Helper()
	d := &device{t: s.t, name: name, key: newKey(seed), dir: s.t.TempDir(), states: make(chan uplink.State, 1000)}
	files, err := s.authority.Device(name)
	if err != nil {
		s.t.Fatal(err)
	}
	d.tls = clientTLS(s.t, s.authority, files)
	d.journal = d.openJournal("journal")
	d.open(receipts)
	return d
}

func (d *device) openJournal(name string) *journal.Journal {
	d.t.Helper()
	j, err := journal.Open(filepath.Join(d.dir, name), journal.Options{Key: make([]byte, 32), Name: wire.Origin(d.name), Signer: d.key, Reserve: 1 << 20})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { j.Close() })
	return j
}

// open begins the outbox for a centre known by its receipt key.
func (d *device) open(receipts string) {
	d.t.Helper()
	v, err := note.NewVerifier(receipts)
	if err != nil {
		d.t.Fatal(err)
	}
	if d.outbox, err = outbox.Open(outbox.Options{Journal: d.journal, Device: d.name, Centre: v, Path: filepath.Join(d.dir, "receipt")}); err != nil {
		d.t.Fatal(err)
	}
}

func (d *device) enrolled() Enrolled { return Enrolled{d.name, d.key.PublicKey()} }

// connect runs an uplink with short pauses.
func (d *device) connect(broker string) (*uplink.Uplink, func() error) {
	d.t.Helper()
	u, err := uplink.New(uplink.Options{
		Broker: broker, Device: d.name, TLS: d.tls, Outbox: d.outbox, Software: "test",
		ConnectTimeout: 2 * time.Second, ReceiptTimeout: 300 * time.Millisecond, RefusedPause: 100 * time.Millisecond,
		BackoffMin: 10 * time.Millisecond, BackoffMax: 50 * time.Millisecond, MaxEntries: 16,
		OnState: func(s uplink.State) {
			select {
			case d.states <- s:
			default:
			}
		},
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return u, background(d.t, "uplink of "+d.name, u.Run)
}

// append appends n records.
func (d *device) append(n int) {
	d.t.Helper()
	for range n {
		if _, err := d.journal.Append(d.t.Context(), d.record(d.journal.Size())); err != nil {
			d.t.Fatal(err)
		}
	}
}

// day is when these records are made.
var day = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

func (d *device) record(i uint64) []byte {
	d.t.Helper()
	r := limen.Record{
		Version: limen.RecordVersion, Kind: limen.KindInspection, ID: fmt.Sprintf("%s-%d", d.name, i), Site: "utopia-airport", Device: d.name,
		Started: limen.MomentOf(day.Add(time.Duration(i) * time.Second)), Document: limen.Document{Issuer: "UTO", Pseudonym: limen.Pseudonym{0xab, 0xcd, byte(i)}},
		Decision: limen.Decision{Outcome: limen.Refer, Reasons: []limen.Reason{{Code: "dg_hash_mismatch", Subject: "DG2"}}},
	}
	b, err := r.Encode()
	if err != nil {
		d.t.Fatal(err)
	}
	return b
}

// until waits for something others do; it looks again and again because the
// database tells nobody when it has changed.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for limit := time.After(patience); !is(); {
		select {
		case <-look.C:
		case <-limit:
			t.Fatalf("within %v: not %s", patience, what)
		}
	}
}

// settled waits until the centre holds the device's journal and the device knows it.
func (s *site) settled(d *device) {
	s.t.Helper()
	until(s.t, fmt.Sprintf("all entries of %s held and acknowledged", d.name), func() bool {
		size := d.journal.Size()
		stored, err := s.Stored(d.name)
		return err == nil && stored == size && d.outbox.Position() == size
	})
	s.exactlyOnce(d)
}

// exactlyOnce compares the database with the journal, entry by entry.
func (s *site) exactlyOnce(d *device) {
	s.t.Helper()
	rows, err := s.records.read.Query("SELECT number, body FROM entries WHERE device = $1 ORDER BY number", d.name)
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	n := uint64(0)
	for ; rows.Next(); n++ {
		var number uint64
		var body []byte
		if err := rows.Scan(&number, &body); err != nil {
			s.t.Fatal(err)
		}
		e, err := d.journal.Entry(n)
		if err != nil || number != n || string(body) != string(e.Body) {
			s.t.Fatalf("row %d of %s: got entry %d of %d bytes, %v; want the journal's of %d", n, d.name, number, len(body), err, len(e.Body))
		}
	}
	if err := rows.Err(); err != nil || n != d.journal.Size() {
		s.t.Errorf("entries of %s: got %d, %v; want %d", d.name, n, err, d.journal.Size())
	}
}

func clientTLS(t testing.TB, a *Authority, f Files) *tls.Config {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(f.Certificate, f.Key)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(a.CAPath())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(b)
	return &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool}
}
