package demo

import (
	"bytes"
	"context"

	"limen/hw/sim/pn532sim"
)

// slipping is a chip that the field loses once, after so many commands: a
// document that moved on the reader.
type slipping struct {
	pn532sim.Card
	left int
}

// Transmit implements pn532sim.Card.
func (c *slipping) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	if c.left--; c.left == 0 {
		return nil, slipped{}
	}
	return c.Card.Transmit(ctx, command)
}

type slipped struct{}

func (slipped) Error() string  { return "the chip left the field" }
func (slipped) CardGone() bool { return true }

// hidingPACE is something between chip and reader that answers for the chip
// that it has no EF.CardAccess: what is read then comes by BAC, whose keys
// anybody has who has seen the printed lines.
type hidingPACE struct{ pn532sim.Card }

// Transmit implements pn532sim.Card.
func (c hidingPACE) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	bySFI := len(command) > 2 && command[0] == 0 && command[1] == 0xB0 && command[2] == 0x9C
	selected := len(command) >= 7 && command[0] == 0 && command[1] == 0xA4 && command[2] == 0x02 && bytes.Equal(command[5:7], []byte{0x01, 0x1C})
	if bySFI || selected {
		return []byte{0x6A, 0x82}, nil
	}
	return c.Card.Transmit(ctx, command)
}
