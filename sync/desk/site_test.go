package desk

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/mod/sumdb/note"

	"limen"
	"limen/internal/repotest"
	"limen/sync/fleet"
	"limen/sync/journal"
	"limen/sync/outbox"
	"limen/sync/uplink"
	"limen/sync/wire"
)

// patience bounds every wait of these tests; none of them comes near it.
const patience = 30 * time.Second

const password = "correct horse battery"

// people are one account for each role, named after it.
var people = fleet.UserRoles

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if chromium.close != nil {
		chromium.close()
	}
	if postgres.server != nil {
		postgres.server.Stop()
	}
	if code == 0 {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// clock is the centre's, which tests can put forward.
type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// site is a centre that runs, with one account for each role.
type site struct {
	t         testing.TB
	authority *fleet.Authority
	centre    *fleet.Centre
	records   *fleet.Records
	clock     *clock
	url       string
}

// newSite runs a centre whose records are in a database, or in a folder where
// that is empty.
func newSite(t testing.TB, database string, change func(*Options)) *site {
	t.Helper()
	s := &site{t: t, clock: &clock{}}
	dir := t.TempDir()
	var err error
	if s.authority, err = fleet.NewAuthority(filepath.Join(dir, "authority")); err != nil {
		t.Fatal(err)
	}
	server, err := s.authority.Server("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	s.centre, err = fleet.Open(fleet.Config{
		Dir: filepath.Join(dir, "centre"), Database: database, MQTT: "127.0.0.1:0", HTTP: "127.0.0.1:0", Metrics: "127.0.0.1:0", Now: s.clock.now,
		CA: s.authority.CAPath(), Certificate: server.Certificate, Key: server.Key,
		Pages: func(c *fleet.Centre) (http.Handler, error) {
			o := Options{}
			if change != nil {
				change(&o)
			}
			d, err := New(c, o)
			if err != nil {
				return nil, err
			}
			return d.Handler(), nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.records, s.url = s.centre.Records(), "http://"+s.centre.HTTPAddr()
	s.background("centre", s.centre.Run)
	for _, role := range people {
		if err := s.records.AddUser(t.Context(), string(role), password, fleet.Roles{role}, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *site) background(name string, run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-done:
				if err != nil {
					s.t.Errorf("%s: %v", name, err)
				}
			case <-time.After(patience):
				s.t.Errorf("%s did not stop within %v", name, patience)
			}
		})
	}
	s.t.Cleanup(stop)
	return stop
}

type key ed25519.PrivateKey

func (k key) Sign(m []byte) ([]byte, error) { return ed25519.Sign(ed25519.PrivateKey(k), m), nil }
func (k key) PublicKey() []byte             { return ed25519.PrivateKey(k).Public().(ed25519.PublicKey) }

// device is a gate or handheld with a journal, an uplink and a health.
type device struct {
	s       *site
	name    string
	place   string // its site
	key     key
	dir     string
	journal *journal.Journal
	outbox  *outbox.Outbox
	uplink  *uplink.Uplink
	stop    func()

	broker    string // where it dials, when not the centre itself
	keepAlive time.Duration

	mu     sync.Mutex
	health wire.Health
}

func (s *site) newDevice(name, place string, seed byte) *device {
	s.t.Helper()
	d := &device{s: s, name: name, place: place, key: key(ed25519.NewKeyFromSeed(append(make([]byte, 31), seed))), dir: s.t.TempDir()}
	now := time.Now()
	d.health = wire.Health{Site: place, Parts: []wire.Part{{Name: "MRZ reader", State: wire.PartWorking}, {Name: "camera", State: wire.PartWorking}, {Name: "chip reader", State: wire.PartWorking}},
		DiskFree: 61 << 30, DiskSize: 118 << 30, TrustList: now.Add(-9 * 24 * time.Hour).UnixMilli(), StopList: now.Add(-2 * time.Hour).UnixMilli()}
	var err error
	if d.journal, err = journal.Open(filepath.Join(d.dir, "journal"), journal.Options{Key: make([]byte, 32), Name: wire.Origin(name), Signer: d.key, Reserve: 1 << 20}); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { d.journal.Close() })
	if err := s.centre.Enrol(name, d.key.PublicKey()); err != nil {
		s.t.Fatal(err)
	}
	receipts, err := note.NewVerifier(s.centre.ReceiptKey())
	if err != nil {
		s.t.Fatal(err)
	}
	if d.outbox, err = outbox.Open(outbox.Options{Journal: d.journal, Device: name, Centre: receipts, Path: filepath.Join(d.dir, "receipt")}); err != nil {
		s.t.Fatal(err)
	}
	return d
}

// change changes the device's health and tells the centre.
func (d *device) change(how func(*wire.Health)) {
	d.mu.Lock()
	how(&d.health)
	d.mu.Unlock()
	if d.uplink != nil {
		d.uplink.Tell()
	}
}

