//go:build cgo

package pcsc

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ebfe/scard"
)

// slice bounds how long one call waits for a card, and so how long Close waits.
const slice = 200 * time.Millisecond

// List names the readers that are plugged in, none being no error.
func List(ctx context.Context) ([]string, error) {
	w := newWorker()
	defer w.stop()
	return do(ctx, w, func() ([]string, error) {
		sc, err := scard.EstablishContext()
		if err != nil {
			return nil, translate("list the readers", "", err)
		}
		defer sc.Release()
		return readers(sc)
	})
}

func readers(sc *scard.Context) ([]string, error) {
	names, err := sc.ListReaders()
	if err == scard.ErrNoReadersAvailable {
		return nil, nil
	}
	if err != nil {
		return nil, translate("list the readers", "", err)
	}
	return names, nil
}

// Reader is one reader. Its methods and its card's may be called from any
// goroutine; one call is made at a time.
type Reader struct {
	name string
	w    *worker
	sc   *scard.Context
	card *scard.Card // connected, until its Close
}

// Open connects to pcscd and picks the reader of that name, or the first where name is empty.
func Open(ctx context.Context, name string) (*Reader, error) {
	r := &Reader{name: name, w: newWorker()}
	_, err := do(ctx, r.w, func() (struct{}, error) { return struct{}{}, r.open() })
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

func (r *Reader) open() error {
	const doing = "open the PC/SC reader"
	sc, err := scard.EstablishContext()
	if err != nil {
		return translate(doing, r.name, err)
	}
	r.sc = sc
	names, err := readers(sc)
	if err != nil {
		return err
	}
	switch {
	case len(names) == 0:
		return &Error{Reason: NoReader, Doing: doing, Reader: r.name, Detail: "pcscd sees none at all"}
	case r.name == "":
		r.name = names[0]
	case !slices.Contains(names, r.name):
		return &Error{Reason: NoReader, Doing: doing, Reader: r.name, Detail: "there are: " + strings.Join(names, ", ")}
	}
	return nil
}

// Name is the reader's name in PC/SC.
func (r *Reader) Name() string { return r.name }

// Close gives the card and the reader back. It waits for a call under way.
func (r *Reader) Close() error {
	r.w.stop()
	if r.card != nil {
		r.card.Disconnect(scard.ResetCard)
		r.card = nil
	}
	if r.sc == nil {
		return nil
	}
	sc := r.sc
	r.sc = nil
	if err := sc.Release(); err != nil {
		return translate("close the PC/SC reader", r.name, err)
	}
	return nil
}

// WaitCard waits until a card lies in the reader and connects to it,
// exclusively: another program's commands would break its session. A card
// connected before is given back.
func (r *Reader) WaitCard(ctx context.Context) (*Card, error) {
	return do(ctx, r.w, func() (*Card, error) {
		const doing = "wait for a card"
		r.drop()
		state := scard.ReaderState{Reader: r.name, CurrentState: scard.StateUnaware}
		for ctx.Err() == nil {
			states := []scard.ReaderState{state}
			err := r.sc.GetStatusChange(states, slice)
			if err == scard.ErrTimeout {
				continue
			}
			if err != nil {
				return nil, translate(doing, r.name, err)
			}
			now := states[0].EventState
			switch {
			case now&(scard.StateUnknown|scard.StateUnavailable) != 0:
				return nil, &Error{Reason: NoReader, Doing: doing, Reader: r.name, Detail: "it was unplugged"}
			case now&scard.StateMute != 0:
				return nil, &Error{Reason: CardMute, Doing: doing, Reader: r.name}
			case now&scard.StatePresent != 0:
				return r.connect()
			}
			state.CurrentState = now &^ scard.StateChanged
		}
		return nil, ctx.Err()
	})
}

func (r *Reader) connect() (*Card, error) {
	const doing = "connect to the card"
	card, err := r.sc.Connect(r.name, scard.ShareExclusive, scard.ProtocolAny)
	if err != nil {
		return nil, translate(doing, r.name, err)
	}
	r.card = card
	c := &Card{r: r, card: card, maxCommand: shortCommand, maxResponse: shortResponse}
	if p := card.ActiveProtocol(); p != scard.ProtocolT0 && p != scard.ProtocolT1 {
		r.drop()
		return nil, &Error{Reason: Failed, Doing: doing, Reader: r.name, Detail: fmt.Sprintf("unknown protocol %d", p)}
	}
	status, err := card.Status()
	if err != nil {
		r.drop()
		return nil, translate(doing, r.name, err)
	}
	c.atr = slices.Clone(status.Atr)
	switch {
	case strings.HasPrefix(r.name, "Virtual PCD"):
		// vpcd, which does not tell in every version: a message of it has a two-byte length.
		c.maxCommand, c.maxResponse = 0xFFFF, 0xFFFF
	case maxAPDU(card) >= 0x10000:
		c.maxCommand, c.maxResponse = extendedCommand, extendedResponse
	}
	return c, nil
}

// drop gives the connected card back, reset, for the next program to start afresh.
func (r *Reader) drop() {
	if r.card != nil {
		r.card.Disconnect(scard.ResetCard)
		r.card = nil
	}
}

// maxAPDU asks the driver how much APDU data the reader carries; 0 where it
// does not say (PC/SC part 10, 2.2 and 2.6.14: CM_IOCTL_GET_FEATURE_REQUEST,
// FEATURE_GET_TLV_PROPERTIES, dwMaxAPDUDataSize).
func maxAPDU(card *scard.Card) uint32 {
	const featureRequest, tlvProperties, maxAPDUDataSize = 3400, 0x12, 0x0A
	features, err := card.Control(scard.CtlCode(featureRequest), nil)
	if err != nil {
		return 0
	}
	code, ok := find(features, tlvProperties)
	if !ok || len(code) != 4 {
		return 0
	}
	properties, err := card.Control(binary.BigEndian.Uint32(code), nil)
	if err != nil {
		return 0
	}
	size, ok := find(properties, maxAPDUDataSize)
	if !ok || len(size) != 4 {
		return 0
	}
	return binary.LittleEndian.Uint32(size)
}

// find looks a tag up in a list of one-byte tags and lengths.
func find(list []byte, tag byte) ([]byte, bool) {
	for len(list) >= 2 && int(list[1]) <= len(list)-2 {
		if list[0] == tag {
			return list[2 : 2+list[1]], true
		}
		list = list[2+list[1]:]
	}
	return nil, false
}
