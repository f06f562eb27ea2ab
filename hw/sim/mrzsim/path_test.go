package mrzsim

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"limen/hw/mrzreader"
	"limen/hw/serialport"
	"limen/hw/sim/link"
)

var (
	td3 = []string{"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"}
	td2 = []string{"I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "D231458907UTO7408122F1204159<<<<<<<6"}
	td1 = []string{"I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", "ERIKSSON<<ANNA<MARIA<<<<<<<<<<"}
)

// path is a whole reader: simulated device, pty, kept port, driver.
type path struct {
	link    *link.Link
	sim     *Reader
	reads   chan mrzreader.Read
	notes   chan mrzreader.Note
	reports chan serialport.Report
}

func start(t *testing.T, s mrzreader.Settings, faults ...Fault) *path {
	t.Helper()
	l, err := link.New()
	if err != nil {
		t.Fatal(err)
	}
	p := &path{link: l, reads: make(chan mrzreader.Read, 8), notes: make(chan mrzreader.Note, 64), reports: make(chan serialport.Report, 64)}
	s.Silence = 30 * time.Millisecond
	s.Answer = 200 * time.Millisecond
	s.Report = func(n mrzreader.Note) { p.notes <- n }
	p.sim = New(l, s.Protocol, s)
	p.sim.Fault(faults...)
	driver, err := mrzreader.New(s)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { p.sim.Run(ctx) })
	keeper := serialport.Keeper{Path: l.Path, Mode: serialport.Mode{Baud: 115200}, MinWait: time.Millisecond, MaxWait: 20 * time.Millisecond,
		Use: func(ctx context.Context, port *serialport.Port) error {
			return driver.Run(ctx, port, func(r mrzreader.Read) { p.reads <- r })
		},
		Report: func(r serialport.Report) { p.reports <- r },
	}
	running.Go(func() { keeper.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait(); l.Close() })
	p.awaitState(t, serialport.Opened)
	p.awaitArmed(t, s)
	return p
}

// awaitArmed waits until a reader that must be told has been told.
func (p *path) awaitArmed(t *testing.T, s mrzreader.Settings) {
	t.Helper()
	if s.Protocol == mrzreader.Elyctis || s.Lines.Trigger == mrzreader.TriggerHoneywell {
		await(t, p.sim.Armed(), "the reader to be told to look")
	}
}

func (p *path) awaitState(t *testing.T, want serialport.State) {
	t.Helper()
	for {
		if r := await(t, p.reports, "the port to be "+string(want)); r.State == want {
			return
		}
	}
}

func (p *path) awaitNote(t *testing.T, want mrzreader.Note) {
	t.Helper()
	for {
		if n := await(t, p.notes, string(want)); strings.Contains(string(n), string(want)) {
			return
		}
	}
}

func await[T any](t *testing.T, c <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(10 * time.Second):
		t.Fatalf("waited 10 s for %s", what)
	}
	return v
}

func (p *path) present(t *testing.T, lines []string) {
	t.Helper()
	if err := p.sim.Present(lines); err != nil {
		t.Fatal(err)
	}
}

func (p *path) expect(t *testing.T, want []string) mrzreader.Read {
	t.Helper()
	r := await(t, p.reads, "a read")
	if !slices.Equal(r.Lines, want) {
		t.Fatalf("got %q, want %q", r.Lines, want)
	}
	return r
}

// readers are the protocols with every setting that changes their bytes.
func readers() map[string]mrzreader.Settings {
	return map[string]mrzreader.Settings{
		"elyctis":                  {Protocol: mrzreader.Elyctis},
		"3m":                       {Protocol: mrzreader.RTE},
		"3m, one-byte length":      {Protocol: mrzreader.RTE, RTE: mrzreader.RTESettings{Length: mrzreader.OneByte}},
		"3m, check from length":    {Protocol: mrzreader.RTE, RTE: mrzreader.RTESettings{BCC: mrzreader.FromLength}},
		"3m, check from STX":       {Protocol: mrzreader.RTE, RTE: mrzreader.RTESettings{BCC: mrzreader.FromSTX}},
		"3m, check of the text":    {Protocol: mrzreader.RTE, RTE: mrzreader.RTESettings{BCC: mrzreader.AfterSTX}},
		"lines":                    {Protocol: mrzreader.Lines},
		"lines, honeywell trigger": {Protocol: mrzreader.Lines, Lines: mrzreader.LinesSettings{Trigger: mrzreader.TriggerHoneywell}},
	}
}

