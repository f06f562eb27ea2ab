package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"limen"
	"limen/cmd/internal/demo"
	"limen/device"
	"limen/hw/sim/pn532sim"
	"limen/matcher/catalog"
)

// asProgram, set in a process's environment, makes this test binary limen.
const asProgram = "LIMEN_TEST_AS_PROGRAM"

// portraitProgram is limen-portrait, built for these tests.
var portraitProgram string

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main() // exits
	}
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "limen-test-")
	if err == nil {
		defer os.RemoveAll(dir)
		portraitProgram = filepath.Join(dir, "limen-portrait")
		var said []byte
		if said, err = exec.Command("go", "build", "-buildvcs=false", "-o", portraitProgram, "limen/cmd/limen-portrait").CombinedOutput(); err != nil {
			err = fmt.Errorf("cannot build limen-portrait: %w\n%s", err, said)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	os.Setenv("PATH", dir+":"+os.Getenv("PATH")) // where commands look for it
	// The program under test finds the models beside the repository by its own
	// place; a test binary lies elsewhere.
	beside, err := filepath.Abs(filepath.Join("..", "..", "..", "shared", "models"))
	if _, set := os.LookupEnv(catalog.EnvModels); !set && err == nil {
		if _, err := os.Stat(beside); err == nil {
			os.Setenv(catalog.EnvModels, beside)
		}
	}
	// These tests wait for paced wires more than they compute.
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "test.parallel" })
	if !asked && runtime.GOMAXPROCS(0) < gates {
		flag.Set("test.parallel", strconv.Itoa(gates))
	}
	return m.Run()
}

// gates is how many of them run at the same time, at least.
const gates = 3

// program is limen itself, as a process of its own.
func program(ctx context.Context, args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		panic("a test binary without a path: " + err.Error())
	}
	c := exec.CommandContext(ctx, self, args...)
	c.Env = append(os.Environ(), asProgram+"=1", "PATH="+filepath.Dir(portraitProgram)+":"+os.Getenv("PATH"))
	c.WaitDelay = 10 * time.Second
	return c
}

// opening guards LIMEN_MODELS, which an appliance reads when it is made.
var opening sync.Mutex

// gate is an appliance on its stage.
type gate struct {
	*played
	t    *testing.T
	log  *syncBuffer
	end  func() error
	next atomic.Int64 // numbers the documents of traveller
}

// world is what a test's stage has before the appliance starts.
type world struct {
	travellers []demo.Traveller
	models     string // folder of the models; empty for those at hand
	before     func(*demo.Stage)
}

