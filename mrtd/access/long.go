package access

import (
	"context"

	"limen/mrtd/apdu"
	"limen/mrtd/ber"
)

// sendLong sends a command whose data may be longer than a short APDU carries:
// with extended length where the card bears that, else, and where the chip then
// objects to the length, as a chain of short ones (ISO/IEC 7816-4, 5.1.1). The
// guideline wants extended length (BSI TR-03110-3, B.12); chaining serves
// readers and chips without it.
func sendLong(ctx context.Context, card apdu.Card, c apdu.Command) (apdu.Response, error) {
	short, extended := capacity(card)
	if len(c.Data) <= short {
		return apdu.Send(ctx, card, c)
	}
	if len(c.Data) <= extended {
		if r, err := apdu.Send(ctx, card, c); err != nil || r.SW != apdu.WrongLength {
			return r, err
		}
	}
	for rest := c.Data; ; rest = rest[short:] {
		part := c
		part.Data = rest
		if len(rest) <= short {
			return apdu.Send(ctx, card, part)
		}
		part.CLA, part.Data, part.Le = c.CLA|0x10, rest[:short], 0
		if r, err := apdu.Send(ctx, card, part); err != nil || r.SW != apdu.Success {
			return r, err
		}
	}
}

// capacity is how many bytes of command data a short and an extended APDU carry
// to the card, at least one.
func capacity(card apdu.Card) (short, extended int) {
	s, secure := card.(*Session)
	if !secure {
		command, _ := apdu.Limits(card)
		return max(1, min(255, command-6)), command - 9
	}
	command, _ := apdu.Limits(s.card)
	return max(1, s.maxSent(min(255, command-6))), s.maxSent(command - 9)
}

// maxSent is how many plain bytes of command data fit n bytes of protected data,
// without an expected length.
func (s *Session) maxSent(n int) int {
	block := s.suite.cipher.BlockSize()
	for k := n / block; k > 0; k-- {
		value := 1 + k*block                              // the padding indicator and k blocks
		if 1+len(ber.EncodeLength(value))+value+10 <= n { // and the checksum
			return k*block - 1
		}
	}
	return 0
}