func TestReadsOneDocumentAfterAnother(t *testing.T) {
	for name, s := range readers() {
		t.Run(name, func(t *testing.T) {
			p := start(t, s)
			for _, doc := range [][]string{td3, td1, td2, td3} {
				p.present(t, doc)
				if r := p.expect(t, doc); len(r.Notes) != 0 || r.At.IsZero() {
					t.Errorf("notes %v, at %v, want none and a time", r.Notes, r.At)
				}
				p.awaitArmed(t, s)
				if err := p.sim.Remove(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// Unplugged in the middle of a message and plugged in again, the next read is right.
func TestUnpluggedInMidMessage(t *testing.T) {
	for name, s := range readers() {
		t.Run(name, func(t *testing.T) {
			p := start(t, s)
			p.link.Pace(9600, 10) // a message takes some 95 ms
			sent := make(chan error)
			go func() { sent <- p.sim.Present(td3) }()
			// The first bytes are under way; whichever byte it hits, none may be taken for a read.
			timer := time.AfterFunc(30*time.Millisecond, p.link.Unplug)
			defer timer.Stop()
			if err := await(t, sent, "the broken-off message"); !errors.Is(err, link.ErrUnplugged) {
				t.Fatalf("sending: got %v, want ErrUnplugged", err)
			}
			p.awaitState(t, serialport.Lost)
			p.sim.Remove()
			p.link.Pace(0, 0)
			if err := p.link.Plug(); err != nil {
				t.Fatal(err)
			}
			p.awaitState(t, serialport.Opened)
			p.awaitArmed(t, s)
			p.present(t, td1)
			p.expect(t, td1)
		})
	}
}

func TestFaults(t *testing.T) {
	lost := []string{td3[0][:43], td3[1]}
	for name, s := range readers() {
		for _, test := range []struct {
			fault Fault
			want  []string
			note  mrzreader.Note
		}{
			{DoubledLine, td3, mrzreader.DoubledLine},
			{MissingFiller, lost, ""},
			{SevenBits, td3, mrzreader.SevenBits},
			{Garbage, td3, ""},
		} {
			t.Run(name+", "+string(test.fault), func(t *testing.T) {
				p := start(t, s, test.fault)
				p.present(t, td3)
				r := p.expect(t, test.want)
				if test.note != "" && !slices.Contains(r.Notes, test.note) {
					t.Errorf("notes: got %v, want %q", r.Notes, test.note)
				}
				p.awaitArmed(t, s)
				p.present(t, td2)
				p.expect(t, td2)
			})
		}
		t.Run(name+", half message", func(t *testing.T) {
			p := start(t, s)
			p.sim.Fault(HalfMessage)
			p.present(t, td3)
			p.awaitNote(t, mrzreader.HalfMessage)
			p.awaitArmed(t, s)
			p.present(t, td3)
			p.expect(t, td3)
		})
	}
}

func TestWrongCheckByteIsNoRead(t *testing.T) {
	p := start(t, mrzreader.Settings{Protocol: mrzreader.RTE})
	p.sim.Fault(WrongCheck)
	p.present(t, td3)
	p.awaitNote(t, "check byte is wrong")
	p.present(t, td1)
	p.expect(t, td1)
}

func TestElyctisIsArmedAgain(t *testing.T) {
	p := start(t, mrzreader.Settings{Protocol: mrzreader.Elyctis})
	p.sim.Fault(EmptyRead)
	p.present(t, td3)
	p.awaitNote(t, mrzreader.Unread)
	p.sim.Fault(Deaf) // the command after the next read is lost
	p.present(t, td3)
	p.expect(t, td3)
	p.awaitNote(t, mrzreader.NotRearmed)
	p.awaitArmed(t, mrzreader.Settings{Protocol: mrzreader.Elyctis})
	p.present(t, td1)
	p.expect(t, td1)
}

func TestElyctisThatNeverAnswersIsNamed(t *testing.T) {
	l, err := link.New()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port, err := serialport.Open(t.Context(), l.Path, serialport.Mode{Baud: 9600})
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	driver, err := mrzreader.New(mrzreader.Settings{Protocol: mrzreader.Elyctis, Answer: 5 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := driver.Run(t.Context(), port, nil); err == nil || !strings.Contains(err.Error(), "did not answer 3 times") {
		t.Errorf("got %v, want that the reader did not answer", err)
	}
}

func TestElyctisCardState(t *testing.T) {
	changes := make(chan bool, 8)
	s := mrzreader.Settings{Protocol: mrzreader.Elyctis, Elyctis: mrzreader.ElyctisSettings{CardState: &mrzreader.CardState{
		Ask: []byte{'P', 0, 1, 1}, Code: 'S', Inserted: 1, Removed: 0, Changed: func(in bool) { changes <- in }}}}
	p := start(t, s)
	for range 2 { // the second round needs presence detection to be asked for again after removal
		await(t, p.sim.Watched(), "card states to be asked for")
		p.present(t, td3)
		if !await(t, changes, "insertion") {
			t.Error("got removal, want insertion")
		}
		p.expect(t, td3)
		p.awaitArmed(t, s)
		if err := p.sim.Remove(); err != nil {
			t.Fatal(err)
		}
		if await(t, changes, "removal") {
			t.Error("got insertion, want removal")
		}
	}
}

// At 9600 baud a passport's message takes the time of the wire and no more.
func TestReadTakesTheTimeOfTheWire(t *testing.T) {
	s := mrzreader.Settings{Protocol: mrzreader.RTE}
	p := start(t, s)
	p.link.Pace(9600, 10)
	began := time.Now()
	p.present(t, td3)
	p.expect(t, td3)
	const block = 1 + 2 + 2 + 1 + 1 + 91 + 1 + 1
	wire := block * 10 * time.Second / 9600
	if took := time.Since(began); took < wire-5*time.Millisecond {
		t.Errorf("got %v, want at least the wire's %v", took, wire)
	} else {
		t.Logf("%d bytes at 9600 baud: wire %v, delivered after %v", block, wire, took)
	}
}
