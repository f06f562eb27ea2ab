package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"limen"
	"limen/cmd/internal/demo"
	"limen/device"
	"limen/hw/keystore"
	"limen/hw/sim/mrzsim"
	"limen/hw/sim/pn532sim"
	"limen/matcher/catalog"
	"limen/sync/history"
	"limen/sync/journal"
	"limen/sync/wire"
)

// The devices' names on the board of states.
const (
	mrzReader  = "MRZ reader"
	chipReader = "chip reader"
	camera     = "camera"
	models     = "face models"
)

func TestMRZReaderComesAndGoes(t *testing.T) {
	t.Parallel()
	g := startGate(t, world{before: func(s *demo.Stage) { s.MRZLine().Unplug() }})
	reader := g.stage.MRZReader()
	oneClearLine(t, g.await(mrzReader, device.Away), "no serial port", g.stage.MRZLine().Path, "plug the device in")
	g.plug(g.stage.MRZLine().Plug, mrzReader)
	g.receive(reader.Armed(), "the MRZ reader to be armed")
	g.admits()

	g.receive(reader.Armed(), "the MRZ reader to be armed again")
	reader.Fault(mrzsim.HalfMessage)
	if err := reader.Present([]string{"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"}); err != nil {
		t.Fatal(err)
	}
	g.stage.MRZLine().Unplug()
	oneClearLine(t, g.await(mrzReader, device.Away), g.stage.MRZLine().Path)
	if err := g.stage.Leave(); err != nil {
		t.Fatal(err)
	}
	g.plug(g.stage.MRZLine().Plug, mrzReader)
	if l := g.admits(); l.Record.Index != 1 {
		t.Errorf("the next traveller's record is entry %d, want 1: half a message is no document", l.Record.Index)
	}
}

func TestChipReaderComesAndGoes(t *testing.T) {
	t.Parallel()
	g := startGate(t, world{})
	line := g.stage.ChipLine()
	g.stage.Between = func(c pn532sim.Card) pn532sim.Card { return &trap{Card: c, at: 10, what: line.Unplug} }
	cut := g.refers("chip_reader_unavailable")
	oneClearLine(t, g.await(chipReader, device.Away), line.Path)
	g.stage.Between = nil
	g.refers("chip_reader_unavailable")
	g.plug(line.Plug, chipReader)
	g.admits()
	if s := g.record(cut.Record.Index); s.Decision.Outcome != limen.Refer || len(s.Checks) == 0 {
		t.Errorf("the inspection whose reader was pulled is stored as %+v, want a whole record", s)
	}
}

func TestChipsThatMisbehave(t *testing.T) {
	t.Parallel()
	g := startGate(t, world{})
	g.stage.Between = func(c pn532sim.Card) pn532sim.Card { return &trap{Card: c, at: 10, mute: true} }
	g.refers("chip_lost")
	g.stage.Between = func(c pn532sim.Card) pn532sim.Card { return &trap{Card: c, at: 1, mute: true} }
	g.refers("chip_lost")
	var first pn532sim.Card
	g.stage.Between = func(c pn532sim.Card) pn532sim.Card { first = c; return c }
	g.admits()
	g.stage.Between = func(pn532sim.Card) pn532sim.Card { return first }
	g.refers("chip_access_denied")
	g.stage.Between = nil
	g.admits()
}

func TestCameraComesAndGoes(t *testing.T) {
	t.Parallel()
	g := startGate(t, world{})
	g.needsFaces()
	c := g.stage.Camera()
	// It goes while it looks for somebody who is not there yet.
	nobody := g.traveller()
	nobody.Live.Scene = demo.Nobody
	g.stage.Between = func(card pn532sim.Card) pn532sim.Card { return &trap{Card: card, at: 1, what: c.Unplug} }
	g.expect(nobody, demo.Expect{Outcome: limen.Refer, Reasons: []string{"camera_unavailable"}})
	g.stage.Between = nil
	oneClearLine(t, g.await(camera, device.Away), c.URL())
	g.refers("camera_unavailable")
	c.Plug()
	g.await(camera, device.Working)
	g.admits()
}

func TestCameraThatHangs(t *testing.T) {
	t.Parallel()
	g := startGate(t, world{})
	g.needsFaces()
	nobody := g.traveller()
	nobody.Live.Scene = demo.Nobody
	g.stage.Between = func(card pn532sim.Card) pn532sim.Card {
		return &trap{Card: card, at: 1, what: func() { g.stage.Camera().Freeze(true) }}
	}
	g.expect(nobody, demo.Expect{Outcome: limen.Refer, Reasons: []string{"camera_unavailable"}})
	oneClearLine(t, g.await(camera, device.Away), g.stage.Camera().URL(), "frames", "check its")
	g.stage.Between = nil
	g.stage.Camera().Freeze(false)
	g.await(camera, device.Working)
	g.admits()
}

