package view

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"limen/internal/repotest"
	"limen/sync/wire"
)

var now = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func newKey(t testing.TB) (note.Signer, note.Verifier) {
	t.Helper()
	private, public, err := note.GenerateKey(nil, "limen-centre")
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	return s, v
}

// centre gives an offer and keeps what it is told.
type centre struct {
	mu    sync.Mutex
	offer string
	told  []wire.ViewAsk
}

func (c *centre) Ask(_ context.Context, a wire.Ask) (wire.Reply, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = append(c.told, *a.View)
	return wire.Reply{View: c.offer}, nil
}

func request() Request {
	at := now.Add(time.Second)
	return Request{Device: "gate-1", ID: make([]byte, 16), Issued: at.UnixMilli(), Expires: at.Add(Life).UnixMilli(), By: "supervisor", Why: "a fault", Offer: HashOf("an offer")}
}

// device is a taker whose clock the test sets.
type device struct {
	*Taker
	centre  *centre
	at      time.Time
	shown   int
	no      error
	refused []Refusal
}

func newDevice(key note.Verifier) *device {
	d := &device{centre: &centre{offer: "an offer"}, at: now}
	d.Taker = New(Options{
		Device: "gate-1", Keys: note.VerifierList(key), Centre: d.centre, Now: func() time.Time { return d.at },
		Refused: func(r Refusal) { d.refused = append(d.refused, r) },
		Show: func(context.Context, Request, string) (string, <-chan string, error) {
			d.shown++
			ended := make(chan string, 1)
			ended <- "its browser left"
			return "an answer", ended, d.no
		},
	})
	d.at = now.Add(2 * time.Second)
	return d
}

func TestRequestsThatAreRefused(t *testing.T) {
	signer, key := newKey(t)
	stranger, _ := newKey(t)
	sign := func(s note.Signer, change func(*Request)) []byte {
		t.Helper()
		r := request()
		change(&r)
		b, err := r.Sign(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	good := sign(signer, func(*Request) {})
	command, err := wire.Seal("limen command v1", request(), signer)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		signed []byte
		change func(*device)
		why    Why
	}{
		"a stranger's":             {sign(stranger, func(*Request) {}), func(*device) {}, WhySignature},
		"another kind of word":     {command, func(*device) {}, WhyMalformed},
		"for another device":       {sign(signer, func(r *Request) { r.Device = "gate-2" }), func(*device) {}, WhyForeign},
		"expired":                  {good, func(d *device) { d.at = now.Add(time.Second + Life) }, WhyExpired},
		"from the future":          {sign(signer, func(r *Request) { r.Issued += 20_000; r.Expires += 20_000 }), func(*device) {}, WhyFuture},
		"repeated":                 {good, func(d *device) { d.Take(context.Background(), good) }, WhyReplayed},
		"older than the start":     {sign(signer, func(r *Request) { r.Issued = now.UnixMilli() }), func(*device) {}, WhyReplayed},
		"with another's offer":     {good, func(d *device) { d.centre.offer = "another offer" }, WhyOffer},
		"with no offer any longer": {good, func(d *device) { d.centre.offer = "" }, WhyOffer},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDevice(key)
			c.change(d)
			before := d.shown
			err := d.Take(t.Context(), c.signed)
			var no *Refusal
			if !errors.As(err, &no) || no.Why != c.why || len(d.refused) != 1 {
				t.Fatalf("got %v and %d told of, want %s once", err, len(d.refused), c.why)
			}
			if d.shown != before {
				t.Error("it was shown all the same")
			}
			d.Take(t.Context(), c.signed)
			if len(d.refused) != 1 && d.refused[1].Why == c.why {
				t.Error("the same refusal was told twice within a minute")
			}
		})
	}
}

func TestRequestGranted(t *testing.T) {
	signer, key := newKey(t)
	signed, err := request().Sign(signer)
	if err != nil || !Is(signed) {
		t.Fatalf("got %v, and is one: %v", err, Is(signed))
	}
	d := newDevice(key)
	if err := d.Take(t.Context(), signed); err != nil {
		t.Fatal(err)
	}
	if told := d.centre.told; len(told) != 3 || told[1].Answer != "an answer" || told[2].Ended != "its browser left" {
		t.Errorf("the centre was told %+v", d.centre.told)
	}
	d = newDevice(key)
	d.no = errors.New("it has no camera")
	if err := d.Take(t.Context(), signed); err != nil {
		t.Fatal(err)
	}
	if told := d.centre.told; len(told) != 2 || told[1].Refused != "it has no camera" {
		t.Errorf("the centre was told %+v", d.centre.told)
	}
}

func TestRequestsThatAreNotSigned(t *testing.T) {
	signer, _ := newKey(t)
	for name, change := range map[string]func(*Request){
		"too long a life": func(r *Request) { r.Expires = r.Issued + MaxLife.Milliseconds() + 1 },
		"no life":         func(r *Request) { r.Expires = r.Issued },
		"nobody":          func(r *Request) { r.By = " " },
		"no reason":       func(r *Request) { r.Why = "" },
		"a long reason":   func(r *Request) { r.Why = strings.Repeat("x", MaxWord+1) },
		"no offer":        func(r *Request) { r.Offer = nil },
		"no id":           func(r *Request) { r.ID = nil },
		"no device":       func(r *Request) { r.Device = "" },
	} {
		r := request()
		change(&r)
		if _, err := r.Sign(signer); err == nil {
			t.Errorf("%s: it was signed", name)
		}
	}
}

func FuzzOpen(f *testing.F) {
	signer, key := newKey(f)
	signed, err := request().Sign(signer)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(signed)
	f.Add([]byte(head + "\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		repotest.Bounded(t, len(b), func() {
			if r, err := Open(b, note.VerifierList(key)); err == nil && string(r.Offer) != string(HashOf("an offer")) {
				t.Errorf("took %+v", r)
			}
		})
	})
}
