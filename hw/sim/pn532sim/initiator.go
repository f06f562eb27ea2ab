package pn532sim

import (
	"context"
	"time"
)

// maxPiece is the most payload one InDataExchange carries in either direction (7.3.8).
const maxPiece = 262

// maxCommand bounds a chained command: an extended APDU with both lengths.
const maxCommand = 4 + 3 + 65535 + 2

// executeInitiator is execute for the commands of UM0701-02 7.3.
func (c *Chip) executeInitiator(ctx context.Context, code byte, out, p []byte) []byte {
	switch code {
	case cmdInListPassiveTarget:
		return c.list(ctx, out, p)
	case cmdInAutoPoll:
		return c.autoPoll(ctx, out, p)
	case cmdInDataExchange:
		if len(p) < 1 || len(p)-1 > maxPiece {
			return nil
		}
		return append(out, c.exchange(ctx, p[0], p[1:])...)
	case cmdInCommunicateThru:
		// Nothing here answers raw frames: a card in ISO-DEP state is silent to what is no block.
		c.line.add(attempt)
		return append(out, statusTimeout)
	case cmdInJumpForDEP, cmdInJumpForPSL:
		c.line.add(attempt)
		return append(out, statusTimeout) // no NFC-DEP partner
	case cmdInATR:
		if len(p) < 1 {
			return nil
		}
		if t := c.selected(p[0]); t != nil && t.radio.Type == TypeA {
			return append(append(out, statusOK), t.ats()...)
		}
		return append(out, statusContext)
	case cmdInPSL:
		if len(p) != 3 {
			return nil
		}
		return append(out, c.changeRate(p[0], p[1], p[2]))
	case cmdInDeselect, cmdInRelease, cmdInSelect:
		if len(p) != 1 || p[0] > 2 {
			return nil
		}
		return append(out, c.selection(code, p[0]))
	}
	return nil
}

// list: InListPassiveTarget, 7.3.5.
func (c *Chip) list(ctx context.Context, out, p []byte) []byte {
	if len(p) < 2 || p[0] < 1 || p[0] > 2 || p[1] > 4 {
		return nil
	}
	c.target = nil
	kind, ok := map[byte]Type{0x00: TypeA, 0x03: TypeB}[p[1]]
	if p[1] == 0x03 && len(p) < 3 {
		return nil // type B wants the application family
	}
	if !ok {
		c.line.add(attempt)
		return append(out, 0)
	}
	s := c.find(ctx, kind, int(c.retries)+1)
	if s == nil {
		return append(out, 0)
	}
	c.activate(s)
	return append(append(out, 1), s.targetData(c.autoRATS)...)
}

// autoPoll: 7.3.13. Each poll of a type waits a period of 150 ms steps.
func (c *Chip) autoPoll(ctx context.Context, out, p []byte) []byte {
	if len(p) < 3 || len(p) > 17 || p[0] == 0 || p[1] == 0 || p[1] > 15 {
		return nil
	}
	c.target = nil
	kinds := map[byte]Type{0x00: TypeA, 0x10: TypeA, 0x20: TypeA, 0x03: TypeB, 0x23: TypeB}
	period := time.Duration(p[1]) * 150 * time.Millisecond
	limit := time.NewTimer(time.Duration(p[0]) * time.Duration(len(p)-2) * period)
	defer limit.Stop()
	end := limit.C
	if p[0] == 0xFF {
		end = nil
	}
	for {
		s, changed := c.card()
		for _, t := range p[2:] {
			kind, ok := kinds[t]
			if s == nil || !ok || kind != s.radio.Type {
				continue
			}
			c.activate(s)
			// A plain MIFARE poll does not go on to RATS.
			data := s.targetData(c.autoRATS && t != 0x10)
			return append(append(out, 1, t, byte(len(data))), data...)
		}
		select {
		case <-changed:
		case <-end:
			return append(out, 0)
		case <-ctx.Done():
			return append(out, 0)
		}
	}
}

// selected is the target of that number, if it is active.
func (c *Chip) selected(tg byte) *target {
	if t := c.target; t != nil && tg&0x3F == 1 && !t.deselected {
		return t
	}
	return nil
}

