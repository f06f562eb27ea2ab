package faults

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // database/sql finds its driver by name

	"limen/internal/repotest"
	"limen/sync/fleet"
)

// run is one device, one centre, and what befalls them.
type run struct {
	*kit
	seed    uint64
	lots    *rand.Rand
	dir     string
	split   bool // centre in roles: Mosquitto, a worker, PostgreSQL
	disk    *disk
	store   string // the device's folder
	centreD *disk  // whole centre
	centreF string // its folder
	db      string // split centre
	addr    string
	cable   *repotest.Cable
	lives   uint64

	agent, centre, broker *child
	calm                  bool // the appliance appends no more

	mu        sync.Mutex        // of what the appliance says
	acks      map[uint64]string // what the journal acknowledged: index, hash of the body
	receipted uint64
	quiet     int64 // entries of an appliance that appends no more; -1 before

	writing sync.Mutex
	story   []string
}

// result is what one run found.
type result struct {
	acknowledged, lost, doubled, changed int
	did                                  map[string]int
	story                                []string
}

func (r *run) note(format string, args ...any) {
	r.writing.Lock()
	defer r.writing.Unlock()
	r.story = append(r.story, fmt.Sprintf(format, args...))
}

// fault is something that befalls a run.
type fault struct {
	name string
	can  func(*run) bool
	do   func(*run, *step) error
}

// step is a fault and the lots drawn for it beforehand, so that what they are
// does not hang on how fast the machine is.
type step struct {
	fault
	wait, hold time.Duration
	lots       *rand.Rand
}

func always(*run) bool { return true }

// faults are all there is.
var faults = []fault{
	{"appliance killed", always, func(r *run, _ *step) error { r.agent.kill(); return nil }},
	{"appliance's power cut", func(r *run) bool { return r.disk != nil }, func(r *run, s *step) error {
		if err := r.disk.powerOff(s.lots, func() { r.agent.kill() }); err != nil {
			return err
		}
		return r.disk.powerOn()
	}},
	{"appliance's disk full", func(r *run) bool { return r.disk != nil }, func(r *run, s *step) error {
		r.disk.setFull(true)
		time.Sleep(s.hold)
		r.disk.setFull(false)
		return nil
	}},
	{"centre killed", always, func(r *run, _ *step) error { r.centre.kill(); return nil }},
	{"centre's power cut", func(r *run) bool { return r.centreD != nil }, func(r *run, s *step) error {
		if err := r.centreD.powerOff(s.lots, func() { r.centre.kill() }); err != nil {
			return err
		}
		return r.centreD.powerOn()
	}},
	{"centre's disk full", func(r *run) bool { return r.centreD != nil }, func(r *run, s *step) error {
		r.centreD.setFull(true)
		time.Sleep(s.hold)
		r.centreD.setFull(false)
		return nil
	}},
	{"broker killed", func(r *run) bool { return r.split }, func(r *run, _ *step) error { r.broker.kill(); return nil }},
	{"PostgreSQL killed", func(r *run) bool { return r.split }, func(r *run, _ *step) error {
		r.postgres.Kill()
		return r.postgres.Start()
	}},
	{"cable pulled", always, func(r *run, _ *step) error { r.cable.Pull(); return nil }},
	{"cable out", always, func(r *run, s *step) error {
		r.cable.Set(false, true)
		time.Sleep(s.hold)
		r.cable.Set(false, false)
		return nil
	}},
	{"cable dead", always, func(r *run, s *step) error {
		r.cable.Set(true, false)
		time.Sleep(s.hold)
		r.cable.Set(false, false)
		return nil
	}},
	{"cable garbles", always, func(r *run, s *step) error {
		r.cable.Garble(true)
		time.Sleep(s.hold)
		r.cable.Garble(false)
		return nil
	}},
}

func newRun(k *kit, seed uint64) *run {
	r := &run{kit: k, seed: seed, lots: rand.New(rand.NewPCG(seed, 0)), dir: filepath.Join(k.dir, fmt.Sprint("run", seed)), acks: map[uint64]string{}, quiet: -1}
	return r
}

