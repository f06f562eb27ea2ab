package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/klauspost/compress/zstd"

	"limen"
	"limen/cmd/internal/demo"
	"limen/hw/sim/mrzsim"
	"limen/hw/sim/pn532sim"
	"limen/sync/history"
)

// specimenDay is a day on which the made-up travellers live.
var specimenDay = time.Now()

// A whole day at the gate, at the most talkative level, in a process of its
// own: what its travellers' documents say is found on the officer's page and
// nowhere else: not in what the process prints, not in its metrics, not on the
// way to the centre, not in any file here or there, nor in what history answers.
func TestNothingADocumentSaidGetsOut(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute)
	defer stop()
	d := newDay(t, ctx)
	d.play()
	outputs := d.outputs()
	d.searchFiles() // as they are while the appliance runs, and when it has ended
	if err := d.end(); err != nil {
		t.Error(err)
	}
	outputs["standard output"], outputs["standard error"] = d.stdout.Bytes(), d.stderr.Bytes()
	outputs["MQTT to the centre"], outputs["MQTT from the centre"] = unpacked(d.tap.up.Bytes()), d.tap.down.Bytes()
	for name, b := range outputs {
		if len(b) == 0 {
			t.Errorf("%s is empty: nothing was searched", name)
		}
		if found := d.secrets.find(b); found != nil {
			t.Errorf("%s holds %s", name, strings.Join(found, ", "))
		}
	}
	d.searchFiles()

	// What was searched is what it should be.
	for where, words := range map[string][]string{
		"standard error":       {"level=DEBUG", "step=mrz", "PN532 ready", "device was unplugged"},
		"MQTT to the centre":   {"limen/v1/gate-1/entries", "utopia-airport"},
		"metrics":              {"limen_inspections_total", "chip_lost"},
		"history show":         {"chip_reader_unavailable", "lookup_unavailable:national"},
		"centre's checks":      {"chip_lost"},
		"a gate at the centre": {"<dt>chip reader</dt>", "<dt>camera</dt>", "utopia-airport"},
		"history show, JSON":   {"chip_access_denied"},
		"officer's first page": {"<html"},
	} {
		for _, w := range words {
			if !bytes.Contains(outputs[where], []byte(w)) {
				t.Errorf("%s does not hold %q, so it is not what was to be searched:\n%.2000s", where, w, outputs[where])
			}
		}
	}
	found := d.secrets.find(d.page.Bytes())
	for _, want := range []string{"number of admitted", "surname of admitted", "given name of admitted"} {
		if !slices.Contains(found, want) {
			t.Errorf("the officer's page does not show the %s; found %v", want, found)
		}
	}
	if t.Failed() {
		t.Logf("standard error:\n%.20000s", d.stderr.Bytes())
	}
}

// day is an appliance in a process of its own, and everything it says.
type day struct {
	t       *testing.T
	ctx     context.Context
	stage   *demo.Stage
	secrets secrets
	tap     *tap
	process *processRun
	stdout  syncBuffer
	stderr  syncBuffer
	page    syncBuffer // the officer's page's events
	browser *http.Client
	address string // of the officer's page
	metrics string
	temp    string // the process's folder for temporary files

	finished chan limen.Finished
	stop     context.CancelFunc
	running  sync.WaitGroup
}

type processRun struct {
	signal func(os.Signal) error
	done   chan error
}

func newDay(t *testing.T, ctx context.Context) *day {
	t.Helper()
	d := &day{t: t, finished: make(chan limen.Finished, 1), temp: t.TempDir()}
	d.ctx, d.stop = context.WithCancel(ctx)
	t.Cleanup(d.stop)
	var err error
	if d.stage, err = demo.Open(d.ctx, t.TempDir(), nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.stage.Close() })
	d.stage.Approach = -1
	if d.tap, err = openTap(d.stage); err != nil {
		t.Fatal(err)
	}
	d.running.Go(func() { d.tap.run(d.ctx) })
	c := d.stage.Config
	c.Uplink.Broker = "tls://" + d.tap.listener.Addr().String()
	c.PortraitProgram = portraitProgram
	c.Metrics = freeAddress(t)
	d.metrics = "http://" + c.Metrics + "/metrics"
	b, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.stage.ConfigPath(), b, 0o600); err != nil {
		t.Fatal(err)
	}
	d.start()
	return d
}