func TestModelMissing(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	g := startGate(t, world{models: folder})
	if l := g.refers(); !slices.Equal(l.Reasons, []string{"face_model_missing"}) {
		t.Errorf("got %v, want face_model_missing alone", l.Reasons)
	}
	if p := g.stage.FaceProblem(); p != limen.ModelMissing {
		t.Errorf("got %q, want %q", p, limen.ModelMissing)
	}
	oneClearLine(t, g.await(models, device.Away), "not installed", "face_detection_yunet_2023mar.onnx", folder, "limen models install yunet-2023mar")
}

// A model file that is not the catalog's is named and not used, and of one
// that is too long no more is read than the right one has.
func TestModelWithAnotherHash(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(path string) error{
		"changed": func(path string) error { return flipByte(path, 4000) },
		"endless": func(path string) error { return os.Truncate(path, 1<<40) },
	} {
		folder := t.TempDir()
		copyModels(t, folder)
		file := filepath.Join(folder, "frr0095.onnx")
		if _, err := os.Stat(file); err != nil {
			t.Fatal(err)
		}
		if err := spoil(file); err != nil {
			t.Fatal(err)
		}
		g := startGate(t, world{models: folder})
		if p := g.stage.FaceProblem(); p != limen.ModelChanged {
			t.Errorf("%s: got %q, want %q", name, p, limen.ModelChanged)
		}
		oneClearLine(t, g.await(models, device.Away), file, "SHA-256", "it is not used", "replace it")
		l := g.refers()
		if !slices.Contains(l.Reasons, "face_model_wrong_hash") {
			t.Errorf("%s: got %v, want face_model_wrong_hash", name, l.Reasons)
		}
		if r := g.record(l.Record.Index); r.Face != nil {
			t.Errorf("%s: a face was compared: %+v", name, r.Face)
		}
	}
}

func TestPortraitDecoderMissing(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "limen-portrait")
	g := startGate(t, world{before: func(s *demo.Stage) { s.Config.PortraitProgram = missing }})
	g.refers("portrait_decoder_unavailable")
}

func TestNationalSystemAway(t *testing.T) {
	t.Parallel()
	g := startGate(t, world{})
	n := g.stage.National()
	n.Down(true)
	g.refers("lookup_unavailable:national")
	n.Down(false)
	g.admits()
	n.Delay(time.Minute)
	begun := time.Now()
	g.refers("lookup_unavailable:national")
	if took := time.Since(begun); took > 30*time.Second {
		t.Errorf("a national system that takes a minute held the traveller for %v, want the policy's 3 s and the rest of the line", took)
	}
	n.Delay(0)
	g.admits()
}

