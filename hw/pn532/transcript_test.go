package pn532_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"limen/hw/pn532"
)

// script is a conversation written down byte by byte: what the host sends and
// what comes back for it. It proves that we have not changed; the simulated
// chip and libnfc prove that we are right.
type script struct {
	t     *testing.T
	steps []step
	in    []byte
}

type step struct{ host, chip string }

func (s *script) Write(_ context.Context, p []byte) (int, error) {
	if len(s.steps) == 0 {
		s.t.Errorf("host sent %x after the script's end", p)
		return len(p), nil
	}
	want := strings.ReplaceAll(s.steps[0].host, " ", "")
	if got := hex.EncodeToString(p); got != want {
		s.t.Errorf("host sent %s, want %s", got, want)
	}
	back, err := hex.DecodeString(strings.ReplaceAll(s.steps[0].chip, " ", ""))
	if err != nil {
		s.t.Fatal(err)
	}
	s.in = append(s.in, back...)
	s.steps = s.steps[1:]
	return len(p), nil
}

func (s *script) Read(ctx context.Context, p []byte) (int, error) {
	if len(s.in) == 0 {
		<-ctx.Done()
		return 0, ctx.Err()
	}
	n := copy(p, s.in[:min(5, len(s.in))]) // frames come in pieces
	s.in = s.in[n:]
	return n, nil
}

func (s *script) SetBaud(context.Context, int) error { return nil }

const ack = "0000ff00ff00"

// opening is Open without a change of rate.
var opening = []step{
	{"5555 0000000000000000000000000000", ""},
	{"0000ff05fb d414011401 0200", ack + "0000ff02fe d515 1600"},
	{"0000ff02fe d402 2a00", ack + "0000ff06fa d50332010607 e800"},
	{"0000ff03fd d41214 0600", ack + "0000ff02fe d513 1800"},
	{"0000ff06fa d43202000b0d e000", ack + "0000ff02fe d533 f800"},
	{"0000ff04fc d4320400 f600", ack + "0000ff02fe d533 f800"},
	{"0000ff06fa d43205ff0101 f400", ack + "0000ff02fe d533 f800"},
	{"0000ff04fc d4320101 f800", ack + "0000ff02fe d533 f800"},
}

// play runs f on a reader opened over the script's opening and more.
func play(t *testing.T, more []step, f func(*testing.T, *pn532.Reader)) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{t: t, steps: append(append([]step(nil), opening...), more...)}
		r, err := pn532.Open(t.Context(), s, pn532.Options{Bauds: []int{}})
		if err != nil {
			t.Fatal(err)
		}
		f(t, r)
		if len(s.steps) > 0 {
			t.Errorf("%d steps of the script were not played, next %s", len(s.steps), s.steps[0].host)
		}
	})
}

// selected: a type A card with ATS 78 77 81 02, then PPS to 424 kbit/s.
var selected = []step{
	{"0000ff04fc d44a0100 e100", ack + "0000ff11ef d54b01010008200408a1b2c30578778102 1d00"},
	{"0000ff05fb d44e010202 d900", ack + "0000ff03fd d54f00 dc00"},
}

const (
	selectAPDU = "00a4040c"
	exchange   = "0000ff07f9 d4400100a4040c 3700"
	okAnswer   = "0000ff05fb d541009000 5a00"
)

func TestTranscripts(t *testing.T) {
	apdu, _ := hex.DecodeString(selectAPDU)
	want := []byte{0x90, 0x00}
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"plain", []step{{exchange, ack + okAnswer}}},
		{"noise before the ACK", []step{{exchange, "a5ff00" + ack + okAnswer}}},
		{"damaged response asked for again", []step{
			{exchange, ack + "0000ff05fb d541009100 5a00"},
			{"0000ffff0000", okAnswer}}},
		{"late answer to an earlier command passed over", []step{{exchange, ack + "0000ff03fd d54f00 dc00" + okAnswer}}},
		{"nothing came: sent again", []step{{exchange, ""}, {exchange, ack + okAnswer}}},
		{"ACK damaged: an APDU is never sent twice", []step{{exchange, "0000f700ff00" + okAnswer}}},
		{"MI: the rest is fetched", []step{
			{exchange, ack + "0000ff04fc d5414090 1a00"},
			{"0000ff03fd d44001 eb00", ack + "0000ff04fc d5410000 ea00"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			play(t, append(append([]step(nil), selected...), c.steps...), func(t *testing.T, r *pn532.Reader) {
				target, err := r.Poll(t.Context(), 0)
				if err != nil {
					t.Fatal(err)
				}
				got, err := target.Transmit(t.Context(), apdu)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("got %x, %v, want %x", got, err, want)
				}
			})
		})
	}
}