func (d *device) connect() {
	t := d.s.t
	t.Helper()
	files, err := d.s.authority.Device(d.name)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(files.Certificate, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(d.s.authority.CAPath())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	d.uplink, err = uplink.New(uplink.Options{
		Broker: cmp.Or(d.broker, d.s.centre.MQTTAddr()), KeepAlive: d.keepAlive, Device: d.name, TLS: &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: pool}, Outbox: d.outbox, Software: "limen 0.4",
		ReceiptTimeout: 2 * time.Second, BackoffMin: 10 * time.Millisecond, BackoffMax: 100 * time.Millisecond, MaxEntries: 200,
		Health: func() wire.Health {
			d.mu.Lock()
			defer d.mu.Unlock()
			h := d.health
			h.At = time.Now().UnixMilli()
			return h
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	d.stop = d.s.background("uplink of "+d.name, d.uplink.Run)
}

// record appends one record of the device's.
func (d *device) record(r limen.Record) {
	d.s.t.Helper()
	r.Version, r.Site, r.Device = limen.RecordVersion, d.place, d.name
	if r.ID == "" {
		r.ID = fmt.Sprintf("%s-%d", d.name, d.journal.Size())
	}
	b, err := r.Encode()
	if err == nil {
		_, err = d.journal.Append(d.s.t.Context(), b)
	}
	if err != nil {
		d.s.t.Fatal(err)
	}
}

// inspection is one at a time, of a document, that ended so.
func inspection(at time.Time, document byte, outcome limen.Outcome, reasons ...limen.ReasonCode) limen.Record {
	r := limen.Record{Kind: limen.KindInspection, Started: limen.MomentOf(at), Ended: limen.MomentOf(at.Add(8 * time.Second)),
		Document: limen.Document{Issuer: "UTO", Pseudonym: limen.Pseudonym{0xab, 0xcd, 0x00, document, 0x5e}}, Spent: limen.Spent{Total: limen.SpanOf(8 * time.Second)}, Decision: limen.Decision{Outcome: outcome}}
	for _, code := range reasons {
		r.Decision.Reasons = append(r.Decision.Reasons, limen.Reason{Code: code})
	}
	return r
}

// settled waits until the centre has and has counted all of the device's entries.
func (d *device) settled() {
	d.s.t.Helper()
	until(d.s.t, "all entries of "+d.name+" held and counted", func() bool {
		stored, err := d.s.centre.Stored(d.name)
		if err != nil || stored != d.journal.Size() {
			return false
		}
		n, err := d.s.records.Tally(d.s.t.Context())
		return err == nil && n == 0
	})
}

func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for limit := time.After(patience); !is(); {
		select {
		case <-look.C:
		case <-limit:
			t.Fatalf("within %v: not %s", patience, what)
		}
	}
}

// browser is an HTTP client that keeps cookies and does not follow redirects.
type browser struct {
	s       *site
	cookies map[string]string
	header  http.Header // on every request
}

func (s *site) browser() *browser {
	return &browser{s: s, cookies: map[string]string{}, header: http.Header{}}
}

// as is a browser in which somebody of a role is signed in.
func (s *site) as(role fleet.UserRole) *browser {
	s.t.Helper()
	b := s.browser()
	if r, _ := b.post("/sign-in", url.Values{"name": {string(role)}, "password": {password}}); r.StatusCode != http.StatusSeeOther {
		s.t.Fatalf("%s does not get in: %s", role, r.Status)
	}
	return b
}

func (b *browser) do(method, path string, form url.Values) (*http.Response, string) {
	b.s.t.Helper()
	address := path
	if strings.HasPrefix(path, "/") {
		address = b.s.url + path
	}
	r, err := http.NewRequestWithContext(b.s.t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		b.s.t.Fatal(err)
	}
	for k, v := range b.header {
		r.Header[k] = v
	}
	if host := b.header.Get("Host"); host != "" {
		r.Host = host
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(r)
	if err != nil {
		b.s.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		b.s.t.Fatal(err)
	}
	for _, c := range response.Cookies() {
		if b.cookies[c.Name] = c.Value; c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
	return response, string(body)
}

func (b *browser) get(path string) (*http.Response, string) { return b.do(http.MethodGet, path, nil) }

func (b *browser) post(path string, form url.Values) (*http.Response, string) {
	return b.do(http.MethodPost, path, form)
}

var csrfField = regexp.MustCompile(`name="csrf" value="([^"]+)"`)

// csrf is what the forms of this session have.
func (b *browser) csrf() string {
	b.s.t.Helper()
	_, page := b.get("/")
	m := csrfField.FindStringSubmatch(page)
	if m == nil {
		b.s.t.Fatal("a page without a form")
	}
	return m[1]
}

// postgres is the tests' one server, started when the first test needs it.
var postgres struct {
	once   sync.Once
	server *repotest.Postgres
	err    error
}

// onBoth runs a test with each of the two databases.
func onBoth(t *testing.T, test func(t *testing.T, database string)) {
	t.Run("SQLite", func(t *testing.T) { test(t, "") })
	t.Run("PostgreSQL", func(t *testing.T) {
		postgres.once.Do(func() { postgres.server, postgres.err = repotest.NewPostgres() })
		if postgres.err != nil {
			t.Fatal(postgres.err)
		}
		if postgres.server == nil {
			t.Skip("this needs Debian's postgresql-15: make deps-test installs it")
		}
		at, err := postgres.server.Database()
		if err != nil {
			t.Fatal(err)
		}
		test(t, at)
	})
}