// start starts the process and waits until its devices work.
func (d *day) start() {
	d.t.Helper()
	c := program(d.ctx, "run", "--debug", "--config", d.stage.ConfigPath())
	c.Env = append(c.Env, "TMPDIR="+d.temp)
	c.Stdout, c.Stderr = &d.stdout, &d.stderr
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	if err := c.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.process = &processRun{c.Process.Signal, make(chan error, 1)}
	go func() { d.process.done <- c.Wait() }()
	ready := soon(d.t, func() bool {
		b, _ := fetch(d.ctx, http.DefaultClient, d.metrics)
		for _, name := range []string{mrzReader, chipReader, camera} {
			if !bytes.Contains(b, fmt.Appendf(nil, "limen_device_up{device=%q} 1", name)) {
				return false
			}
		}
		return true
	})
	if !ready {
		d.t.Fatalf("the appliance is not ready; it said %s%s", d.stdout.Bytes(), d.stderr.Bytes())
	}
	d.openPage()
	client, err := history.Dial(d.ctx, d.stage.Config.Socket)
	if err != nil {
		d.t.Fatal(err)
	}
	d.running.Go(func() { d.follow(client) })
	d.stage.SetCAN = d.typeCAN
}

// openPage enters the officer's page by the address printed, and follows it.
func (d *day) openPage() {
	d.t.Helper()
	printed := regexp.MustCompile(`http://\S+`).FindString(d.stdout.String())
	u, err := url.Parse(printed)
	if err != nil {
		d.t.Fatal(err)
	}
	d.address = "http://" + u.Host
	jar, err := cookiejar.New(nil)
	if err != nil {
		d.t.Fatal(err)
	}
	d.browser = &http.Client{Jar: jar}
	if _, err := fetch(d.ctx, d.browser, printed); err != nil {
		d.t.Fatal(err)
	}
	d.running.Go(func() {
		request, err := http.NewRequestWithContext(d.ctx, http.MethodGet, d.address+"/events", nil)
		if err != nil {
			return
		}
		if response, err := d.browser.Do(request); err == nil {
			io.Copy(&d.page, response.Body)
			response.Body.Close()
		}
	})
}