// startGate sets a stage and runs an appliance on it until the test ends.
func startGate(t *testing.T, w world) *gate {
	t.Helper()
	stage, err := demo.Open(t.Context(), t.TempDir(), w.travellers)
	if err != nil {
		t.Fatal(err)
	}
	stage.Config.PortraitProgram = portraitProgram
	stage.Approach = -1
	if w.before != nil {
		w.before(stage)
	}
	g := &gate{t: t, log: &syncBuffer{}}
	opening.Lock()
	if w.models != "" {
		defer os.Setenv(catalog.EnvModels, os.Getenv(catalog.EnvModels))
		os.Setenv(catalog.EnvModels, w.models)
	}
	g.played, err = runOn(t.Context(), stage, slog.New(slog.NewTextHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	opening.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	g.end = sync.OnceValue(g.close)
	t.Cleanup(func() {
		if err := g.end(); err != nil && t.Context().Err() == nil {
			t.Errorf("the appliance ended with: %v", err)
		}
		if t.Failed() {
			t.Logf("the appliance's log:\n%s", g.log)
		}
	})
	return g
}

// traveller is one who would be admitted, with a document never seen before.
func (g *gate) traveller() demo.Traveller {
	t := rowOf(g.t, "passport by PACE")
	t.Document.Number = fmt.Sprintf("UT90000%02d", g.next.Add(1))
	return t
}

// strange is one whom this gate does not serve: the quickest of inspections.
func (g *gate) strange() demo.Traveller {
	t := g.traveller()
	t.Document.Nationality = "XXA"
	return t
}

var strangeExpect = demo.Expect{Outcome: limen.Refer, Reasons: []string{"not_eligible:nationality"}}

// rowOf is the traveller of that name in the demonstration's table.
func rowOf(t *testing.T, name string) demo.Traveller {
	t.Helper()
	all := demo.Travellers()
	i := slices.IndexFunc(all, func(t demo.Traveller) bool { return t.Name == name })
	if i < 0 {
		t.Fatalf("there is no row %q in the travellers' table", name)
	}
	return all[i]
}

// cross sends a traveller across and lets them go.
func (g *gate) cross(t demo.Traveller) (demo.Line, error) {
	g.t.Helper()
	l, err := g.stage.Play(g.t.Context(), t, g.played.finished)
	if lerr := g.stage.Leave(); lerr != nil && err == nil {
		err = lerr
	}
	return l, err
}

// expect sends a traveller across and holds the outcome against want; where
// faces cannot be checked, against what must come of it then.
func (g *gate) expect(t demo.Traveller, want demo.Expect) demo.Line {
	g.t.Helper()
	t.Expect = want
	l, err := g.cross(t)
	if err != nil {
		g.t.Fatalf("%s: %v", t.Name, err)
	}
	if !l.AsExpected() {
		g.t.Errorf("%s: got %s %v, want %s %v", t.Name, l.Outcome, l.Details, l.Expected.Outcome, l.Expected.Reasons)
	}
	return l
}

// admits sends the next traveller across, who must be admitted.
func (g *gate) admits() demo.Line {
	g.t.Helper()
	return g.expect(g.traveller(), demo.Expect{Outcome: limen.Admit})
}

// refers sends the next traveller across, who must be referred for reasons.
func (g *gate) refers(reasons ...string) demo.Line {
	g.t.Helper()
	return g.expect(g.traveller(), demo.Expect{Outcome: limen.Refer, Reasons: reasons})
}

// await waits until a device is in a state, and returns its detail.
func (g *gate) await(name string, h device.Health) string {
	g.t.Helper()
	var detail string
	ok := soon(g.t, func() bool {
		for _, s := range g.appliance.appliance.States() {
			if s.Name == name && s.Health == h {
				detail = s.Detail
				return true
			}
		}
		return false
	})
	if !ok {
		g.t.Fatalf("%s is not %s: got %v", name, h, g.appliance.appliance.States())
	}
	return detail
}

// soon waits until a condition holds; false when it does not within 20 s.
func soon(t *testing.T, holds func() bool) bool {
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	limit := time.After(20 * time.Second)
	for {
		if holds() {
			return true
		}
		select {
		case <-look.C:
		case <-limit:
			return false
		case <-t.Context().Done():
			return false
		}
	}
}

// oneClearLine tells that a message is one line that holds each of the words: what
// was wrong, where, and what to do next.
func oneClearLine(t *testing.T, message string, words ...string) {
	t.Helper()
	message = strings.TrimSuffix(message, "\n")
	if message == "" || strings.Contains(message, "\n") {
		t.Errorf("got %q, want one line", message)
	}
	for _, w := range words {
		if !strings.Contains(message, w) {
			t.Errorf("got %q, want it to name %q", message, w)
		}
	}
}

// needsFaces skips the rest of a test that is about faces where no model is at hand.
func (g *gate) needsFaces() {
	g.t.Helper()
	if p := g.stage.FaceProblem(); p != "" {
		g.t.Skipf("the part about faces needs models (%s): put them into ../shared/models or name their folder in %s", p, catalog.EnvModels)
	}
}

// trap is a chip around which something happens when a command comes.
type trap struct {
	pn532sim.Card
	at   int // the command before whose answer
	what func()
	mute bool // says nothing from there on
	seen atomic.Int64
}

// Transmit implements pn532sim.Card.
func (c *trap) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	n := int(c.seen.Add(1))
	if n == c.at && c.what != nil {
		c.what()
	}
	if c.mute && n >= c.at {
		return nil, errors.New("the chip says nothing")
	}
	return c.Card.Transmit(ctx, command)
}

// syncBuffer is a buffer that several goroutines write to.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

// Bytes is a copy of what was written.
func (s *syncBuffer) Bytes() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.b.Bytes())
}

func (s *syncBuffer) String() string { return string(s.Bytes()) }
