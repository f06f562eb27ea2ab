package set

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"limen/internal/repotest"
	"limen/sync/wire"
)

var now = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

func newKey(t testing.TB) (note.Signer, note.Verifier) {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, "limen-operations")
	if err != nil {
		t.Fatal(err)
	}
	signer, _ := note.NewSigner(private)
	verifier, _ := note.NewVerifier(public)
	return signer, verifier
}

type oneKey struct{ note.Verifier }

func (k oneKey) Now() note.Verifiers  { return note.VerifierList(k.Verifier) }
func (k oneKey) Ever() note.Verifiers { return note.VerifierList(k.Verifier) }

// centre offers what it is told to, and can lose the line at a piece.
type centre struct {
	offers []wire.Offer
	forms  map[string][]byte // by name, number and base
	asked  []wire.PieceAsk
	lose   int // pieces until the line is lost; 0: never
	runs   []wire.Runs
}

var errLost = errors.New("the line was lost")

func (c *centre) Ask(_ context.Context, a wire.Ask) (wire.Reply, error) {
	if a.Sets != nil {
		c.runs = a.Sets.Runs
		return wire.Reply{Offers: c.offers}, nil
	}
	if c.lose > 0 {
		if c.lose--; c.lose == 0 {
			return wire.Reply{}, errLost
		}
	}
	c.asked = append(c.asked, *a.Piece)
	form := c.forms[fmt.Sprint(a.Piece.Name, a.Piece.Number, a.Piece.Base)]
	from := min(int(a.Piece.Piece)*wire.PieceSize, len(form))
	return wire.Reply{Piece: form[from:min(from+wire.PieceSize, len(form))]}, nil
}

// device is a store, what it runs, and what it refused.
type device struct {
	*Client
	centre  *centre
	signer  note.Signer
	running map[string]string
	refused []Refusal
	opts    Options
	unfit   error
}

func newDevice(t testing.TB) *device {
	t.Helper()
	signer, verifier := newKey(t)
	d := &device{centre: &centre{forms: map[string][]byte{}}, signer: signer, running: map[string]string{}}
	apply := func(m Manifest, content []byte) error {
		if d.unfit == nil {
			d.running[m.Name] = string(content)
		}
		return d.unfit
	}
	d.opts = Options{
		Dir: filepath.Join(t.TempDir(), "sets"), Site: "north", Device: "gate-1", Keys: oneKey{verifier}, Now: func() time.Time { return now },
		Apply:   map[string]func(Manifest, []byte) error{"policy": apply, "stop": apply},
		Refused: func(no Refusal) { d.refused = append(d.refused, no) },
	}
	d.open(t)
	return d
}

func (d *device) open(t testing.TB) {
	t.Helper()
	s, err := OpenStore(d.opts)
	if err != nil {
		t.Fatal(err)
	}
	d.Client = NewClient(s, d.centre, nil)
}

// publish makes the centre offer a content, and base its delta where not nil.
func (d *device) publish(t testing.TB, m Manifest, content []byte, base uint64, from []byte) {
	t.Helper()
	signed, err := m.Sign(d.signer)
	if err != nil {
		t.Fatal(err)
	}
	d.centre.forms[fmt.Sprint(m.Name, m.Number, 0)] = Pack(content)
	if base > 0 {
		d.centre.forms[fmt.Sprint(m.Name, m.Number, base)] = PackDelta(from, content)
	}
	d.centre.offers = []wire.Offer{{Manifest: signed, Base: base}}
}