// typeCAN types a card access number into the page.
func (d *day) typeCAN(can string) {
	request, err := http.NewRequestWithContext(d.ctx, http.MethodPost, d.address+"/can", strings.NewReader(fmt.Sprintf(`{"can":%q}`, can)))
	if err != nil {
		d.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Origin", d.address)
	response, err := d.browser.Do(request)
	if err != nil {
		d.t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		d.t.Errorf("typing a card access number: got status %d", response.StatusCode)
	}
}

// follow tells of each record as the appliance stores it.
func (d *day) follow(client *history.Client) {
	defer client.Close()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for next := int64(0); ; {
		select {
		case <-d.ctx.Done():
			return
		case <-look.C:
		}
		shown, err := client.Show(next, 1)
		if err != nil || len(shown) == 0 || shown[0].Record == nil || shown[0].Index != uint64(next) {
			continue
		}
		next++
		select {
		case d.finished <- limen.Finished{Record: *shown[0].Record, Receipt: limen.Receipt{Index: shown[0].Index}}:
		case <-d.ctx.Done():
			return
		}
	}
}

// play sends travellers across to whom everything happens that may.
func (d *day) play() {
	d.cross(stranger("admitted", "traveller-01"))
	typed := stranger("opened by its card access number", "traveller-04")
	typed.Document.Format = demo.TD1
	d.cross(typed)
	old := stranger("opened by BAC", "traveller-05")
	old.Document.Access = demo.BAC
	d.cross(old, "pace_not_offered")
	fallback := stranger("opened by BAC after PACE failed", "traveller-07")
	fallback.Document.Access, fallback.Document.CAN = demo.BrokenPACE, ""
	d.cross(fallback, "pace_failed_bac_used")
	jp2 := stranger("with a JPEG 2000 portrait", "traveller-02")
	jp2.Document.JPEG2000 = true
	d.cross(jp2)
	misread := stranger("misread", "traveller-06")
	misread.Document.Number = rowOf(d.t, "a 0 of the number misread as O").Document.Number // one that can be repaired in one way only
	misread.Wrong.Misread = true
	d.cross(misread, "mrz_repaired:document number")
	for name, wrong := range map[string]demo.Wrong{
		"mrz_chip_mismatch:name": {PrintedName: stranger("", "").Document.Surname}, "dg_hash_mismatch:DG2": {ChangedGroup: 2},
		"csca_unknown": {UnknownSigner: true}, "chip_lost": {LostAfter: 9},
	} {
		tr := stranger(name, "traveller-08")
		tr.Wrong = wrong
		d.cross(tr, name)
	}

	var first pn532sim.Card
	d.stage.Between = func(c pn532sim.Card) pn532sim.Card { first = c; return c }
	d.cross(stranger("whose chip is used again", "traveller-03"))
	d.stage.Between = func(pn532sim.Card) pn532sim.Card { return first }
	another := stranger("with another's chip", "traveller-03")
	another.Document.CAN = ""
	d.cross(another, "chip_access_denied")
	line := d.stage.ChipLine()
	d.stage.Between = func(c pn532sim.Card) pn532sim.Card { return &trap{Card: c, at: 10, what: line.Unplug} }
	d.cross(stranger("whose reader is pulled", "traveller-01"), "chip_reader_unavailable")
	d.stage.Between = nil
	d.stage.National().Down(true)
	d.cross(stranger("nobody can look up", "traveller-01"), "chip_reader_unavailable", "lookup_unavailable:national")
	d.stage.National().Down(false)
	if err := line.Plug(); err != nil {
		d.t.Fatal(err)
	}
	if !soon(d.t, func() bool {
		b, _ := fetch(d.ctx, http.DefaultClient, d.metrics)
		return bytes.Contains(b, []byte(`limen_device_up{device="chip reader"} 1`))
	}) {
		d.t.Fatal("the chip reader is not used again")
	}
	d.stage.MRZReader().Fault(mrzsim.Garbage)
	d.cross(stranger("read through noise", "traveller-01"))
	d.stage.MRZReader().Fault(mrzsim.HalfMessage)
	half := stranger("half read", "traveller-01")
	printed, _, err := d.stage.Lines(half)
	if err == nil {
		d.secrets.addTraveller(d.t, half, printed)
		err = errors.Join(d.stage.MRZReader().Present(printed), d.stage.Leave())
	}
	if err != nil {
		d.t.Fatal(err)
	}
	d.cross(stranger("after half a message", "traveller-05"))
}

// cross sends one traveller across, whose record must name the reasons.
func (d *day) cross(tr demo.Traveller, reasons ...string) {
	d.t.Helper()
	printed, read, err := d.stage.Lines(tr)
	if err != nil {
		d.t.Fatal(err)
	}
	d.secrets.addTraveller(d.t, tr, printed)
	for i, line := range read {
		if line != printed[i] {
			d.secrets.add("misread line of "+tr.Name, []byte(line))
		}
	}
	between := d.stage.Between
	d.stage.Between = func(c pn532sim.Card) pn532sim.Card {
		if between != nil {
			c = between(c)
		}
		return &eavesdropper{c, &d.secrets, tr.Name}
	}
	l, err := d.stage.Play(d.ctx, tr, d.finished)
	d.stage.Between = between
	if lerr := d.stage.Leave(); err == nil {
		err = lerr
	}
	if err != nil {
		d.t.Fatalf("%s: %v; the process said %.4000s", tr.Name, err, d.stderr.Bytes())
	}
	for _, want := range reasons {
		if !slices.Contains(l.Details, want) {
			d.t.Errorf("%s: got %s %v, want %s among it", tr.Name, l.Outcome, l.Details, want)
		}
	}
}

// eavesdropper makes secrets of what goes over the air: the longer commands
// and responses, which hold keys, nonces and ciphertexts.
type eavesdropper struct {
	pn532sim.Card
	secrets *secrets
	of      string
}

// Transmit implements pn532sim.Card.
func (e *eavesdropper) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	response, err := e.Card.Transmit(ctx, command)
	for what, b := range map[string][]byte{"command": command, "response": response} {
		if len(b) >= 40 {
			e.secrets.add(what+" to or from the chip of "+e.of, b[12:36])
		}
	}
	return response, err
}