// heldUp is a host that gets no processor for a while after it has sent an
// APDU: the chip's answer waits in the port when the time for it is up.
type heldUp struct {
	*script
	once bool
}

func (h *heldUp) Read(ctx context.Context, p []byte) (int, error) {
	if len(h.steps) == 0 && !h.once {
		h.once = true
		time.Sleep(time.Until(deadline(ctx)) + time.Second)
	}
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	return h.script.Read(ctx, p)
}

func deadline(ctx context.Context) time.Time { d, _ := ctx.Deadline(); return d }

func TestHostHeldUpSendsNoAPDUTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{t: t, steps: append(append(append([]step(nil), opening...), selected...), step{exchange, ack + okAnswer})}
		r, err := pn532.Open(t.Context(), &heldUp{script: s}, pn532.Options{Bauds: []int{}})
		if err != nil {
			t.Fatal(err)
		}
		target, err := r.Poll(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		apdu, _ := hex.DecodeString(selectAPDU)
		if got, err := target.Transmit(t.Context(), apdu); err != nil || !bytes.Equal(got, []byte{0x90, 0x00}) {
			t.Errorf("got %x, %v, want 9000 of the first sending", got, err)
		}
	})
}

// What went wrong is told without a byte of what the APDU held.
func TestErrorsTellNoAPDU(t *testing.T) {
	for _, c := range []struct {
		name  string
		steps []step
		gone  bool
	}{
		{"status 01, card gone", []step{
			{exchange, ack + "0000ff03fd d54101 e900"},
			{"0000ff03fd d40006 2600", ack + "0000ff03fd d50101 2900"}}, true},
		{"status 2B", []step{{exchange, ack + "0000ff03fd d5412b bf00"}}, true},
		{"status 0D", []step{{exchange, ack + "0000ff03fd d5410d dd00"}}, false},
		{"error frame", []step{{exchange, ack + "0000ff01ff7f8100"}}, false},
		{"no status", []step{{exchange, ack + "0000ff02fe d541 ea00"}}, false},
		{"half a status word", []step{{exchange, ack + "0000ff04fc d5410090 5a00"}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			play(t, append(append([]step(nil), selected...), c.steps...), func(t *testing.T, r *pn532.Reader) {
				target, err := r.Poll(t.Context(), 0)
				if err != nil {
					t.Fatal(err)
				}
				_, err = target.Transmit(t.Context(), []byte{0x00, 0xA4, 0x04, 0x0C})
				if err == nil || gone(err) != c.gone {
					t.Fatalf("got %v, gone %v, want an error, gone %v", err, gone(err), c.gone)
				}
				if s := strings.ToLower(err.Error()); strings.Contains(s, "a4040c") || strings.Contains(s, "a4 04 0c") || strings.Contains(s, "08a1b2c3") {
					t.Errorf("the error tells the APDU or the card's identifier: %q", err)
				}
			})
		})
	}
}

func TestAnotherChipIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		steps := append([]step(nil), opening[:3]...)
		steps[2].chip = ack + "0000ff06fa d50333020707 e500"
		_, err := pn532.Open(t.Context(), &script{t: t, steps: steps}, pn532.Options{})
		if err == nil || !strings.Contains(err.Error(), "PN533 v2.7, not a PN532") {
			t.Errorf("got %v, want that it is a PN533", err)
		}
	})
}

func TestACardOfAnotherKind(t *testing.T) {
	play(t, []step{
		{"0000ff04fc d44a0100 e100", ack + "0000ff0cf4 d54b01010004080401020304 c400"}, // MIFARE Classic: SAK 08
		{"0000ff05fb d44a010300 de00", ack + "0000ff03fd d54b00 e000"},
	}, func(t *testing.T, r *pn532.Reader) {
		if _, err := r.Poll(t.Context(), 0); !errors.Is(err, pn532.ErrNotISO14443_4) {
			t.Errorf("got %v, want ErrNotISO14443_4", err)
		}
	})
}