func manifest(t testing.TB, name string, number uint64, content []byte, addresses ...string) Manifest {
	t.Helper()
	if len(addresses) == 0 {
		addresses = []string{Everyone}
	}
	m, err := New(name, number, content, addresses, now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (d *device) fetch(t testing.TB, want int) {
	t.Helper()
	got, err := d.Fetch(t.Context())
	if err != nil || got != want {
		t.Fatalf("took %d sets, %v; want %d (refused %v)", got, err, want, d.refused)
	}
}

// content is something like a sorted list of keyed hashes.
func content(seed uint64, n int) []byte {
	r := mathrand.New(mathrand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// A set travels in pieces, is resumed where the line was lost, comes as a delta
// afterwards, and survives a restart.
func TestSetsTravel(t *testing.T) {
	d := newDevice(t)
	first := content(1, 100_000)
	d.publish(t, manifest(t, "stop", 1, first), first, 0, nil)
	d.centre.lose = 4
	if _, err := d.Fetch(t.Context()); !errors.Is(err, errLost) {
		t.Fatalf("got %v, want the line lost", err)
	}
	d.open(t) // and the device restarted
	d.fetch(t, 1)
	for i, p := range d.centre.asked {
		if p.Piece != uint64(i) {
			t.Errorf("ask %d was for piece %d: nothing is to be fetched twice", i, p.Piece)
		}
	}
	if d.running["stop"] != string(first) {
		t.Error("another content is run than was sent")
	}
	second := bytes.Clone(first)
	second = append(append(second[:40_000], []byte("something in between")...), first[40_500:]...)
	d.centre.asked = nil
	d.publish(t, manifest(t, "stop", 2, second), second, 1, first)
	d.fetch(t, 1)
	if len(d.centre.asked) != 1 || d.centre.asked[0].Base != 1 || d.running["stop"] != string(second) {
		t.Errorf("asked %+v; want the delta in one piece", d.centre.asked)
	}
	// A delta that leads elsewhere costs the full form, and harms nothing.
	third := content(3, 50_000)
	d.publish(t, manifest(t, "stop", 3, third), third, 2, content(4, 100_000))
	d.fetch(t, 1)
	if d.running["stop"] != string(third) {
		t.Error("a wrong delta was believed")
	}
	// Back in one step: an older content under a new number.
	m := manifest(t, "stop", 4, first)
	m.Repeats = 1
	d.publish(t, m, first, 0, nil)
	d.fetch(t, 1)
	clear(d.running)
	d.open(t)
	if d.running["stop"] != string(first) || d.Store.Number("stop") != 4 {
		t.Errorf("after a restart: number %d; want 4 and its content run", d.Store.Number("stop"))
	}
	if files, _ := os.ReadDir(filepath.Join(d.opts.Dir, "stop")); len(files) != 2 {
		t.Errorf("got %d files; want manifest and content alone", len(files))
	}
	d.fetch(t, 0)
	for _, r := range d.centre.runs {
		if r.Name == "stop" && r.Number != 4 {
			t.Errorf("reported %+v", r)
		}
	}
}

// What is refused, why, and that the device goes on with what it has.
func TestRefusals(t *testing.T) {
	another, _ := newKey(t)
	body := []byte("name: test-1\n")
	for name, test := range map[string]struct {
		bend func(t *testing.T, d *device, m *Manifest)
		want Why
	}{
		"another's signature": {func(t *testing.T, d *device, m *Manifest) { d.signer = another }, WhySignature},
		"older":               {func(t *testing.T, d *device, m *Manifest) { m.Number = 4 }, WhyOlder},
		"the same again":      {func(t *testing.T, d *device, m *Manifest) { m.Number = 5 }, WhyOlder},
		"older, repeating":    {func(t *testing.T, d *device, m *Manifest) { m.Number, m.Repeats = 4, 3 }, WhyOlder},
		"another site":        {func(t *testing.T, d *device, m *Manifest) { m.For = []string{"site:south", "device:gate-2"} }, WhyForeign},
		"expired":             {func(t *testing.T, d *device, m *Manifest) { m.Issued, m.Expires = m.Issued-10, m.Issued }, WhyExpired},
		"of the future":       {func(t *testing.T, d *device, m *Manifest) { m.Issued += 3600_000; m.Expires = m.Issued + 1 }, WhyFuture},
		"other content":       {func(t *testing.T, d *device, m *Manifest) { m.SHA256 = make([]byte, 32) }, WhyContent},
		"longer than it says": {func(t *testing.T, d *device, m *Manifest) { m.Size = 3 }, WhyContent},
		"unfit":               {func(t *testing.T, d *device, m *Manifest) { d.unfit = errors.New("line 1: no such key") }, WhyUnfit},
		"nobody's":            {func(t *testing.T, d *device, m *Manifest) { m.Name = "weather" }, WhyUnfit},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDevice(t)
			before := []byte("name: test-0\n")
			d.publish(t, manifest(t, "policy", 5, before, "site:north"), before, 0, nil)
			d.fetch(t, 1)
			m := manifest(t, "policy", 6, body)
			test.bend(t, d, &m)
			d.publish(t, m, body, 0, nil)
			d.fetch(t, 0)
			d.fetch(t, 0) // offered again, and not told again
			if len(d.refused) != 1 || d.refused[0].Why != test.want {
				t.Errorf("refused %v; want once, for %s", d.refused, test.want)
			}
			if d.running["policy"] != string(before) || d.Store.Number("policy") != 5 {
				t.Error("the device does not run what it ran before")
			}
		})
	}
	t.Run("too large", func(t *testing.T) {
		d := newDevice(t)
		m := manifest(t, "policy", 1, body)
		m.Size = MaxContent + 1
		if _, err := m.Sign(d.signer); err == nil {
			t.Error("it was signed")
		}
		signed, err := wire.Seal(head, m, d.signer)
		if err != nil {
			t.Fatal(err)
		}
		d.centre.offers = []wire.Offer{{Manifest: signed}}
		d.fetch(t, 0)
		if len(d.refused) != 1 || d.refused[0].Why != WhySize {
			t.Errorf("refused %v", d.refused)
		}
	})
	t.Run("a bomb", func(t *testing.T) {
		d := newDevice(t)
		d.publish(t, manifest(t, "policy", 1, body), make([]byte, 200<<20), 0, nil)
		d.fetch(t, 0)
		if len(d.refused) != 1 || d.refused[0].Why != WhyContent {
			t.Errorf("refused %v", d.refused)
		}
	})
}

// What lies on the device's disk is verified again at each start.
func TestAChangedFileIsNotRun(t *testing.T) {
	d := newDevice(t)
	body := []byte("name: test-1\n")
	d.publish(t, manifest(t, "policy", 1, body), body, 0, nil)
	d.fetch(t, 1)
	if err := os.WriteFile(filepath.Join(d.opts.Dir, "policy", "content-1"), []byte("name: test-2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	clear(d.running)
	s, err := OpenStore(d.opts)
	if err == nil || len(d.running) != 0 {
		t.Errorf("got %v, running %v; want it left out", err, d.running)
	}
	if s.Number("policy") != 1 {
		t.Error("the number was forgotten: an older set would be taken")
	}
}

func TestDeltas(t *testing.T) {
	r := mathrand.New(mathrand.NewPCG(7, 7))
	for i := range 300 {
		base := content(uint64(i), r.IntN(4000))
		made := bytes.Clone(base)
		for range r.IntN(6) {
			at := r.IntN(len(made) + 1)
			end := min(len(made), at+r.IntN(200))
			made = append(append(bytes.Clone(made[:at]), content(r.Uint64(), r.IntN(100))...), made[end:]...)
		}
		got, err := UnpackDelta(base, PackDelta(base, made), uint64(len(made)))
		if err != nil || !bytes.Equal(got, made) {
			t.Fatalf("round %d: got %d bytes, %v; want %d", i, len(got), err, len(made))
		}
		if len(made) > 0 {
			if _, err := UnpackDelta(base, PackDelta(base, made), uint64(len(made)-1)); err == nil {
				t.Fatalf("round %d: the bound did not hold", i)
			}
		}
	}
	// Of a million entries a thousand are new.
	base := content(1, 16_000_000)
	made := bytes.Clone(base)
	for i := range 1000 {
		copy(made[i*16_000:], content(uint64(i), 16))
	}
	if n := len(PackDelta(base, made)); n > 40_000 {
		t.Errorf("a delta of 1000 entries of 16 bytes has %d bytes", n)
	}
}

func FuzzDelta(f *testing.F) {
	base := content(1, 300)
	f.Add(base, difference(base, append(bytes.Clone(base[100:]), 1, 2, 3)))
	f.Add([]byte{}, []byte{2, 1})
	f.Fuzz(func(t *testing.T, base, steps []byte) {
		got, err := repotest.Parsed(t, steps, func(b []byte) ([]byte, error) { return apply(base, b, 1000) })
		if err == nil && len(got) > 1000 {
			t.Errorf("got %d bytes, the bound is 1000", len(got))
		}
	})
}

func FuzzOpen(f *testing.F) {
	signer, verifier := newKey(f)
	signed, err := manifest(f, "policy", 1, []byte("x")).Sign(signer)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(signed)
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := repotest.Parsed(t, b, func(b []byte) (Manifest, error) { return Open(b, note.VerifierList(verifier)) })
		if err == nil {
			if _, err := m.Sign(signer); err != nil {
				t.Fatalf("a manifest that was read cannot be signed: %v", err)
			}
		}
	})
}

func FuzzUnpack(f *testing.F) {
	f.Add(Pack([]byte("content")))
	f.Fuzz(func(t *testing.T, b []byte) {
		if got, err := Unpack(b, 1<<16); err == nil && len(got) > 1<<16 {
			t.Errorf("got %d bytes", len(got))
		}
	})
}