// selection: InDeselect, InRelease and InSelect, 7.3.10 to 7.3.12. Number 0 is every target.
func (c *Chip) selection(code, tg byte) byte {
	t := c.target
	if t == nil {
		if tg == 0 && code != cmdInSelect {
			return statusOK
		}
		return statusContext
	}
	c.line.add(airTime(0, 256, t.radio.bitsPerByte(), t.toCard, t.fromCard))
	switch code {
	case cmdInDeselect:
		t.deselected = true
	case cmdInRelease:
		c.target = nil
	case cmdInSelect:
		if t.isGone() {
			return statusTimeout
		}
		if t.deselected {
			c.activate(t.slot)
		}
	}
	return statusOK
}

// changeRate: InPSL, 7.3.7; PPS is there for type A only.
func (c *Chip) changeRate(tg, toCard, fromCard byte) byte {
	t := c.selected(tg)
	if t == nil || t.radio.Type != TypeA {
		return statusContext
	}
	up, ok1 := rateOf(toCard)
	down, ok2 := rateOf(fromCard)
	if !ok1 || !ok2 {
		return statusParam
	}
	c.line.add(airTime(2, 256, t.radio.bitsPerByte(), t.toCard, t.fromCard) +
		airTime(0, 256, t.radio.bitsPerByte(), t.fromCard, t.toCard))
	if t.isGone() || max(up, down) > t.radio.MaxBitRate {
		return statusTimeout // a card is mute to a PPS it does not bear
	}
	t.toCard, t.fromCard = up, down
	return statusOK
}

func rateOf(code byte) (int, bool) {
	if code > 2 {
		return 0, false
	}
	return 106_000 << code, true
}

func rateCode(rate int) byte {
	switch rate {
	case 212_000:
		return 1
	case 424_000:
		return 2
	}
	return 0
}

// present: Diagnose 06, an R(NAK) that a card in the field answers.
func (c *Chip) present(ctx context.Context) byte {
	t := c.selected(1)
	if t == nil {
		return statusContext
	}
	c.line.add(airTime(0, 256, t.radio.bitsPerByte(), t.toCard, t.fromCard))
	if t.isGone() {
		return c.mute(ctx, t)
	}
	c.line.add(airTime(0, 256, t.radio.bitsPerByte(), t.fromCard, t.toCard))
	return statusOK
}

// mute waits as long as the card had leave to be silent.
func (c *Chip) mute(ctx context.Context, t *target) byte {
	c.line.add(t.radio.frameWait())
	c.line.wait(ctx, nil)
	return statusTimeout
}

// exchange: InDataExchange, 7.3.8; it returns the status and what payload there is.
func (c *Chip) exchange(ctx context.Context, tg byte, data []byte) []byte {
	t := c.selected(tg)
	if t == nil {
		return []byte{statusContext}
	}
	if len(data) == 0 && len(t.response) > 0 {
		return c.piece(ctx, t)
	}
	if len(data) == 0 || len(t.command)+len(data) > maxCommand {
		t.command = nil
		return []byte{statusParam}
	}
	t.response = nil
	t.command = append(t.command, data...)
	c.line.add(airTime(len(data), t.radio.fsc(), t.radio.bitsPerByte(), t.toCard, t.fromCard))
	if t.isGone() {
		return []byte{c.mute(ctx, t)}
	}
	if tg&moreInfo != 0 {
		return []byte{statusOK}
	}
	command := t.command
	t.command = nil
	rsp, ok := carry(ctx, t.slot, command)
	if !ok {
		return []byte{c.mute(ctx, t)}
	}
	t.response = rsp
	return c.piece(ctx, t)
}

// piece hands on the next part of the response.
func (c *Chip) piece(ctx context.Context, t *target) []byte {
	n := min(len(t.response), maxPiece)
	status := byte(statusOK)
	if n < len(t.response) {
		status |= moreInfo
	}
	out := append([]byte{status}, t.response[:n]...)
	t.response = t.response[n:]
	c.line.add(airTime(n, min(c.opt.FSD, 256), t.radio.bitsPerByte(), t.fromCard, t.toCard))
	if !c.line.wait(ctx, t.gone) {
		t.response = nil
		return []byte{c.mute(ctx, t)}
	}
	return out
}

// carry brings a command to the card; a card that is taken away meanwhile, or
// that answers nothing, is mute.
func carry(ctx context.Context, s *slot, command []byte) ([]byte, bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type answer struct {
		rsp []byte
		err error
	}
	done := make(chan answer, 1)
	go func() {
		rsp, err := s.card.Transmit(ctx, command)
		done <- answer{rsp, err}
	}()
	select {
	case a := <-done:
		return a.rsp, a.err == nil && len(a.rsp) > 0 && !s.isGone()
	case <-s.gone:
		cancel()
		<-done
		return nil, false
	}
}
