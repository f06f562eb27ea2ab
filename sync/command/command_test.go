package command

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"limen/internal/repotest"
	"limen/sync/wire"
)

var now = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

func newKey(t testing.TB) (note.Signer, string) {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, "limen-operations")
	if err != nil {
		t.Fatal(err)
	}
	signer, _ := note.NewSigner(private)
	return signer, public
}

// broker is a centre's commands behind a broker that delivers what it likes.
type broker struct {
	commands [][]byte
	heard    []wire.Result
	away     bool
}

func (b *broker) Ask(_ context.Context, a wire.Ask) (wire.Reply, error) {
	if b.away {
		return wire.Reply{}, errors.New("away")
	}
	b.heard = append(b.heard, a.Commands.Done...)
	return wire.Reply{Commands: b.commands}, nil
}

type device struct {
	*Taker
	broker  *broker
	signer  note.Signer
	key     string
	path    string
	now     time.Time
	done    []string
	refused []Refusal
}

func newDevice(t testing.TB) *device {
	t.Helper()
	d := &device{broker: &broker{}, path: filepath.Join(t.TempDir(), "commands.json"), now: now}
	d.signer, d.key = newKey(t)
	d.open(t)
	return d
}

func (d *device) open(t testing.TB) {
	t.Helper()
	do := func(_ context.Context, c Command) (string, error) {
		d.done = append(d.done, fmt.Sprint(c.Number, " ", c.What))
		if c.What == LiveView {
			return "", errors.New("no camera")
		}
		return "disk 12 % full", nil
	}
	var err error
	d.Taker, err = New(Options{
		Path: d.path, Device: "gate-1", Key: d.key, Centre: d.broker, Now: func() time.Time { return d.now },
		Do:      map[What]func(context.Context, Command) (string, error){Health: do, Lock: do, LiveView: do},
		Refused: func(no Refusal) { d.refused = append(d.refused, no) },
	})
	if err != nil {
		t.Fatal(err)
	}
}

func health(number uint64) Command {
	return Command{Device: "gate-1", Number: number, What: Health, Issued: now.UnixMilli(), Expires: now.Add(time.Hour).UnixMilli(), By: "4711", Why: "slow"}
}

func (d *device) sign(t testing.TB, c Command) []byte {
	t.Helper()
	b, err := c.Sign(d.signer)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Whatever the broker delivers, a command is done once and in its order.
func TestHostileBroker(t *testing.T) {
	another, _ := newKey(t)
	for name, test := range map[string]struct {
		bend func(d *device, c *Command)
		want Why
		last uint64
	}{
		"replayed":               {func(d *device, c *Command) { c.Number = 3 }, WhyReplayed, 3},
		"replayed, an older one": {func(d *device, c *Command) { c.Number = 1 }, WhyReplayed, 3},
		"reordered":              {func(d *device, c *Command) { c.Number = 5 }, WhyReordered, 3},
		"another device's":       {func(d *device, c *Command) { c.Device = "gate-2" }, WhyForeign, 3},
		"expired":                {func(d *device, c *Command) { d.now = now.Add(time.Hour) }, WhyExpired, 4},
		"of the future":          {func(d *device, c *Command) { d.now = now.Add(-time.Hour) }, WhyFuture, 3},
		"another's signature":    {func(d *device, c *Command) { d.signer = another }, WhySignature, 3},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDevice(t)
			for n := range uint64(3) {
				if err := d.Take(t.Context(), d.sign(t, health(n+1))); err != nil {
					t.Fatal(err)
				}
			}
			d.open(t) // what was done is known after a restart
			c := health(4)
			test.bend(d, &c)
			var no *Refusal
			if err := d.Take(t.Context(), d.sign(t, c)); !errors.As(err, &no) || no.Why != test.want {
				t.Fatalf("got %v, want it refused: %s", err, test.want)
			}
			if len(d.done) != 3 || d.Last() != test.last || len(d.refused) != 1 || d.refused[0].Why != test.want {
				t.Errorf("did %v, last %d, refused %v; want 3 done, last %d, one refusal", d.done, d.Last(), d.refused, test.last)
			}
		})
	}
	t.Run("changed on its way", func(t *testing.T) {
		d := newDevice(t)
		signed := d.sign(t, health(1))
		text := bytes.Index(signed, []byte("\n\n")) // a signature's base64 has bits that nobody reads
		for i := range text {
			bent := bytes.Clone(signed)
			bent[i] ^= 1
			if err := d.Take(t.Context(), bent); err == nil && !bytes.Equal(bent, signed) {
				t.Fatalf("byte %d changed, and the command was done", i)
			}
		}
		if len(d.done) != 0 || len(d.refused) > 2 {
			t.Errorf("did %v and told %d refusals; want none and at most one of a kind a minute", d.done, len(d.refused))
		}
		d.now = now.Add(2 * time.Minute)
		d.Take(t.Context(), []byte("nothing"))
		if last := d.refused[len(d.refused)-1]; last.Times < text/2 {
			t.Errorf("the next telling stands for %d; want all that came in between", last.Times)
		}
	})
	t.Run("a set for a command", func(t *testing.T) {
		d := newDevice(t)
		signed, err := wire.Seal("limen set v1", health(1), d.signer)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Take(t.Context(), signed); err == nil {
			t.Error("what is signed as a set was done as a command")
		}
	})
}

