package apdu

import (
	"context"
	"fmt"
)

// Card is a chip in the field: one raw command APDU in, one raw response APDU
// with its status word out. An error means that no response came; one with a
// method CardGone() bool returning true says that the card left the field. The
// response belongs to the caller. Card is used by one caller at a time.
type Card interface {
	Transmit(ctx context.Context, command []byte) (response []byte, err error)
}

// Limited is a Card that knows how long a raw command it can carry and how
// long a raw response, status word included. A Card without it is taken to
// carry short APDUs only: 261 bytes out, 258 back.
type Limited interface {
	Limits() (command, response int)
}

// Limits returns what the card carries.
func Limits(card Card) (command, response int) {
	if l, ok := card.(Limited); ok {
		return l.Limits()
	}
	return 261, 258
}

// maxRounds bounds GET RESPONSE: 65536 bytes come in 256 rounds of 256.
const maxRounds = 256

// Send transmits a command and returns the whole response. A chip that keeps
// its response back (61xx) is asked for it, and one that names the right Le
// (6Cxx) is asked again with it, once.
//
// When the card is a secure messaging session every round passes through it,
// so that its counter stays in step.
func Send(ctx context.Context, card Card, c Command) (Response, error) {
	r, err := Exchange(ctx, card, c)
	if err != nil {
		return r, err
	}
	if le, wrong := r.SW.CorrectLe(); wrong && len(r.Data) == 0 && le != c.Le {
		c.Le = le
		return Exchange(ctx, card, c)
	}
	return r, nil
}

// Exchange is Send without the second try on 6Cxx: secure messaging uses it
// below itself, where a repeated command would no longer fit the counter.
func Exchange(ctx context.Context, card Card, c Command) (Response, error) {
	r, err := once(ctx, card, c)
	if err != nil {
		return r, err
	}
	var data []byte
	for range maxRounds {
		n, more := r.SW.Remaining()
		if !more {
			r.Data = append(data, r.Data...)
			return r, nil
		}
		if data = append(data, r.Data...); len(data) > MaxLe {
			return Response{}, fmt.Errorf("apdu: response is longer than %d bytes", MaxLe)
		}
		// The class keeps its channel and loses chaining and secure messaging.
		r, err = once(ctx, card, Command{CLA: c.CLA & 0x03, INS: 0xC0, Le: n})
		if err != nil {
			return r, err
		}
		if le, wrong := r.SW.CorrectLe(); wrong {
			if r, err = once(ctx, card, Command{CLA: c.CLA & 0x03, INS: 0xC0, Le: le}); err != nil {
				return r, err
			}
		}
	}
	return Response{}, fmt.Errorf("apdu: chip still holds data back after %d rounds of GET RESPONSE", maxRounds)
}

func once(ctx context.Context, card Card, c Command) (Response, error) {
	raw, err := c.Encode()
	if err != nil {
		return Response{}, err
	}
	if err := ctx.Err(); err != nil {
		return Response{}, err
	}
	b, err := card.Transmit(ctx, raw)
	if err != nil {
		return Response{}, err
	}
	return ParseResponse(b)
}

// Counter is a Card that counts what passes, for figures.
type Counter struct {
	Card Card
	Stats
}

// Stats is what passed between reader and chip. Bytes are those of raw APDUs,
// without the frames of the air interface.
type Stats struct {
	Commands      int
	BytesSent     int
	BytesReceived int
}

// Transmit passes the command on and counts it, an unanswered one too.
func (c *Counter) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	c.Commands++
	c.BytesSent += len(command)
	response, err := c.Card.Transmit(ctx, command)
	c.BytesReceived += len(response)
	return response, err
}

// Limits are those of the card counted.
func (c *Counter) Limits() (command, response int) { return Limits(c.Card) }
