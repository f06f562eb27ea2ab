package pn532

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	"limen/hw/pn532/hsu"
	"limen/internal/repotest"
)

// answering is a chip that acknowledges every command and answers it with what
// it is given: an octet of length and as many of the response, for each. Without
// more to give its line breaks.
type answering struct {
	heard     hsu.Scanner
	out       []byte
	responses []byte
}

func (a *answering) SetBaud(context.Context, int) error { return nil }

func (a *answering) Read(_ context.Context, p []byte) (int, error) {
	if len(a.out) == 0 {
		return 0, io.ErrClosedPipe
	}
	n := copy(p, a.out)
	a.out = a.out[n:]
	return n, nil
}

func (a *answering) Write(_ context.Context, p []byte) (int, error) {
	a.heard.Feed(p)
	for {
		f, ok := a.heard.Next()
		if !ok {
			return len(p), nil
		}
		if f.Kind != hsu.Data || len(f.Body) == 0 || len(a.responses) == 0 {
			continue
		}
		n := min(int(a.responses[0]), len(a.responses)-1)
		a.out = hsu.AppendData(hsu.AppendACK(a.out), hsu.FromChip, append([]byte{f.Body[0] + 1}, a.responses[1:1+n]...))
		a.responses = a.responses[1+n:]
	}
}

// FuzzResponses opens a reader, finds a card and exchanges an APDU with it,
// whatever the chip says to each command.
func FuzzResponses(f *testing.F) {
	card := "\x14\x01\x01\x04\x00\x20\x04\x08\xa1\xb2\xc3\x05\x78\x77\x81\x02\x80"
	opened := "\x00" + "\x04\x32\x01\x06\x07" + "\x00\x00\x00\x00\x00"
	f.Add([]byte(opened+card+"\x01\x00"+"\x03\x40\x01\x02"+"\x03\x00\x90\x00"), false)
	f.Add([]byte(opened+"\x01\x00"+"\x0f\x01\x01\x50\xaa\xbb\xcc\xdd\x00\x00\x00\x00\x77\x81\x81\x01\x00"+"\x01\x01"+"\x01\x00"), true)
	f.Add([]byte("\x00"+"\x03\x07\x01\x06"), true)
	f.Fuzz(func(t *testing.T, responses []byte, long bool) {
		command := []byte{0, 0xB0, 0, 0, 0}
		if long {
			command = append([]byte{0, 0xD6, 0, 0, 0, 1, 44}, make([]byte, 300)...)
		}
		repotest.Bounded(t, 8*len(responses)+len(command), func() {
			ctx, port := t.Context(), &answering{responses: responses}
			r, err := Open(ctx, port, Options{Bauds: []int{}, ExchangeTimeout: time.Minute, Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				return
			}
			target, err := r.Poll(ctx, 0)
			if err != nil {
				return
			}
			for range 2 {
				if answer, err := target.Transmit(ctx, command); err == nil && (len(answer) < 2 || len(answer) > len(responses)) {
					t.Errorf("an answer of %d bytes out of %d", len(answer), len(responses))
				}
			}
			_, _ = target.Present(ctx)
			_ = target.Release(ctx)
			_ = r.Close(ctx)
		})
	})
}