func TestStopListMissingOrCut(t *testing.T) {
	t.Parallel()
	g := startGate(t, world{})
	var path string
	for _, l := range g.stage.Config.Lookups {
		path = cmp.Or(l.File, path)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	g.refers("lookup_unavailable:stop_list")
	put := func(b []byte) {
		next := filepath.Join(g.stage.Dir, "next.csv")
		if err := errors.Join(os.WriteFile(next, b, 0o600), os.Rename(next, path)); err != nil {
			t.Fatal(err)
		}
	}
	put(whole[:len(whole)-4])
	g.refers("lookup_unavailable:stop_list")
	put(whole)
	g.admits()
	// A stale list is no list.
	put(fmt.Appendf(nil, "as_of,%s\nissuer,number,kind\nend,0\n", time.Now().Add(-48*time.Hour).UTC().Format(time.RFC3339)))
	g.refers("lookup_stale:stop_list")
}

// While the centre is away checks go on; when it is back it gets every entry, once.
func TestCentreAwayLosesNothingAndDoublesNothing(t *testing.T) {
	t.Parallel()
	g := startGate(t, world{})
	g.expect(g.strange(), strangeExpect)
	if n, err := g.stage.AwaitCentre(t.Context(), 1); err != nil || n != 1 {
		t.Fatalf("got %d entries at the centre (%v), want 1", n, err)
	}
	g.stage.StopCentre()
	g.await(device.NameUplink, device.Away)
	for range 3 {
		g.expect(g.strange(), strangeExpect)
	}
	oneClearLine(t, g.await(device.NameUplink, device.Away), "wait for the center")
	if err := g.stage.StartCentre(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := g.stage.AwaitCentre(t.Context(), 4); err != nil || n != 4 {
		t.Errorf("got %d entries at the centre (%v), want 4", n, err)
	}
	last := g.admits()
	if n, err := g.stage.AwaitCentre(t.Context(), 5); err != nil || n != 5 {
		t.Errorf("got %d entries at the centre (%v), want 5", n, err)
	}
	v, err := g.appliance.history.Verify(t.Context())
	if err != nil || v.Fault != nil || v.Size != 5 || fmt.Sprintf("%x", v.Root[:]) != last.Record.Root {
		t.Errorf("the journal: got %+v (%v), want 5 entries under root %s", v, err, last.Record.Root)
	}
	if !soon(t, func() bool { return g.appliance.outbox.Position() == 5 }) {
		t.Errorf("the device holds receipts for %d entries, want 5", g.appliance.outbox.Position())
	}
}

// A disk that is really full: nobody is admitted whose check is not stored,
// and checks go on when there is space again.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	var mount string
	g := startGate(t, world{before: func(s *demo.Stage) {
		mount = s.Config.Store
		if err := os.MkdirAll(mount, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount("tmpfs", mount, "tmpfs", 0, "size=160m"); err != nil {
			s.Close()
			t.Skipf("a disk that fills up needs root, to mount a small one: %v", err)
		}
		t.Cleanup(func() { unix.Unmount(mount, unix.MNT_DETACH) })
	}})
	g.admits()
	ballast := filepath.Join(mount, "ballast")
	fillDisk(t, ballast)
	l, err := g.cross(g.traveller())
	if err == nil || l.Outcome != "refer" || !slices.Contains(l.Reasons, "record_not_stored") {
		t.Errorf("full disk: got %s %v (%v), want refer record_not_stored", l.Outcome, l.Details, err)
	}
	if err != nil {
		oneClearLine(t, err.Error(), mount, "too little space", "free some")
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if l := g.admits(); l.Record.Index != 1 {
		t.Errorf("after space came back: entry %d, want 1", l.Record.Index)
	}
	v, err := g.appliance.history.Verify(t.Context())
	if err != nil || v.Fault != nil || v.Size != 2 {
		t.Errorf("got %+v (%v), want 2 entries in order", v, err)
	}
}

// An appliance that is interrupted while a traveller stands before it records
// what it had found out.
func TestInterruptedInspectionIsRecorded(t *testing.T) {
	t.Parallel()
	g := startGate(t, world{})
	g.admits()
	g.stage.Between = func(c pn532sim.Card) pn532sim.Card { return &trap{Card: c, at: 10, what: g.stop} }
	g.refers("inspection_cut_short")
	keys, store := g.stage.Config.Keys, g.stage.Config.Store
	if err := g.end(); err != nil {
		t.Errorf("the appliance ended with: %v", err)
	}
	shown, err := openStore(t, keys, store, g.stage.Config.Device).Show(-1, 10)
	if err != nil || len(shown) != 2 || shown[0].Record == nil || !slices.ContainsFunc(shown[0].Record.Decision.Reasons, func(r limen.Reason) bool { return r.Code == limen.CutShort }) {
		t.Errorf("the store holds %+v (%v), want two records, the last cut short", shown, err)
	}
}

// plug plugs something in and waits until the appliance uses it again.
func (g *gate) plug(plug func() error, name string) {
	g.t.Helper()
	if err := plug(); err != nil {
		g.t.Fatal(err)
	}
	g.await(name, device.Working)
}

func (g *gate) receive(c <-chan struct{}, what string) {
	g.t.Helper()
	select {
	case <-c:
	case <-time.After(20 * time.Second):
		g.t.Fatalf("waited in vain for %s", what)
	}
}

// record is the stored record of one entry.
func (g *gate) record(index uint64) limen.Record {
	g.t.Helper()
	shown, err := g.appliance.history.Show(int64(index), 1)
	if err != nil || len(shown) != 1 || shown[0].Record == nil {
		g.t.Fatalf("entry %d: got %+v (%v), want its record", index, shown, err)
	}
	return *shown[0].Record
}

// openStore opens the store of an appliance that has ended.
func openStore(t *testing.T, keyFolder, store, name string) *history.History {
	t.Helper()
	keys, err := keystore.Open(keyFolder, nil)
	if err != nil {
		t.Fatal(err)
	}
	key := keys.StoreKey()
	j, err := journal.Open(store, journal.Options{Key: key[:], Name: wire.Origin(name), Signer: keys.Signer()})
	if err != nil {
		t.Fatal(err)
	}
	h := history.New(j, history.Options{Pseudonyms: pseudonyms{keys}, Signer: keys.Signer(), Device: name})
	t.Cleanup(func() { h.Close() })
	return h
}

func flipByte(path string, at int64) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	var b [1]byte
	_, err = f.ReadAt(b[:], at)
	b[0] ^= 1
	_, werr := f.WriteAt(b[:], at)
	return errors.Join(err, werr, f.Close())
}

// copyModels copies the default models to a folder; without them at hand, the
// test is about a file of the right name with anything in it.
func copyModels(t *testing.T, folder string) {
	t.Helper()
	c := device.Defaults().Models
	for _, name := range []string{c.Detector, c.Recogniser} {
		model, err := catalog.Load(name)
		if err != nil {
			t.Skipf("changing a model needs one at hand: %v", err)
		}
		if err := os.WriteFile(filepath.Join(folder, model.File), model.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// fillDisk takes all the space there is.
func fillDisk(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	for err == nil {
		_, err = f.Write(block)
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
}