// do is the whole run.
func (r *run) do() (out result, err error) {
	out.did = map[string]int{}
	defer func() { out.story = r.story }()
	defer r.end()
	if err := r.begin(); err != nil {
		return out, err
	}
	for _, s := range r.plan() {
		time.Sleep(s.wait)
		if err := r.tend(); err != nil {
			return out, err
		}
		r.note("%s (held %v)", s.name, s.hold)
		out.did[s.name]++
		if err := s.do(r, s); err != nil {
			return out, fmt.Errorf("%s: %w", s.name, err)
		}
	}
	settled := r.settle()
	if settled != nil {
		r.note("not settled: %v", settled)
		for name, c := range map[string]*child{"appliance": r.agent, "centre": r.centre} {
			if c != nil {
				r.note("the end of what the %s said: %s", name, c.Said())
			}
		}
	}
	if err := r.check(&out); err != nil {
		return out, err
	}
	if settled != nil && out.lost+out.doubled+out.changed == 0 {
		return out, settled
	}
	if settled == nil && r.lots.IntN(4) == 0 {
		return out, r.flip(&out)
	}
	return out, nil
}

// plan draws what happens and when.
func (r *run) plan() (steps []*step) {
	for range 2 + r.lots.IntN(4) {
		s := &step{wait: time.Duration(10+r.lots.IntN(90)) * time.Millisecond, hold: time.Duration(20+r.lots.IntN(180)) * time.Millisecond, lots: rand.New(rand.NewPCG(r.seed, r.lots.Uint64()))}
		for s.name == "" {
			if f := faults[r.lots.IntN(len(faults))]; f.can(r) {
				s.fault = f
			}
		}
		steps = append(steps, s)
	}
	return steps
}

func (r *run) begin() (err error) {
	r.split = r.lots.IntN(3) == 0 && r.postgres != nil
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return err
	}
	r.store, r.centreF = filepath.Join(r.dir, "device"), filepath.Join(r.dir, "centre")
	if err := errors.Join(os.Mkdir(r.store, 0o700), os.Mkdir(r.centreF, 0o700)); err != nil {
		return err
	}
	if r.mounts {
		if r.disk, err = newDisk(r.store); err != nil {
			return err
		}
		r.store = r.disk.mount
		if !r.split {
			if r.centreD, err = newDisk(r.centreF); err != nil {
				return err
			}
			r.centreF = r.centreD.mount
		}
	}
	if r.addr, err = freeAddress(); err != nil {
		return err
	}
	if r.cable, err = repotest.NewCable(r.addr, r.seed); err != nil {
		return err
	}
	if r.split {
		if r.db, err = r.postgres.CopyOf(databaseName(r.template)); err != nil {
			return err
		}
		records, err := fleet.OpenRecords(r.db)
		if err != nil {
			return err
		}
		err = records.Enrol(context.Background(), deviceName, keyOf(r.seed).PublicKey(), time.Now())
		if err := errors.Join(err, records.Close()); err != nil {
			return err
		}
	}
	return r.tend()
}

// databaseName is the name in a database's address.
func databaseName(at string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(at, "postgres:///"), "?")
	return name
}