// outputs is what the running appliance and the centre answer to others than
// the officer.
func (d *day) outputs() map[string][]byte {
	d.t.Helper()
	if stored, err := d.stage.AwaitCentre(d.ctx, 15); err != nil || stored < 15 {
		d.t.Errorf("the centre holds %d entries (%v), want 15 or more", stored, err)
	}
	out := map[string][]byte{}
	for name, args := range map[string][]string{
		"history show": {"show", "--last", "100"}, "history show, JSON": {"show", "--last", "100", "--json"}, "history verify": {"verify", "--json"},
	} {
		code, stdout, stderr := execute(d.t, append([]string{"history"}, append(args, "--config", d.stage.ConfigPath())...)...)
		if code != 0 {
			d.t.Errorf("%s: got exit code %d, %s", name, code, stderr)
		}
		out[name] = []byte(stdout + stderr)
	}
	centre := "http://" + d.stage.Centre.HTTPAddr()
	signedIn, err := d.browser.PostForm(centre+"/sign-in", url.Values{"name": {demo.User}, "password": {d.stage.Password}})
	if err != nil || signedIn.Request.URL.Path != "/" {
		d.t.Fatalf("signing in at the centre: %v, %v", signedIn, err)
	}
	signedIn.Body.Close()
	for name, address := range map[string]string{
		"metrics": d.metrics, "centre's page": centre + "/", "centre's devices": centre + "/api/devices", "centre's figures": centre + "/figures",
		"centre's alarms": centre + "/alarms", "centre's audit": centre + "/audit", "a gate at the centre": centre + "/devices/gate-1",
		"officer's first page": d.address + "/", // without its events it knows nobody
	} {
		b, err := fetch(d.ctx, d.browser, address)
		if err != nil {
			d.t.Errorf("%s: %v", name, err)
		}
		out[name] = b
	}
	out["centre's checks"] = d.checksAtCentre(centre, out["a gate at the centre"])
	// Without the token there is nothing to see.
	b, err := fetch(d.ctx, http.DefaultClient, d.address+"/events")
	if err == nil {
		d.t.Errorf("the page's events are told to anybody: %.200s", b)
	}
	out["officer's page without token"] = b
	return out
}

// checksAtCentre are the gate's single checks, which a page shows for a reason.
func (d *day) checksAtCentre(centre string, page []byte) []byte {
	csrf := regexp.MustCompile(`name="csrf" value="([^"]+)"`).FindSubmatch(page)
	if csrf == nil {
		d.t.Fatalf("the gate's page at the centre has no form: %.500s", page)
	}
	response, err := d.browser.PostForm(centre+"/devices/gate-1", url.Values{"csrf": {string(csrf[1])}, "purpose": {"fault of a device"}, "reason": {"a test of what is shown"}})
	if err != nil {
		d.t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		d.t.Errorf("the gate's checks at the centre: %s, %v", response.Status, err)
	}
	return b
}

// end ends the process, then everything else.
func (d *day) end() error {
	err := d.process.signal(syscall.SIGTERM)
	select {
	case werr := <-d.process.done:
		err = errors.Join(err, werr)
	case <-d.ctx.Done():
		err = errors.Join(err, errors.New("the appliance does not end"))
	}
	d.stop()
	d.running.Wait()
	return errors.Join(err, d.stage.Close())
}