// The centre hears what became of each command, once, also after it was away.
func TestResults(t *testing.T) {
	d := newDevice(t)
	live := health(2)
	live.What = LiveView
	erase := health(3)
	erase.What, erase.Traces = Erase, [][]byte{make([]byte, 36)}
	for _, c := range []Command{health(1), live, erase} {
		d.broker.commands = append(d.broker.commands, d.sign(t, c))
	}
	if err := d.Fetch(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []wire.Result{{Number: 1, Result: "done", Detail: "disk 12 % full"}, {Number: 2, Result: "failed", Detail: "no camera"}, {Number: 3, Result: "failed", Detail: "this device cannot do erase"}}
	if fmt.Sprint(d.broker.heard) != fmt.Sprint(want) {
		t.Errorf("the centre heard %v; want %v", d.broker.heard, want)
	}
	d.broker.away = true
	if err := d.Take(t.Context(), d.sign(t, health(4))); err != nil {
		t.Fatal(err)
	}
	if err := d.Fetch(t.Context()); err == nil {
		t.Error("no error while the centre is away")
	}
	d.open(t)
	d.broker.away, d.broker.heard, d.broker.commands = false, nil, nil
	for range 2 {
		if err := d.Fetch(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(d.broker.heard) != 1 || d.broker.heard[0].Number != 4 {
		t.Errorf("after a restart the centre heard %v; want command 4, once", d.broker.heard)
	}
}

// The operations key changes by a command of its own; the one before it signs
// sets for a while, and commands no more.
func TestRotation(t *testing.T) {
	d := newDevice(t)
	next, public := newKey(t)
	c := health(1)
	c.What, c.Key, c.Until = OperationsKey, public, now.Add(24*time.Hour).UnixMilli()
	if err := d.Take(t.Context(), d.sign(t, c)); err != nil {
		t.Fatal(err)
	}
	old, err := note.NewVerifier(d.key)
	if err != nil {
		t.Fatal(err)
	}
	has := func(keys note.Verifiers, v note.Verifier) bool {
		_, err := keys.Verifier(v.Name(), v.KeyHash())
		return err == nil
	}
	if !has(d.Now(), old) {
		t.Error("the keys do not overlap")
	}
	var no *Refusal
	if err := d.Take(t.Context(), d.sign(t, health(2))); !errors.As(err, &no) || no.Why != WhySignature {
		t.Errorf("a command by the earlier key: got %v", err)
	}
	d.signer = next
	d.open(t)
	if err := d.Take(t.Context(), d.sign(t, health(2))); err != nil {
		t.Error(err)
	}
	d.now = now.Add(25 * time.Hour)
	if has(d.Now(), old) || !has(d.Ever(), old) {
		t.Error("after the overlap the earlier key is to verify what is here, and nothing new")
	}
	// Enrolled anew: the configuration names another key.
	third, public := newKey(t)
	d.key, d.signer, d.now = public, third, now
	d.open(t)
	var again *Refusal
	if err := d.Take(t.Context(), d.sign(t, health(2))); !errors.As(err, &again) || again.Why != WhyReplayed {
		t.Errorf("a number that was used under the earlier key: got %v", err)
	}
	if err := d.Take(t.Context(), d.sign(t, health(3))); err != nil {
		t.Error(err)
	}
}

func FuzzOpen(f *testing.F) {
	signer, public := newKey(f)
	verifier, _ := note.NewVerifier(public)
	signed, err := health(1).Sign(signer)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(signed)
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := repotest.Parsed(t, b, func(b []byte) (Command, error) { return Open(b, note.VerifierList(verifier)) })
		if err == nil {
			if _, err := c.Sign(signer); err != nil {
				t.Fatalf("a command that was read cannot be signed: %v", err)
			}
		}
	})
}

// FuzzRead reads what a broker could put under a signature it does not have.
func FuzzRead(f *testing.F) {
	signer, _ := newKey(f)
	signed, err := health(1).Sign(signer)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(signed)
	f.Fuzz(func(t *testing.T, b []byte) {
		repotest.Parsed(t, b, func(b []byte) (c Command, err error) { return c, wire.Unsealed(head, b, &c) })
	})
}