// tend starts whatever is not running, as a supervisor would.
func (r *run) tend() (err error) {
	if r.split && (r.broker == nil || r.broker.Ended()) {
		_, port, _ := strings.Cut(r.addr, ":")
		command, err := repotest.Mosquitto(r.root, r.dir, port, r.authority.CAPath(), r.server.Certificate, r.server.Key)
		if err != nil {
			return err
		}
		// Somebody may hold its port for a moment, as the near end of a connection.
		for tries := 0; r.broker == nil || r.broker.Ended(); tries++ {
			r.broker.kill()
			if r.broker, err = start(exec.Command(command.Path, command.Args[1:]...), func(string) {}); err != nil {
				return err
			}
			if err = r.broker.Listening(r.addr); err != nil && tries == 40 {
				return err
			}
			if err != nil {
				time.Sleep(100 * time.Millisecond)
			}
		}
	}
	for tries := 0; r.centre == nil || r.centre.Ended(); tries++ {
		if r.centre != nil && r.centre.Said() != "" {
			r.note("centre: %s", lastLine(r.centre.Said()))
		}
		r.centre.kill()
		first := newFirstLine()
		if r.centre, err = startChild("centre", r.centreConfig(), first.line); err != nil {
			return err
		}
		if err = first.await(r.centre); err != nil && tries == 5 {
			return fmt.Errorf("the centre: %w", err)
		}
	}
	if r.agent != nil && !r.agent.Ended() {
		return nil
	}
	if r.agent != nil && r.agent.Said() != "" {
		r.note("appliance: %s", lastLine(r.agent.Said()))
	}
	r.agent.kill()
	r.lives++
	c := agentConfig{Store: r.store, Broker: r.cable.Addr(), CA: r.authority.CAPath(), Files: r.device, ReceiptKey: r.receiptKey,
		Name: deviceName, Seed: r.seed, Life: r.lives, Appending: !r.calm}
	if r.agent, err = startChild("agent", c, r.hear); err != nil {
		return err
	}
	if r.calm {
		fmt.Fprintln(r.agent.input)
	}
	return nil
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

func (r *run) centreConfig() centreConfig {
	c := centreConfig{Dir: r.centreF, MQTT: r.addr, CA: r.authority.CAPath(), ReceiptKey: r.receipts, Files: r.server,
		Devices: []fleet.Enrolled{{Name: deviceName, PublicKey: keyOf(r.seed).PublicKey()}}}
	if r.split {
		c.Role, c.Database, c.Devices = fleet.RoleIngest, r.db, nil
		c.Queue = fleet.Queue{MQTT: "tls://" + r.addr, CA: r.authority.CAPath(), Certificate: r.worker.Certificate, Key: r.worker.Key}
	}
	return c
}

// hear is a line of the appliance.
func (r *run) hear(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var n uint64
	var hash string
	switch {
	case strings.HasPrefix(line, "A "):
		if _, err := fmt.Sscanf(line, "A %d %s", &n, &hash); err == nil {
			if was, taken := r.acks[n]; taken && was != hash {
				r.note("entry %d was acknowledged twice", n)
				hash = was + "," + hash // neither is what is stored
			}
			r.acks[n] = hash
		}
	case strings.HasPrefix(line, "R "):
		if _, err := fmt.Sscanf(line, "R %d", &n); err == nil {
			r.receipted = max(r.receipted, n)
		}
	case strings.HasPrefix(line, "Q "):
		if _, err := fmt.Sscanf(line, "Q %d", &n); err == nil {
			r.quiet = int64(n)
		}
	}
}

// settlePatience bounds how long a run may take to come to rest.
const settlePatience = 90 * time.Second

// settle lets everything run undisturbed until the centre has all of it.
func (r *run) settle() error {
	r.calm = true
	if !r.agent.Ended() {
		fmt.Fprintln(r.agent.input)
	}
	for until := time.Now().Add(settlePatience); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		if err := r.tend(); err != nil {
			return err
		}
		r.mu.Lock()
		done := r.quiet >= 0 && r.receipted >= uint64(r.quiet)
		r.mu.Unlock()
		if done {
			return nil
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Errorf("after %v the centre gave receipts for %d of %d entries", settlePatience, r.receipted, r.quiet)
}

// stopAll kills what runs and gives the folders where it left things.
func (r *run) stopAll() (device, centre string, err error) {
	r.agent.kill()
	r.centre.kill()
	r.broker.kill()
	r.agent, r.centre, r.broker = nil, nil, nil
	device, centre = r.store, r.centreF
	if r.disk != nil && r.disk.server != nil {
		err = r.disk.unmount()
		r.disk.server, device = nil, r.disk.live
	}
	if r.centreD != nil && r.centreD.server != nil {
		err = errors.Join(err, r.centreD.unmount())
		r.centreD.server, centre = nil, r.centreD.live
	}
	if r.disk != nil {
		device = r.disk.live
	}
	if r.centreD != nil {
		centre = r.centreD.live
	}
	return device, centre, err
}

// check compares every acknowledged inspection with the journal and with what
// the centre holds.
func (r *run) check(out *result) error {
	device, centre, err := r.stopAll()
	if err != nil {
		return err
	}
	out.acknowledged = len(r.acks)
	mine, err := r.inspect(device)
	if err != nil {
		return err
	}
	if mine.Error != "" {
		r.note("the journal: %s", mine.Error)
		out.changed++
	}
	r.compare(out, "journal", mine.Entries)
	theirs, noticed, err := r.held(centre)
	if err != nil || noticed != "" {
		r.note("the centre's records: %s %v", noticed, err)
		out.changed++
	}
	r.compare(out, "centre", theirs)
	if len(theirs) < int(r.receipted) {
		r.note("%d entries at the centre, receipts for %d", len(theirs), r.receipted)
		out.lost++
	}
	return nil
}

// compare counts what is wrong of acknowledged entries in a list of hashes.
func (r *run) compare(out *result, where string, have []string) {
	times := map[string]int{}
	for _, h := range have {
		times[h]++
	}
	for h, n := range times {
		if n > 1 {
			out.doubled += n - 1
			r.note("%s: %d times %s", where, n, h)
		}
	}
	lost := 0
	for i, h := range r.acks {
		switch {
		case i < uint64(len(have)) && have[i] == h:
		case times[h] == 0:
			lost++
		default:
			out.changed++
			r.note("%s: acknowledged entry %d is another one", where, i)
		}
	}
	if lost > 0 {
		out.lost += lost
		r.note("%s: of %d acknowledged entries %d are not among its %d", where, len(r.acks), lost, len(have))
	}
}

// inspect opens a device's store in a process of its own: a damaged one may
// end it.
func (r *run) inspect(store string) (found inspected, err error) {
	var text string
	c, err := startChild("inspector", agentConfig{Store: store, ReceiptKey: r.receiptKey, Name: deviceName, Seed: r.seed}, func(l string) { text = l })
	if err != nil {
		return found, err
	}
	<-c.Done()
	c.kill()
	if text == "" {
		found.Error = "opening it ended the process: " + lastLine(c.Said())
		return found, nil
	}
	return found, json.Unmarshal([]byte(text), &found)
}

// held is what the centre holds of the device, and what its own verification
// says against it.
func (r *run) held(folder string) (hashes []string, noticed string, err error) {
	at, driver, source := folder, "sqlite", filepath.Join(folder, "fleet.db")
	if r.split {
		at, driver, source = r.db, "pgx", r.db
	}
	records, err := fleet.OpenRecords(at)
	if err != nil {
		return nil, err.Error(), nil
	}
	verdicts, err := records.Verify(context.Background())
	if err := errors.Join(err, records.Close()); err != nil {
		return nil, err.Error(), nil
	}
	if len(verdicts) != 1 {
		return nil, fmt.Sprintf("%d devices", len(verdicts)), nil
	}
	if f := verdicts[0].Fault; f != nil {
		noticed = f.String()
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		return nil, noticed, err
	}
	defer db.Close()
	rows, err := db.Query("SELECT number, body FROM entries WHERE device = $1 ORDER BY number", deviceName)
	if err != nil {
		return nil, noticed, err
	}
	defer rows.Close()
	for rows.Next() {
		var n int
		var body []byte
		if err := rows.Scan(&n, &body); err != nil {
			return nil, noticed, err
		}
		hashes = append(hashes, hashOf(body))
	}
	return hashes, noticed, rows.Err()
}

// end leaves nothing behind.
func (r *run) end() {
	r.stopAll()
	if r.cable != nil {
		r.cable.Close()
	}
	if r.db != "" {
		r.postgres.Drop(databaseName(r.db))
	}
	os.RemoveAll(r.dir)
}