// searchFiles searches every file of the appliance and the centre: Badger's,
// SQLite's, the broker's, keys, configuration, temporary files.
func (d *day) searchFiles() {
	searched := map[string]int{}
	var records []byte
	for _, root := range []string{d.stage.Dir, d.temp} {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			rel, _ := filepath.Rel(root, path)
			top, _, _ := strings.Cut(rel, string(filepath.Separator))
			searched[top] += len(b)
			if strings.HasPrefix(filepath.Base(path), "fleet.db") {
				records = append(records, b...)
			}
			if top == "store" && bytes.Contains(b, []byte("utopia-airport")) {
				d.t.Errorf("%s holds a record in the clear", rel)
			}
			if found := d.secrets.find(b); found != nil {
				d.t.Errorf("the file %s holds %s", rel, strings.Join(found, ", "))
			}
			return nil
		})
		if err != nil {
			d.t.Error(err)
		}
	}
	for _, top := range []string{"store", "centre", "keys", "limen.yaml"} {
		if searched[top] == 0 {
			d.t.Errorf("nothing of %s was searched: %v", top, searched)
		}
	}
	if !bytes.Contains(records, []byte("utopia-airport")) {
		d.t.Error("the centre's database holds no record in the clear: it is not what was to be searched")
	}
	d.t.Logf("searched for %d secrets in bytes by folder: %v", d.secrets.count, searched)
}

// tap stands between device and centre, with the keys of both, and keeps what
// they say to each other once TLS is off.
type tap struct {
	listener net.Listener
	centre   string
	client   *tls.Config
	up, down syncBuffer
}

func openTap(s *demo.Stage) (*tap, error) {
	u := s.Config.Uplink
	server, err := tls.LoadX509KeyPair(filepath.Join(filepath.Dir(u.CA), "server.pem"), filepath.Join(filepath.Dir(u.CA), "server.key"))
	if err != nil {
		return nil, err
	}
	device, err := tls.LoadX509KeyPair(u.Certificate, u.Key)
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(u.CA)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	t := &tap{centre: strings.TrimPrefix(u.Broker, "tls://"), client: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{device}}}
	t.listener, err = tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{server}, ClientCAs: roots, ClientAuth: tls.RequireAndVerifyClientCert})
	return t, err
}

func (t *tap) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	stop := context.AfterFunc(ctx, func() { t.listener.Close() })
	defer stop()
	for {
		device, err := t.listener.Accept()
		if err != nil {
			return
		}
		wg.Go(func() { t.carry(ctx, device) })
	}
}

func (t *tap) carry(ctx context.Context, device net.Conn) {
	defer device.Close()
	centre, err := (&tls.Dialer{Config: t.client}).DialContext(ctx, "tcp", t.centre)
	if err != nil {
		return
	}
	defer centre.Close()
	stop := context.AfterFunc(ctx, func() { device.Close(); centre.Close() })
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() { io.Copy(centre, io.TeeReader(device, &t.up)); centre.Close() })
	wg.Go(func() { io.Copy(device, io.TeeReader(centre, &t.down)); device.Close() })
	wg.Wait()
}

// unpacked adds to what went to the centre what its compressed batches hold.
func unpacked(b []byte) []byte {
	out := bytes.Clone(b)
	magic := []byte{0x28, 0xb5, 0x2f, 0xfd} // of a zstd frame: RFC 8878, 3.1.1
	for at := bytes.Index(b, magic); at >= 0; {
		if z, err := zstd.NewReader(bytes.NewReader(b[at:]), zstd.WithDecoderConcurrency(1)); err == nil {
			plain, _ := io.ReadAll(z) // the frame; what follows it is none
			out = append(out, plain...)
			z.Close()
		}
		next := bytes.Index(b[at+1:], magic)
		if next < 0 {
			break
		}
		at += 1 + next
	}
	return out
}

// fetch is the body at an address; an error unless the status is 200.
func fetch(ctx context.Context, client *http.Client, address string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %s", response.Status)
	}
	return b, err
}

// freeAddress is a loopback address nobody listens at.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
